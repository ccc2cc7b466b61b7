"""Rollouts of one process share how fast a place may launch."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, nullcontext, suppress

import pytest
from attrs import evolve

from immutable import Fleet, Image, Limits, Revision, Rolling, Status, open_journal
from immutable.backend import Group, InstanceState, Rate
from immutable.controller import Controller
from immutable.engine.places import Places, places
from immutable.hooks import Cause, Waited, hooked
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.model import FleetURL, Order
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
            while many.cloud.fleet("f0").serving[1].total() > SIZE - 2:
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


async def replaced(many, name):
    async with many.fleet(name) as fleet:
        return await fleet.replace("v2", Rolling(probe=False), limits=LIMITS)


def test_fleets_of_one_script_share_what_their_backend_declares_and_hooks_are_told_of_it():
    async def main():
        async with shared(2) as many:
            able = evolve(many.backend.capabilities, launches=RATE)
            many.backend.capabilities = able
            # Another connection to the same place, as each fleet of a script has its own.
            other = MemoryBackend(many.cloud)
            other.capabilities = able
            told = []
            with hooked(on_event=lambda notice: told.append(notice.what)):
                first = asyncio.ensure_future(replaced(many, "f0"))
                many.backend = other
                second = asyncio.ensure_future(replaced(many, "f1"))
                ends = await asyncio.gather(first, second)
            assert [each.status for each in ends] == [Status.SUCCEEDED] * 2
            for number, at in enumerate(many.times(), 1):
                assert number <= 0.8 * RATE.burst + RATE.per_second * at + 0.01
            assert len(many.times()) == 2 * SIZE
            assert Cause.SHARE in {each.cause for each in told if isinstance(each, Waited)}

    run(main())


@pytest.mark.parametrize(("said", "bound"), [(None, 0.1), (Rate(10, 0.2), 0.2)])
def test_a_controller_goes_by_what_is_declared_unless_it_is_told_otherwise(said, bound):
    async def main():
        async with shared(8) as many:
            many.backend.capabilities = evolve(many.backend.capabilities, launches=RATE)
            async with many.driven(said):
                assert await many.ended() == {Status.SUCCEEDED: 8}
            fastest = (8 * SIZE - 8) / bound
            assert fastest - 1 < many.times()[-1] < fastest + 30

    run(main())


def test_places_are_told_apart_by_all_of_the_address_but_the_fleets_name():
    def at(url, said=None):
        return known.of(FleetURL.parse(url), backend, said)

    backend = MemoryBackend(Cloud(LoopClock()))
    backend.capabilities = evolve(backend.capabilities, launches=RATE)
    known = Places()

    async def main():
        assert at("memory://here/a") is at("memory://here/b?anything=else")
        assert at("memory://here/a") is not at("memory://there/a")
        assert at("memory://here/a").launches is not at("memory://there/a").launches
        assert at("memory://here/a").launches.rate == RATE
        # What somebody said holds for those who say nothing, too.
        assert at("memory://here/a", Rate(3, 1)).launches.rate == Rate(3, 1)
        assert at("memory://here/b").launches.rate == Rate(3, 1)
        backend.capabilities = evolve(backend.capabilities, launches=None)
        assert at("memory://there/a").launches is None

    run(main())


def test_each_loop_has_places_of_its_own_for_it_has_a_time_of_its_own():
    async def main():
        assert places() is places()
        return places()

    assert run(main()) is not run(main())
