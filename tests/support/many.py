"""Many fleets of one cloud that are replaced at the same time, by one controller."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, nullcontext, suppress

from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import Group, InstanceState
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.testing import LoopClock

__all__ = ["LIMITS", "SIZE", "SURGE", "Many", "many_fleets"]

SIZE, SURGE = 6, 3
LIMITS = Limits(SURGE, min_ready=5, boot_timeout=60, drain_timeout=30, progress_deadline=40)


class Many:
    """A cloud with some fleets, all of which are replaced by one controller."""

    def __init__(self, count, journal, clock):
        self.cloud = Cloud(clock, laws=Laws(fixed(10), fixed(5), fixed(5)))
        self.journal, self.clock, self.names = journal, clock, [f"f{n}" for n in range(count)]
        for name in self.names:
            group = Group(Revision(1, Image.of_artifact("memory", "v1")), 0)
            self.cloud.settled_fleet(name, group, SIZE)
        self.backend = MemoryBackend(self.cloud)
        self.launched: defaultdict[str, list[float]] = defaultdict(list)
        self.began = clock.now()
        self.highest = 0  # Of the servers above what all want together, at any time.
        self.cloud.watchers.append(self._notice)

    def _notice(self, fleet, instance):
        if instance.state is InstanceState.STARTING:
            self.launched[fleet.name].append(self.cloud.at - self.began)
        self.highest = max(self.highest, self.above)

    @property
    def above(self):
        return sum(max(0, len(each.servers) - SIZE) for each in self.cloud.fleets.values())

    async def submit(self, name, strategy=None, limits=LIMITS):
        async with self.fleet(name) as fleet:
            plan = await fleet.plan("v2", strategy or Rolling(probe=False), limits=limits)
            return await fleet.submit(plan)

    @asynccontextmanager
    async def driven(self, **options):
        """Drive what is submitted meanwhile."""
        controller = Controller(
            self.journal, clock=self.clock, connect=lambda _: nullcontext(self.backend), **options
        )
        running = asyncio.ensure_future(controller.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def fleet(self, name):
        return Fleet.connect(
            f"memory://{name}", backend=self.backend, journal=self.journal, clock=self.clock
        )

    async def ended(self):
        async with asyncio.timeout(20_000):
            while await self.journal.entries(unfinished=True):
                await asyncio.sleep(5)
        return Counter(each.status for each in await self.journal.entries())

    async def entry(self, name):
        (entry,) = await self.journal.entries(fleet=f"memory://{name}")
        return entry

    async def records(self, name, kind):
        events = await self.journal.events((await self.entry(name)).rollout)
        return [event.record for event in events if isinstance(event.record, kind)]

    def times(self):
        return sorted(at for each in self.launched.values() for at in each)


@asynccontextmanager
async def many_fleets(count):
    clock = LoopClock()
    journal = await open_journal(":memory:", clock=clock)
    yield Many(count, journal, clock)
    await journal.close()
