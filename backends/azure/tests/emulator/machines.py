"""Virtual machines, of scale sets or alone: what they are, and their lives.

States: "States and billing status of Azure Virtual Machines"
(https://learn.microsoft.com/azure/virtual-machines/states-billing). Health: "Using Application
Health extension" (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.emulators.clock import Timer

from . import ids
from .errors import ArmError
from .laws import Fate

if TYPE_CHECKING:
    from .sets import ScaleSet
    from .world import World

Done = Callable[["Machine"], None]


@define(eq=False)
class Machine:
    """One machine.

    Args:
        id: its long name.
        name: the last part of it that people read.
        number: counts up within its set; in a Uniform set it is the instance's id.
        vm_id: unique for ever.
        profile: the set's `virtualMachineProfile` that it was made from, or the like of a VM alone.
        size: `Standard_D2s_v3`.
        model: which model of its set it is of.
        provisioning: `Creating`, `Updating`, `Deleting`, `Succeeded` or `Failed`.
        power: of the instance view: `starting`, `running`, `stopped`, `deallocated` …; None before
            there is any.
        answering: whether the application answers; None before it ever did.
        waits: who is told when what it does now is over, or is cut short.
        nics: the machine's own network configuration, where it differs from the profile.
        data: what a PUT of the machine alone said.
        etag: counts up.
    """

    id: str
    name: str
    number: int
    profile: dict[str, Any]
    size: str
    zone: str
    launched: float
    group: ScaleSet | None = None
    vm_id: str = field(factory=ids.fresh)
    model: int = 0
    provisioning: str = "Creating"
    power: str | None = None
    answering: bool | None = None
    ran_at: float | None = None
    changed_at: float = 0.0
    error: ArmError | None = None
    protection: dict[str, Any] = field(factory=dict)
    tags: dict[str, str] = field(factory=dict)
    nics: list[dict[str, Any]] | None = None
    data: dict[str, Any] = field(factory=dict)
    etag: int = 1
    fate: Fate = field(factory=Fate)
    timers: list[Timer] = field(factory=list)
    waits: Done | None = None
    deaf: bool = False

    @property
    def leaves(self) -> bool:
        """Whether it is being deleted."""
        return self.provisioning == "Deleting"

    @property
    def runs(self) -> bool:
        """Whether it is powered on and not about to go."""
        return self.power == "running"

    @property
    def image(self) -> str:
        """The image reference, in one string."""
        reference = self.profile.get("storageProfile", {}).get("imageReference", {})
        words = ("publisher", "offer", "sku", "version")
        return reference.get("id") or ":".join(str(reference.get(word, "")) for word in words)


class Lives:
    """What becomes of machines, in time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fates: list[Fate] = []

    def start(self, machine: Machine, done: Done) -> None:
        """Provision it; `done` when it runs, has failed, or is deleted before it could."""
        named = machine.group.name if machine.group else ""
        fits = (f for f in self.fates if f.matches(machine.image, named, machine.zone))
        machine.fate, machine.waits = next(fits, Fate()), done
        self._boot(machine)

    def _boot(self, machine: Machine) -> None:
        boot = self.world.laws.boot if machine.fate.boot == "law" else machine.fate.boot
        if boot is not None:
            self._later(machine, self.world.chances.draw(boot), self._runs, machine)

    def _over(self, machine: Machine) -> None:
        """Tell who waits for it, once."""
        done, machine.waits = machine.waits, None
        if done is not None:
            done(machine)

    def _later(self, machine: Machine, seconds: float, do: Callable[..., None], *args: Any) -> None:
        machine.timers.append(self.world.clock.after(seconds, do, *args))

    def _runs(self, machine: Machine) -> None:
        machine.power, machine.ran_at = "running", self.world.clock.now()
        machine.changed_at = machine.ran_at
        machine.provisioning = "Succeeded"
        if machine.fate.code is not None:
            self.fail(machine, ArmError(machine.fate.code, machine.fate.message))
            if machine.fate.code == "VMExtensionProvisioningError":
                machine.power = "running"
        if machine.fate.dies is not None:
            self._later(machine, machine.fate.dies, self.world.removal.vanish, machine)
        answers = self.world.laws.answers if machine.fate.answers == "law" else machine.fate.answers
        if answers is not None and machine.fate.code is None:
            self._later(machine, self.world.chances.draw(answers), self._answers, machine)
        self._over(machine)

    def _answers(self, machine: Machine) -> None:
        if not machine.deaf:
            self.turn(machine, True)
        if machine.fate.sickens is not None:
            self._later(machine, machine.fate.sickens, self.turn, machine, False)

    def turn(self, machine: Machine, well: bool) -> None:
        """From now on the application answers, or does not."""
        machine.answering, machine.deaf = well, not well
        machine.changed_at = self.world.clock.now()

    def fail(self, machine: Machine, error: ArmError) -> None:
        """Its provisioning has failed: it stays, without power."""
        machine.provisioning, machine.error, machine.power = "Failed", error, None

    def restart(self, machine: Machine, done: Done) -> None:
        """Boot again, with whatever profile it has by now."""
        self.still(machine)
        machine.provisioning, machine.power, machine.answering = "Updating", "starting", None
        machine.deaf, machine.error, machine.waits = False, None, done
        machine.etag += 1
        self._boot(machine)

    def halt(self, machine: Machine, power: str, done: Done) -> None:
        """Stop or deallocate it."""
        self.still(machine)
        machine.provisioning, machine.answering, machine.waits = "Updating", None, done
        machine.power = {"stopped": "stopping", "deallocated": "deallocating"}[power]
        seconds = self.world.chances.draw(self.world.laws.shutdown)
        self._later(machine, seconds, self._halted, machine, power)

    def _halted(self, machine: Machine, power: str) -> None:
        machine.power, machine.provisioning = power, "Succeeded"
        self._over(machine)

    def leave(self, machine: Machine, done: Done) -> None:
        """Delete it; `done` when it is gone."""
        machine.provisioning, machine.answering = "Deleting", None
        machine.power = "stopping" if machine.power else None
        self.still(machine)
        self._later(machine, self.world.chances.draw(self.world.laws.shutdown), done, machine)

    def still(self, machine: Machine) -> None:
        """Forget what was to become of it; who waits is told that it won't be."""
        for timer in machine.timers:
            timer.cancel()
        machine.timers.clear()
        self._over(machine)


def health(machine: Machine, now: float, scale: float) -> str | None:
    """What the Application Health extension says; None without it, or before it could.

    "Binary versus Rich Health States": without a healthy answer a machine is `unhealthy` (binary);
    with rich states it is `initializing` for the grace period and `unknown` after it.
    """
    extension = watcher(machine)
    if extension is None or not machine.runs or machine.provisioning == "Creating":
        return None
    settings = extension.get("settings") or {}
    if machine.answering:
        return "healthy"
    if not str(extension.get("typeHandlerVersion", "1.0")).startswith("2"):
        return "unhealthy"
    if machine.answering is False:
        return "unhealthy"
    per = float(settings.get("intervalInSeconds", 5)) * float(settings.get("numberOfProbes", 1))
    grace = float(settings.get("gracePeriod", per)) * scale
    return "initializing" if now < (machine.ran_at or now) + grace else "unknown"


def watcher(machine: Machine) -> dict[str, Any] | None:
    """The Application Health extension's properties, if the machine has it."""
    for extension in machine.profile.get("extensionProfile", {}).get("extensions", []):
        said: dict[str, Any] = extension.get("properties", {})
        if said.get("publisher") == "Microsoft.ManagedServices" and str(
            said.get("type", "")
        ).startswith("ApplicationHealth"):
            return said
    return None
