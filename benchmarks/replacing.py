"""One rolling replacement by the real engine on the simulated cloud, on virtual time, measured.

Equal cases come to equal figures, on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from attrs import evolve, field, frozen

from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE
from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import FleetState, Group, Instance, Rate, Throttled
from immutable.memory import Cloud, Law, Laws, MemoryBackend, exponential, fixed, lognormal, vm
from immutable.memory.parts import SimulatedFleet
from immutable.model.quantities import rounded_up
from immutable.testing import LoopClock, run

__all__ = ["LAWS", "Case", "Measured", "measured"]

T = TypeVar("T")

LONGEST = 3600.0
"""Seconds that no boot takes longer than: those of the heaviest tail are cut off there."""


# Its mean is three times the least: 30 s * 1.5 / (1.5 - 1).
def pareto(random: random.Random) -> float:
    """Draw a boot of at least 30 s whose tail is so heavy that its variance has no end."""
    return min(LONGEST, 30.0 * random.paretovariate(1.5))


LAWS: dict[str, Law] = {
    "vm": vm(90),
    "exp": exponential(90),
    "lognormal": lognormal(90, 0.9),
    "pareto": pareto,
}
"""Boots of 90 s on average."""


@frozen
class Case:
    """What is replaced, where, and how.

    Attributes:
        boot: The law of boot times, by its name in `LAWS`.
        n: The fleet's size.
        surge: How many more there may be meanwhile: a number, or a share such as ``5%``.
        unavailable: How many fewer may serve meanwhile.
        probe: Whether one has to prove the image first.
        hedge: Whether late boots may have duplicates.
        seed: Of all chances.
        poll: Seconds between two looks.
        feed: Whether the cloud tells of changes.
        launches: The cloud's bucket of launches; None for no limit.
        terminations: Likewise.
    """

    boot: str
    n: int
    surge: str
    unavailable: int = 0
    probe: bool = False
    hedge: bool = False
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
    limits = Limits(
        case.extra,
        case.unavailable,
        min_ready=MIN_READY,
        boot_timeout=2 * LONGEST,
        hedge=case.hedge,
    )
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
    assert truth.lowest_ready >= case.n - case.unavailable, "the floor was broken"
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
