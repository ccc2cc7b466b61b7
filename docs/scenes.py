"""The runs that docs/strategies.md shows: a simulated cloud, virtual time, fixed chances."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter

from attrs import evolve, frozen

from immutable import BlueGreen, Canary, Fleet, Image, Limits, Plan, Revision, Rolling, open_journal
from immutable.backend import Group, InstanceState
from immutable.memory import Behaviour, Cloud, Laws, MemoryBackend, lognormal, vm
from immutable.model import Event, Strategy
from immutable.report.course import Course, course
from immutable.testing import LoopClock

READY, STARTING, DRAINING = InstanceState.READY, InstanceState.STARTING, InstanceState.DRAINING
SIZE = 20
LIMITS = Limits(max_surge="25%", min_ready=10, boot_timeout=300, drain_timeout=60)


@frozen
class Scenario:
    """A run to be drawn.

    Attributes:
        title: What the picture shows.
        strategy: The way to go.
        weighted: Whether the cloud has weighted traffic.
        errors: The share of the candidate's answers that are errors.
        every: Seconds between two further rows of the table; None for none.
    """

    title: str
    strategy: Strategy
    weighted: bool = True
    errors: float = 0.001
    every: float | None = None


SCENARIOS = {
    "rolling": Scenario("Rolling(), 20 instances", Rolling(), every=60),
    "blue-green": Scenario("BlueGreen(keep_stable=600), 20 instances", BlueGreen(keep_stable=600)),
    "canary-weighted": Scenario("Canary() with weighted traffic, 20 instances", Canary()),
    "canary-instances": Scenario(
        "Canary() without weighted traffic, 20 instances", Canary(), weighted=False
    ),
    "canary-failing": Scenario(
        "Canary() with a candidate that makes errors, 20 instances", Canary(), errors=0.05
    ),
}


@frozen
class Look:
    """The fleet at one time.

    Attributes:
        at: Seconds since the rollout began.
        ready: READY instances of r1 and of r2.
        starting: Those of r2 that are not READY so far.
        leaving: Those of r1 and of r2 that drain and end.
        share: The percentage of the traffic that r2 gets.
    """

    at: float
    ready: tuple[int, int]
    starting: int
    leaving: tuple[int, int]
    share: float

    @property
    def existing(self) -> int:
        """All instances."""
        return sum(self.ready) + self.starting + sum(self.leaving)


@frozen
class Run:
    """What was seen of a run.

    Attributes:
        scenario: What was run.
        plan: The plan that was carried out.
        looks: The fleet, second by second.
        events: What was written down, with seconds since the rollout began.
        course: What a report makes of it.
    """

    scenario: Scenario
    plan: Plan
    looks: list[Look]
    events: list[tuple[float, Event]]
    course: Course

    @property
    def end(self) -> float:
        """How long it took, in seconds."""
        return self.events[-1][0]

    def look(self, at: float) -> Look:
        """Return the fleet as it was at a time."""
        return self.looks[max(0, bisect_right(self.looks, at, key=lambda each: each.at) - 1)]


async def played(scenario: Scenario) -> Run:
    """Run a scenario to its end."""
    clock = LoopClock()
    laws = Laws(boot=vm(75), drain=lognormal(15, 0.5), terminate=lognormal(20, 0.3))
    cloud = Cloud(clock, laws=laws, seed=1)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), SIZE)
    cloud.fleets["web"].clients.rate = 400.0
    cloud.behaviours["v1"] = Behaviour(errors=0.001)
    cloud.behaviours["v2"] = Behaviour(errors=scenario.errors)
    backend = MemoryBackend(cloud)
    backend.capabilities = evolve(
        backend.capabilities, limits=LIMITS, weighted_traffic=scenario.weighted, boot=75.0
    )
    journal = await open_journal(":memory:", clock=clock)
    try:
        async with Fleet.connect(
            "memory://web", backend=backend, journal=journal, clock=clock
        ) as web:
            plan = await web.plan("v2", scenario.strategy)
            rollout = web.apply(plan)
            task, looks, began = asyncio.ensure_future(rollout.end()), [], clock.now()
            while not task.done():
                looks.append(looked(cloud, began))
                await asyncio.sleep(1)
            events = await journal.events(rollout.id)
            (entry,) = await journal.entries(rollout=rollout.id)
            since = [(event.at - events[0].at, event) for event in events]
            return Run(scenario, plan, looks, since, course(entry, events, clock.now()))
    finally:
        await journal.close()


def looked(cloud: Cloud, began: float) -> Look:
    """Look at the cloud itself."""
    cloud.advance()
    fleet = cloud.fleets["web"]
    seen = Counter((each.seen.state, each.seen.revision) for each in fleet.servers.values())
    ready, leaving = ([seen[state, number] for number in (1, 2)] for state in (READY, DRAINING))
    # As the cloud's clients choose: by weight, or else one READY server as often as another.
    parts = [0.0, 0.0]
    for number, group in fleet.groups.items():
        there = ready[number - 1]
        parts[number - 1] = (
            there if group.shown.weight is None else group.shown.weight * bool(there)
        )
    share = 100 * parts[1] / sum(parts)
    at = round(cloud.at - began, 3)
    return Look(at, (ready[0], ready[1]), seen[STARTING, 2], (leaving[0], leaving[1]), share)
