"""One rolling replacement by the real engine on the simulated cloud, on virtual time, measured.

Equal cases come to equal figures, on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from attrs import evolve, field, frozen

from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import FleetState, Group, Instance, Rate, Throttled
from immutable.memory import Cloud, Law, Laws, MemoryBackend, fixed, lognormal, vm
from immutable.memory.parts import SimulatedFleet
from immutable.model.quantities import rounded_up
from immutable.testing import LoopClock, run

__all__ = ["DRAIN", "LAWS", "MIN_READY", "TERMINATE", "Case", "Measured", "measured"]

T = TypeVar("T")

MIN_READY, DRAIN, TERMINATE = 30.0, 20.0, 30.0
LAWS: dict[str, Law] = {"vm": vm(90), "lognormal": lognormal(90, 0.9)}


@frozen
class Case:
    """What is replaced, where, and how.

    Attributes:
        boot: The law of boot times, by its name in `LAWS`.
        n: The fleet's size.
        surge: How many more there may be meanwhile.
        probe: Whether one has to prove the image first.
        seed: Of all chances.
        poll: Seconds between two looks.
        feed: Whether the cloud tells of changes.
        launches: The cloud's bucket of launches; None for no limit.
        terminations: Likewise.
    """

    boot: str
    n: int
    surge: str
    probe: bool = False
    seed: int = 0
    poll: float = 2.0
    feed: bool = False
    launches: Rate | None = None
    terminations: Rate | None = None

    @property
    def extra(self) -> int:
        """The surge in instances."""
        return rounded_up(self.surge if "%" in self.surge else int(self.surge), self.n)


@frozen
class Measured:
    """What became of it.

    Attributes:
        makespan: Seconds from the first launch to the last termination.
        boots: The boot times of the new instances, in the order of their launch.
        calls: Calls to the backend, but for waits for changes.
        waits: Waits for changes.
        described: Instances in the answers to looks, but for the first look at the whole fleet.
        throttled: Calls that were too many for the cloud.
        paid: Instance-seconds above the fleet's size.
        lowest: The fewest READY at any time.
        highest: The most existing at any time.
    """

    makespan: float
    boots: tuple[float, ...] = field(repr=False)
    calls: int
    waits: int
    described: int
    throttled: int
    paid: float
    lowest: int
    highest: int

    @property
    def work(self) -> float:
        """Seconds that the new instances, and the old, exist and don't serve: the sum of W."""
        return sum(self.boots) + len(self.boots) * (MIN_READY + DRAIN + TERMINATE)


class CountingBackend(MemoryBackend):
    """Counts what a cloud would have to answer."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.described = self.throttled = 0

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Count who is told of."""
        state = await super().observe(fleet, since=since)
        self.described += len(state.instances)
        return state

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        try:
            return super()._call(name, effect)
        except Throttled:
            self.throttled += 1
            raise


class Bill:
    """Adds up the instance-seconds above a fleet's size."""

    def __init__(self, cloud: Cloud, size: int) -> None:
        self.paid, self._cloud, self._size = 0.0, cloud, size
        self._last, self._above = cloud.at, 0
        cloud.watchers.append(self._notice)

    def _notice(self, fleet: SimulatedFleet, _: Instance) -> None:
        self.paid += self._above * (self._cloud.at - self._last)
        self._last, self._above = self._cloud.at, len(fleet.servers) - self._size


def measured(case: Case) -> Measured:
    """Replace a fleet and measure it; the floor and the ceiling must have held at each moment."""
    return run(_measured(case))


async def _measured(case: Case) -> Measured:
    clock, boots = LoopClock(), []

    def drawn(dice: random.Random) -> float:
        boots.append(LAWS[case.boot](dice))
        return boots[-1]

    laws = Laws(boot=drawn, drain=fixed(DRAIN), terminate=fixed(TERMINATE))
    cloud = Cloud(clock, laws=laws, seed=case.seed)
    cloud.feed.on = case.feed
    cloud.rates.launches, cloud.rates.terminations = case.launches, case.terminations
    first = Group(Revision(1, Image.of_artifact("memory", "v1")), 0)
    cloud.settled_fleet("web", first, case.n)
    backend = CountingBackend(cloud)
    backend.capabilities = evolve(backend.capabilities, poll=case.poll)
    surge = case.surge if "%" in case.surge else int(case.surge)
    limits = Limits(surge, min_ready=MIN_READY, boot_timeout=3600)
    journal = await open_journal(":memory:", clock=clock)
    async with Fleet.connect("memory://web", backend=backend, journal=journal, clock=clock) as web:
        began, bill = clock.now(), Bill(cloud, case.n)
        boots.clear()
        plan = await web.plan("v2", Rolling(probe=case.probe), limits=limits)
        backend.described = -case.n  # The first look shows everybody.
        result = await web.apply(plan)
        assert result.wanted == case.n, result
        ended = clock.now()
    await journal.close()
    truth, calls, waits = cloud.fleets["web"], sum(cloud.calls.values()), cloud.calls["changed"]
    assert truth.lowest_ready >= case.n, "the floor was broken"
    assert truth.highest_total <= case.n + case.extra, "the ceiling was broken"
    return Measured(
        makespan=ended - began,
        boots=tuple(boots),
        calls=calls - waits,
        waits=waits,
        described=backend.described,
        throttled=backend.throttled,
        paid=bill.paid,
        lowest=truth.lowest_ready,
        highest=truth.highest_total,
    )
