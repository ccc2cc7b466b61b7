"""Instances in time: pending, running, answering, sick, shutting down, terminated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field

from tests.emulators.chances import Chances
from tests.emulators.clock import Clock, Timer

from . import door
from .laws import Fate, Laws

BY_USER = ("Client.UserInitiatedShutdown", "User initiated shutdown")


@define(eq=False)
class Life:
    """What is true about one instance, whatever anybody was told.

    Args:
        instance: moto's object, which DescribeInstances shows.
        answering: whether health checks succeed, and since when that is so.
        impaired: whether the instance status check fails.
        sick: whether the application fails its health checks, once it answers at all.
        reason: why health checks fail, if they do.
        left: when it was terminated.
    """

    instance: Any
    launched: float
    zone: str
    type: str
    image: str
    running: float | None = None
    answering: tuple[bool, float] = (False, 0.0)
    impaired: bool = False
    sick: bool = False
    reason: str = "Target.FailedHealthChecks"
    left: float | None = None
    timers: list[Timer] = field(factory=list)

    @property
    def id(self) -> str:
        """The instance's id."""
        return str(self.instance.id)

    @property
    def state(self) -> str:
        """EC2's name of the state."""
        return str(self.instance.state)

    @property
    def exists(self) -> bool:
        """Whether it still holds capacity, quota and an address."""
        return self.state != "terminated"


@define(eq=False)
class Lives:
    """All instances of the account.

    "Amazon EC2 instance state changes": pending → running → shutting-down → terminated
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html). Terminated
    ones stay listed.
    """

    clock: Clock
    laws: Laws
    chances: Chances
    fates: list[Fate] = field(factory=list)
    all: dict[str, Life] = field(factory=dict)
    before_turn: Callable[[Life], None] = field(default=lambda _: None)
    on_leaving: Callable[[Life], None] = field(default=lambda _: None)
    on_gone: Callable[[Life], None] = field(default=lambda _: None)
    on_running: Callable[[Life], None] = field(default=lambda _: None)

    def find(self, instance_id: str) -> Any:
        """moto's instance, or None."""
        life = self.all.get(instance_id)
        return life.instance if life else None

    def born(self, instance: Any) -> None:
        """A new instance: `pending`, with everything that will become of it on timers."""
        now = self.clock.now()
        life = Life(
            instance, now, instance.placement.zone, instance.instance_type, instance.image_id
        )
        self.all[life.id] = life
        instance.launch_time = self.clock.date().replace(tzinfo=None)
        door.rooted(instance, instance.launch_time)
        door.state(instance, "pending")
        fate = self._fate(life)
        boot = self.laws.boot if fate.boot == "law" else fate.boot
        if boot is not None:
            self._later(life, self.chances.draw(boot), self._runs, life, fate)
        if fate.dies is not None:
            self._later(life, fate.dies, self.kill, life.id)

    def _fate(self, life: Life) -> Fate:
        for fate in self.fates:
            if fate.matches(life.image, life.zone):
                return fate
        return Fate()

    def _later(self, life: Life, seconds: float, do: Callable[..., None], *args: Any) -> None:
        life.timers.append(self.clock.after(seconds, do, *args))

    def _runs(self, life: Life, fate: Fate) -> None:
        door.state(life.instance, "running")
        life.running = self.clock.now()
        answers = self.laws.answers if fate.answers == "law" else fate.answers
        if answers is not None:
            wait = self.chances.draw(answers)
            self._later(life, wait, self.turn, life.id, True)
            if fate.sickens is not None:
                self._later(life, wait + fate.sickens, self.sicken, life.id)
        if fate.impaired is not None:
            self._later(life, fate.impaired, self.impair, life.id)
        self.on_running(life)

    def turn(self, instance_id: str, answering: bool) -> None:
        """From now on health checks succeed, or fail."""
        life = self.all[instance_id]
        answering = answering and not life.sick
        if life.answering[0] != answering:
            self.before_turn(life)
            life.answering = (answering, self.clock.now())

    def sicken(self, instance_id: str) -> None:
        """From now on health checks fail, also if it did not answer yet."""
        self.all[instance_id].sick = True
        self.turn(instance_id, False)

    def heal(self, instance_id: str) -> None:
        """From now on health checks succeed again."""
        self.all[instance_id].sick = False
        self.turn(instance_id, self.all[instance_id].state == "running")

    def impair(self, instance_id: str) -> None:
        """From now on the instance status check fails."""
        self.all[instance_id].impaired = True

    def kill(self, instance_id: str) -> None:
        """EC2 terminates it by itself."""
        life = self.all[instance_id]
        if life.state not in {"shutting-down", "terminated"}:
            self.shut_down(instance_id, ("Server.InternalError", "Internal error on launch"))

    def shut_down(self, instance_id: str, why: tuple[str, str] = BY_USER) -> str:
        """Begin to terminate; the state that it was in before."""
        life = self.all[instance_id]
        was = life.state
        if was in {"shutting-down", "terminated"}:
            return was
        for timer in life.timers:
            timer.cancel()
        self.turn(instance_id, False)
        door.state(life.instance, "shutting-down")
        door.reason(life.instance, *why)
        self.on_leaving(life)
        self.clock.after(self.chances.draw(self.laws.shutdown), self._gone, life)
        return was

    def _gone(self, life: Life) -> None:
        reason = life.instance.state_reason
        life.instance.terminate()
        life.instance.state_reason = reason
        door.state(life.instance, "terminated")
        life.left = self.clock.now()
        self.on_gone(life)

    def stop(self, instance_id: str) -> None:
        """Stopped behind everybody's back: neither running nor gone."""
        self.turn(instance_id, False)
        door.state(self.all[instance_id].instance, "stopped")

    def status(self, instance: Any) -> dict[str, Any]:
        """The instance status check.

        "Status checks for Amazon EC2 instances": initializing, ok, impaired
        (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html).
        """
        life = self.all[instance.id]
        if life.state != "running" or life.running is None:
            return {"Status": "not-applicable"}
        if life.impaired:
            status, check = "impaired", "failed"
        elif self.clock.now() < life.running + self.laws.status_checks:
            status, check = "initializing", "initializing"
        else:
            status, check = "ok", "passed"
        return {"Status": status, "Details": [{"Name": "reachability", "Status": check}]}

    def existing(self) -> list[Life]:
        """Those that hold capacity."""
        return [life for life in self.all.values() if life.exists]
