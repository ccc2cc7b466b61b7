"""A small world for tests: a simulated cloud, a journal, one fleet, and somebody who watches.

The watcher looks at the cloud itself, past everything that the engine believes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from math import inf
from typing import Any, TypeVar

from attrs import define, evolve, field

from immutable import Fleet, Image, Journal, Limits, Plan, Revision, Status, open_journal
from immutable.backend import FleetState, Group, Instance, InstanceState, Volume
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.memory.parts import SimulatedFleet
from immutable.planning.arithmetic import window
from immutable.planning.invariants import needed
from immutable.testing import LoopClock

T = TypeVar("T")

READY, DRAINING, GONE = InstanceState.READY, InstanceState.DRAINING, InstanceState.GONE
NAME = "web"
URL = f"memory://{NAME}"

asker: ContextVar[object] = ContextVar("asker", default=None)
"""Which controller looks, where there are several: each decides on what it has seen itself."""


class WatchedBackend(MemoryBackend):
    """The memory backend, with an eye on what the rollout's own calls do to the fleet.

    Each retirement of a READY server is held against the floor, as far as the observation on which
    it was decided could show: what died after it counts as there, and a server that became READY
    after it counts as not READY. Each launch is held against the ceiling.
    """

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.limits: Limits | None = None
        self.least_wanted = self.most_wanted = 0
        self.ready_at_start = 0
        self.breaches: list[str] = []
        self._begun = False
        self._acting = False
        self._told: dict[object, float] = {}
        self._decided = 0.0
        self._lost: list[float] = []
        self._states: dict[str, Instance] = {
            name: server.seen for f in cloud.fleets.values() for name, server in f.servers.items()
        }
        cloud.watchers.append(self._notice)

    def begin(self, limits: Limits, wanted: int) -> None:
        """Start to watch a rollout with these limits."""
        self.limits, self.least_wanted, self.most_wanted = limits, wanted, wanted
        self.ready_at_start = self.cloud.fleets[NAME].ready

    @property
    def floor(self) -> int:
        assert self.limits is not None
        sizes = window(self.limits, self.least_wanted)
        return min(sizes.wanted - sizes.unavailable, self.ready_at_start)

    @property
    def ceiling(self) -> int:
        assert self.limits is not None
        sizes = window(self.limits, self.most_wanted)
        return sizes.wanted + sizes.surge

    def _unseen(self) -> int:
        """How many READY ones were lost that the one who decided could not have seen."""
        return len(self._lost) - bisect_left(self._lost, self._decided)

    def _notice(self, fleet: SimulatedFleet, instance: Instance) -> None:
        before = self._states.get(instance.id)
        self._states[instance.id] = instance
        if before is None or before.state is not READY or before.ready_since is None:
            return
        # Who dies, or is sent away by somebody else, is no doing of the rollout's.
        if instance.state is not DRAINING or not self._acting:
            self._lost.append(self.cloud.at)
        elif self._acting and self.limits is not None and before.ready_since <= self._decided:
            unseen = self._unseen()
            if fleet.ready + unseen < self.floor:
                self.breaches.append(
                    f"{self.cloud.at}: {instance.id} retired with {fleet.ready} READY left"
                    f" (+{unseen} unseen), floor {self.floor}"
                )

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        state = await super().observe(fleet, since=since)
        self._told[asker.get()] = self.cloud.at - self.cloud.faults.stale
        return state

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        told = self._told.get(asker.get(), 0.0)

        if name == "hold" and not self._begun:
            self._begun = True
            self.ready_at_start = min(self.ready_at_start, self.cloud.fleets[NAME].ready)

        def watched() -> T:
            self._decided, self._acting = told, True
            # Who retires is held to what could be seen, too: nobody is blamed for ending one that
            # was not READY when it was last seen.
            views = {"route": (inf,), "retire": (inf, told)}.get(name, ())
            before, lacked = self._total(), [self._lacks(latest) for latest in views]
            try:
                return effect()
            finally:
                self._acting = False
                after = self._total()
                if views:
                    self._check_shares(lacked, [self._lacks(latest) for latest in views])
                grown = name == "grow" and self.limits is not None and after > before
                if grown and after > self.ceiling:
                    self.breaches.append(
                        f"{self.cloud.at}: {after} servers, ceiling {self.ceiling}"
                    )

        return super()._call(name, watched)

    def _lacks(self, latest: float) -> Counter[int]:
        """How many servers that are READY since *latest* each group lacks for its traffic."""
        fleet = self.cloud.fleets.get(NAME)
        if fleet is None or self.limits is None:
            return Counter()
        ready = Counter(
            s.seen.revision
            for s in fleet.servers.values()
            if s.seen.state is READY and (s.seen.ready_since or 0.0) <= latest
        )
        return Counter(
            {
                number: max(0, needed(group.shown.weight or 0.0, self.floor) - ready[number])
                for number, group in fleet.groups.items()
            }
        )

    def _check_shares(self, before: list[Counter[int]], after: list[Counter[int]]) -> None:
        """No call gives a group more traffic than it can take, in any view of who is READY.

        Moved from a group that can't take it to one that can't either, nobody loses anything.
        """
        unseen = self._unseen()
        for number, group in self.cloud.fleets[NAME].groups.items():
            lacks = min(view[number] for view in after)
            more = [
                now[number] > max(was[number], unseen) and now.total() > was.total()
                for was, now in zip(before, after, strict=True)
            ]
            if all(more):
                self.breaches.append(
                    f"{self.cloud.at}: {lacks} READY are missing in r{number}"
                    f" for its {group.shown.weight:g} %"
                )

    def _total(self) -> int:
        fleet = self.cloud.fleets.get(NAME)
        if fleet is None:
            return 0
        leaving = sum(s.seen.state is DRAINING for s in fleet.servers.values())
        return leaving + sum(max(g.shown.size, g.live) for g in fleet.groups.values())


@define
class World:
    """Everything that a test of a rollout needs."""

    clock: LoopClock
    cloud: Cloud
    backend: WatchedBackend
    journal: Journal
    fleet: Fleet
    notes: dict[str, Any] = field(factory=dict)

    @property
    def truth(self) -> SimulatedFleet:
        """The fleet as the cloud has it."""
        return self.cloud.fleets[NAME]

    def sizes(self) -> dict[int, int]:
        """Return the size of each group, by revision number."""
        return {number: g.shown.size for number, g in self.truth.groups.items()}

    def members(self, state: InstanceState | None = None, revision: int | None = None) -> list[str]:
        """Return the names of servers, the oldest first."""
        return [
            s.seen.id
            for s in self.truth.servers.values()
            if state in (None, s.seen.state) and revision in (None, s.seen.revision)
        ]

    def kill(self, name: str) -> None:
        self.cloud.advance()
        self.cloud.kill(NAME, name)

    def at(self, seconds: float, event: Callable[[], object]) -> None:
        """Let *event* happen in the cloud so many seconds from now."""
        self.cloud.advance()
        self.cloud.after(seconds, lambda: (event(), None)[1])

    @asynccontextmanager
    async def other_process(self) -> AsyncIterator[Fleet]:
        """The same fleet, as another controller with the same journal sees it."""
        async with Fleet.connect(
            URL, backend=self.backend, journal=self.journal, clock=self.clock
        ) as fleet:
            yield fleet


@asynccontextmanager
async def elsewhere(w: World) -> AsyncIterator[Fleet]:
    """The same fleet, from a place that has another journal."""
    book = await open_journal(":memory:", clock=w.clock)
    try:
        async with Fleet.connect(URL, backend=w.backend, journal=book, clock=w.clock) as fleet:
            yield fleet
    finally:
        await book.close()


def revision(number: int = 1, artifact: str = "v1") -> Revision:
    return Revision(number, Image.of_artifact("memory", artifact))


@asynccontextmanager
async def world(
    size: int = 4,
    *,
    laws: Laws | None = None,
    stale: float = 0.0,
    seed: int = 0,
    zones: tuple[str, ...] = ("a", "b", "c"),
    group: Group | None = None,
    journal: str = ":memory:",
    watch: type[WatchedBackend] | None = None,
    volumes: tuple[Volume, ...] = (),
    tells: bool = False,
) -> AsyncIterator[World]:
    """A fleet of *size* long-READY servers of image v1, revision 1.

    With *tells* its cloud has a feed of changes.
    """
    clock = LoopClock()
    cloud = Cloud(
        clock,
        laws=laws or Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(5)),
        seed=seed,
        zones=zones,
    )
    cloud.settled_fleet(NAME, group or Group(revision(), 0), size, volumes)
    cloud.faults.stale = stale
    cloud.feed.on = tells
    backend = (watch or WatchedBackend)(cloud)
    book = await open_journal(journal, clock=clock)
    try:
        async with Fleet.connect(URL, backend=backend, journal=book, clock=clock) as fleet:
            yield World(clock, cloud, backend, book, fleet)
    finally:
        await book.close()


LIMITS = Limits(max_surge=1, min_ready=5, boot_timeout=60, drain_timeout=30)
"""Ordinary limits for a small fleet whose servers boot in 20 s."""


def whole(world: World, status: Status, before: Group, plan: Plan | None, wanted: int) -> None:
    """Assert that a rollout ended whole: all new, or all as before."""
    # Why the last launch failed is news of the cloud, nothing that a rollout could restore.
    groups = {number: evolve(g.shown, trouble=None) for number, g in world.truth.groups.items()}
    if status is Status.SUCCEEDED:
        assert plan is not None
        assert list(groups) == [plan.candidate.number]
        group = groups[plan.candidate.number]
        assert (group.size, group.hold) == (wanted, None)
        assert group.revision == plan.candidate
        assert {s.seen.revision for s in world.truth.servers.values()} <= {group.number}
    elif status is Status.ROLLED_BACK:
        assert groups == {before.number: evolve(before, size=wanted)}
