"""Rollouts of one controller share how fast a place may launch."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, nullcontext, suppress

from attrs import evolve

from immutable import Fleet, Image, Limits, Revision, Rolling, Status, open_journal
from immutable.backend import Group, InstanceState, Rate
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.model import Order
from immutable.model.records import Intended
from immutable.testing import LoopClock, run

SIZE, SURGE = 6, 3
RATE = Rate(10, 0.1)
LIMITS = Limits(SURGE, min_ready=5, boot_timeout=60, drain_timeout=30, progress_deadline=40)


class Shared:
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
        self.cloud.watchers.append(self._notice)

    def _notice(self, fleet, instance):
        if instance.state is InstanceState.STARTING:
            self.launched[fleet.name].append(self.cloud.at - self.began)

    @asynccontextmanager
    async def driven(self, launches):
        """Submit all, and drive them."""
        for name in self.names:
            async with self.fleet(name) as fleet:
                plan = await fleet.plan("v2", Rolling(probe=False), limits=LIMITS)
                await fleet.submit(plan)
        controller = Controller(
            self.journal,
            launches=launches,
            clock=self.clock,
            connect=lambda _: nullcontext(self.backend),
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
        while await self.journal.entries(unfinished=True):
            await asyncio.sleep(5)
        return Counter(each.status for each in await self.journal.entries())

    def times(self):
        return sorted(at for each in self.launched.values() for at in each)


@asynccontextmanager
async def shared(count):
    clock = LoopClock()
    journal = await open_journal(":memory:", clock=clock)
    yield Shared(count, journal, clock)
    await journal.close()


def test_they_launch_no_faster_than_they_may_each_as_much_as_the_others_and_no_deadline_counts_it():
    async def main():
        async with shared(8) as many:
            async with many.driven(RATE):
                await asyncio.sleep(250)
                half = [len(many.launched[name]) for name in many.names]
                ends = await many.ended()
            assert ends == {Status.SUCCEEDED: 8}
            times = many.times()
            assert len(times) == 8 * SIZE
            for number, at in enumerate(times, 1):
                assert number <= 0.8 * RATE.burst + RATE.per_second * at + 0.01
            # As fast as it flows, but for a look that comes later; and shared evenly.
            assert times[-1] < (8 * SIZE - 0.8 * RATE.burst) / RATE.per_second + 30
            assert max(half) - min(half) <= SURGE
            assert all(each.lowest_ready >= SIZE for each in many.cloud.fleets.values())

    run(main())


def test_without_a_rate_they_launch_as_their_limits_allow():
    async def main():
        async with shared(8) as many, many.driven(None):
            assert await many.ended() == {Status.SUCCEEDED: 8}
            assert many.times()[8 * SURGE - 1] < 30

    run(main())


def test_a_way_back_does_not_wait_for_those_who_go_forward():
    async def main():
        async with shared(8) as many, many.driven(RATE):
            while Counter(many.cloud.fleet("f0").serving.get(2, {})).total() < 3:
                await asyncio.sleep(1)
            (entry,) = await many.journal.entries(fleet="memory://f0")
            given, before = many.clock.now(), len(many.launched["f0"])
            await many.journal.order(entry.rollout, Order.ABORT, actor="me", reason="enough")
            while (await many.journal.entries(rollout=entry.rollout))[0].status is Status.RUNNING:
                await asyncio.sleep(1)
            assert len(many.launched["f0"]) > before
            assert many.clock.now() - given < 100  # Booting, draining and looking: nothing else.
            (entry,) = await many.journal.entries(rollout=entry.rollout)
            assert entry.status is Status.ROLLED_BACK
            assert await many.ended() == {Status.SUCCEEDED: 7, Status.ROLLED_BACK: 1}

    run(main())


def test_a_part_of_a_growth_says_so_in_the_record():
    async def main():
        async with shared(2) as many:
            async with many.driven(evolve(RATE, burst=5.0)):
                await many.ended()
            events = [
                event.record
                for entry in await many.journal.entries()
                for event in await many.journal.events(entry.rollout)
            ]
            whys = [each.why for each in events if isinstance(each, Intended)]
            assert any("1 of 3 now, for others launch too" in why for why in whys)

    run(main())
