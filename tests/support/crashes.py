"""Rollouts whose controllers die, and what must be true of each of them at the end.

`SCENARIOS` are the rollouts, each a strategy with an end that it comes to. `play` lets one happen,
with a death of a controller at each of some points, and says what was wrong.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from attrs import evolve, field, frozen

from immutable import BlueGreen, Canary, Fleet, Limits, Rolling, Rollout, Status
from immutable.backend import DriftCode, FrozenMap, Group, Volume
from immutable.gates import Analysis, Check, Gate, Health
from immutable.memory import Behaviour, Laws, fixed
from immutable.model import Event, Order, Strategy
from immutable.model.records import Claimed, Done, Ended, Intended
from immutable.planning.stateful import two_writers
from immutable.volumes import Stateful
from tests.support.mortal import (
    Life,
    Moment,
    MortalBackend,
    MortalJournal,
    Point,
    Witness,
    mortally,
    say_unless_killed,
)
from tests.support.world import URL, World, world

SIZE = 4
LIMITS = Limits(max_surge=1, min_ready=5, boot_timeout=30, drain_timeout=30)
PAIRS = evolve(LIMITS, max_surge=2)
DOUBLE = evolve(LIMITS, max_surge="100%")
ONE_WRITER = evolve(LIMITS, max_surge=0, max_unavailable=1)
DATA = (Volume("data", "/data"),)
HEALTHY = (Health(),)
COUNTED = Analysis(requests=50, alpha=1e-6)
"""Bakes are short here: a look soon after the switch has seen enough. And no false alarm."""
SMALL = (Check("tests.support.checks:small"),)
LAWS = Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(5))
PATIENCE = 20_000.0
"""Seconds of the virtual clock within which a rollout must have ended."""


@frozen
class Scenario:
    """A rollout, and the end that it comes to.

    Attributes:
        strategy: The name of the way.
        ending: What becomes of it, in words.
        how: The way.
        status: How it ends.
        limits: The limits.
        weighted: Whether the cloud has weights.
        behaviour: How the servers of the new image behave.
        abort_at: When somebody orders it to go back, if somebody does.
        volumes: Whether the servers have volumes; they are saved on the way then.
        touched: How many servers somebody has touched; instead of a new image they are repaired.
    """

    strategy: str
    ending: str
    how: Strategy
    status: Status = Status.SUCCEEDED
    limits: Limits = LIMITS
    weighted: bool = True
    behaviour: Behaviour = field(factory=Behaviour)
    abort_at: float | None = None
    volumes: bool = False
    touched: int = 0

    def __str__(self) -> str:
        return f"{self.strategy}, {self.ending}"


def _endings(
    name: str,
    how: Strategy,
    limits: Limits,
    *,
    weighted: bool = True,
    judged: Strategy | None = None,
    abort: float,
) -> tuple[Scenario, ...]:
    good = Scenario(name, "succeeds", how, limits=limits, weighted=weighted)
    back = evolve(good, status=Status.ROLLED_BACK)
    bad = evolve(back, ending="bad image", behaviour=Behaviour(ready=False))
    aborted = evolve(back, ending="aborted", abort_at=abort)
    if judged is None:
        return good, bad, aborted
    return good, bad, evolve(back, ending="a gate fails", how=judged), aborted


def _blue_green(gates: tuple[Gate, ...]) -> Strategy:
    return BlueGreen(bake=20, gates=gates, keep_stable=30)


def _canary(*gates: Gate) -> Strategy:
    return Canary(("25%", "50%"), bake=15, gates=gates)


SCENARIOS: tuple[Scenario, ...] = (
    *_endings("rolling", Rolling(), LIMITS, abort=45),
    *_endings("rolling, unproven", Rolling(probe=False), PAIRS, abort=28),
    *_endings("blue/green", _blue_green(HEALTHY), DOUBLE, judged=_blue_green(SMALL), abort=60),
    *_endings(
        "canary by weight", _canary(*HEALTHY, COUNTED), DOUBLE, judged=_canary(*SMALL), abort=75
    ),
    *_endings(
        "canary by instances",
        _canary(*HEALTHY),
        DOUBLE,
        weighted=False,
        judged=_canary(*SMALL),
        abort=75,
    ),
    *(
        evolve(each, volumes=True)
        for each in _endings("rolling, volumes", Rolling(), ONE_WRITER, weighted=False, abort=45)
    ),
    Scenario("repair", "succeeds", Rolling(), touched=2),
    Scenario(
        "repair, volumes", "succeeds", Rolling(), limits=ONE_WRITER, weighted=False, volumes=True,
        touched=2,
    ),
)  # fmt: skip


@frozen
class Picture:
    """A fleet as it is: what does not depend on who brought it there, and when.

    Attributes:
        groups: Its groups, without marks of owners.
        servers: How many servers there are, by revision and state.
    """

    groups: tuple[Group, ...]
    servers: FrozenMap[tuple[int, str], int] = field(converter=FrozenMap)

    @classmethod
    def of(cls, w: World) -> Picture:
        """Take the picture of a world's fleet."""
        w.cloud.advance()
        seen = [server.seen for server in w.truth.servers.values()]
        return cls(
            tuple(
                evolve(group.shown, rollout=None, plan=None, trouble=None)
                for _, group in sorted(w.truth.groups.items())
            ),
            Counter((each.revision, each.state.value) for each in seen),
        )


@frozen
class Run:
    """One rollout from its beginning to its end, through the deaths of its controllers.

    Attributes:
        status: How it ended.
        picture: The fleet at the end.
        launched: How many servers were launched, by revision.
        lives: The calls that each controller made.
        faults: What was wrong.
    """

    status: Status | None
    picture: Picture
    launched: Counter[int]
    lives: tuple[tuple[str, ...], ...]
    faults: tuple[str, ...]

    def unlike(self, other: Run) -> tuple[str, ...]:
        """Return how this differs from a run in which nobody died.

        With a death, more of stable may have gone, and come back, by the time of an order; no
        server of the candidate is launched twice.
        """
        faults = []
        if (self.status, self.picture) != (other.status, other.picture):
            faults.append(f"ended {self.status} with {self.picture}, not {other.picture}")
        most = SIZE if other.launched[2] else other.launched[1]
        if self.launched[2] > other.launched[2] or self.launched[1] > most:
            faults.append(f"launched {dict(self.launched)}, not {dict(other.launched)}")
        return (*self.faults, *faults)


@asynccontextmanager
async def stage(scenario: Scenario) -> AsyncIterator[World]:
    """The world in which a scenario happens."""
    async with world(SIZE, laws=LAWS, volumes=DATA if scenario.volumes else ()) as w:
        for name in w.members()[: scenario.touched]:
            w.cloud.altered.alter(name, DriftCode.FILES, "/etc/passwd")
        w.truth.clients.rate, w.truth.clients.at = 500.0, w.cloud.at
        w.cloud.behaviours["v2"] = scenario.behaviour
        able = w.backend.capabilities
        w.backend.capabilities = evolve(
            able, weighted_traffic=scenario.weighted, traffic_stats=scenario.weighted
        )
        w.backend.begin(scenario.limits, SIZE)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(say_unless_killed)
        operator = asyncio.ensure_future(_operate(w, scenario))
        try:
            yield w
        finally:
            operator.cancel()


async def play(scenario: Scenario, points: Sequence[Point] = ()) -> Run:
    """Let a rollout happen, with one controller after the other, each of which but the last dies.

    Args:
        scenario: The rollout.
        points: Where each of them dies.
    """
    async with stage(scenario) as w:
        before, launched, touched = Picture.of(w), Counter[int](), w.members()[: scenario.touched]
        w.cloud.watchers.append(
            lambda _, each: launched.update({each.revision: each.state.value == "starting"})
        )
        witness, lives = Witness(), list[Life]()
        w.cloud.watchers.append(
            lambda fleet, _: witness.faults.extend(
                two_writers(server.seen for server in fleet.servers.values())
            )
        )
        try:
            async with asyncio.timeout(PATIENCE):
                for point in (*points, None):
                    lives.append(Life(witness, point))
                    await live(w, scenario, lives[-1])
                    if point is not None:
                        await asyncio.sleep(w.journal.ttl)
        except TimeoutError:
            witness.faults.append(f"no end within {PATIENCE:g} s")
        faults = [*witness.faults, *await judge(w, scenario, before)]
        faults += [f"{name} was not replaced" for name in touched if name in w.truth.servers]
        (entry,) = await w.journal.entries()
        calls = tuple(tuple(life.calls) for life in lives)
        return Run(entry.status, Picture.of(w), launched, calls, tuple(faults))


async def live(w: World, scenario: Scenario, life: Life) -> None:
    """Let one controller begin the rollout, or carry it on, until it has ended or dies."""
    await mortally(_control(w, scenario, life), life)


async def _control(w: World, scenario: Scenario, life: Life) -> None:
    entries = await w.journal.entries()
    if entries and entries[-1].status.ended:
        return
    backend, journal = MortalBackend(w.backend, life), MortalJournal(w.journal, life)
    async with Fleet.connect(URL, backend=backend, journal=journal, clock=w.clock) as fleet:
        await _rollout(fleet, scenario, recovers=bool(entries)).end()


def _rollout(fleet: Fleet, scenario: Scenario, *, recovers: bool) -> Rollout:
    if recovers:
        return fleet.recover()
    if scenario.touched:
        return fleet.repair(limits=scenario.limits)
    data = Stateful(snapshot=True) if scenario.volumes else None
    return fleet.replace("v2", scenario.how, limits=scenario.limits, stateful=data)


async def _operate(w: World, scenario: Scenario) -> None:
    """Give the order to go back, as soon as it is time and there is somebody to be told."""
    if scenario.abort_at is None:
        return
    await asyncio.sleep(scenario.abort_at)
    while not (entries := await w.journal.entries(unfinished=True)):
        await asyncio.sleep(1)
    await w.journal.order(entries[0].rollout, Order.ABORT, actor="operator", reason="")


# -- where to die ---------------------------------------------------------------------------------

LOOKS = ("fleets", "inspect", "observe", "preflight", "resolve", "traffic")
MOMENTS = (Moment.BEFORE, Moment.UNANSWERED, Moment.AFTER)


def points(calls: Sequence[str]) -> list[Point]:
    """Return every place to die in the life that made these calls.

    A look has no effect. A call that changes the fleet may take effect before a successor is at
    work, or when it is already; a late write finds a newer lease.
    """
    found = []
    for number, name in enumerate(calls):
        look = name in LOOKS
        found += [Point(number, m) for m in MOMENTS if not (look and m is Moment.UNANSWERED)]
        if name in ("journal.begin", "journal.append"):
            found.append(Point(number, Moment.UNDER_WAY, 12))
        elif not look and not name.startswith("journal."):
            found += [Point(number, Moment.UNDER_WAY, late) for late in (3, 12)]
    return found


# -- what must be true ----------------------------------------------------------------------------


async def judge(w: World, scenario: Scenario, before: Picture) -> list[str]:
    """Return what is wrong at the end of a rollout, whoever brought it there."""
    entries = await w.journal.entries()
    if len(entries) != 1:
        return [f"{len(entries)} rollouts"]
    (entry,) = entries
    if scenario.limits.max_unavailable:
        await asyncio.sleep(60)  # One that may be missing may start still when it has ended.
    faults = list(w.backend.breaches)
    if entry.status is not scenario.status:
        faults.append(f"ended {entry.status.value}, not {scenario.status.value}")
    faults += _integrity(await w.journal.events(entry.rollout))
    faults += _bounds(w)
    faults += _whole(Picture.of(w), before, scenario)
    # Nothing that was under way, and nobody's timer, changes it afterwards.
    ended = Picture.of(w)
    await asyncio.sleep(200)
    if Picture.of(w) != ended:
        faults.append("it went on after the end")
    return faults


def _bounds(w: World) -> list[str]:
    """No server dies in these worlds by itself, so what was READY is the rollout's own doing."""
    faults = []
    if w.truth.lowest_ready < w.backend.floor:
        faults.append(f"{w.truth.lowest_ready} READY, floor {w.backend.floor}")
    if w.truth.highest_total > w.backend.ceiling:
        faults.append(f"{w.truth.highest_total} servers, ceiling {w.backend.ceiling}")
    return faults


def _whole(after: Picture, before: Picture, scenario: Scenario) -> list[str]:
    """All new, or all as before: no third group, no hold, no mark, no server too many."""
    if scenario.status is Status.ROLLED_BACK:
        return [] if after == before else [f"{after} at the end, {before} at the start"]
    (group,) = after.groups[:1] or before.groups
    number = 1 if scenario.touched else 2
    good = len(after.groups) == 1 and (group.number, group.size, group.hold) == (number, SIZE, None)
    good = good and after.servers == {(number, "ready"): SIZE}
    return [] if good else [f"{after} is not whole"]


def _integrity(events: Sequence[Event]) -> list[str]:
    """One history: numbered without a gap, answers to intents, leases one after the other."""
    faults = []
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        faults.append(f"numbers {[event.seq for event in events]}")
    fences = [e.record.fence for e in events if isinstance(e.record, Claimed)]
    if fences != sorted(set(fences)):
        faults.append(f"leases {fences}")
    intended = set[str]()
    for event in events:
        if isinstance(event.record, Intended):
            intended.add(event.record.token)
        elif isinstance(event.record, Done) and event.record.token not in intended:
            faults.append(f"an answer to nothing: {event.record}")
    if [isinstance(event.record, Ended) for event in events].count(True) != 1:
        faults.append("more or fewer than one end")
    return faults
