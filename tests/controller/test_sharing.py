"""Rollouts of one process share how fast a place may launch."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from immutable import Rolling, Status
from immutable.backend import Rate
from immutable.engine.places import Places, places
from immutable.hooks import Cause, Waited, hooked
from immutable.memory import MemoryBackend
from immutable.model import Order
from immutable.model.records import Intended, Queued
from immutable.testing import run
from tests.support.many import LIMITS, SIZE, SURGE, many_fleets

RATE = Rate(10, 0.1)


@asynccontextmanager
async def submitted(many, launches=None):
    """Submit all, and drive them."""
    for name in many.names:
        await many.submit(name)
    async with many.driven(launches=launches):
        yield


def test_they_launch_no_faster_than_they_may_each_as_much_as_the_others_and_no_deadline_counts_it():
    async def main():
        async with many_fleets(8) as many:
            async with submitted(many, RATE):
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
        async with many_fleets(8) as many, submitted(many):
            assert await many.ended() == {Status.SUCCEEDED: 8}
            assert many.times()[8 * SURGE - 1] < 30

    run(main())


def test_a_way_back_does_not_wait_for_those_who_go_forward():
    async def main():
        async with many_fleets(8) as many, submitted(many, RATE):
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


def test_a_part_of_a_growth_says_so_in_the_record_and_once_that_there_is_none():
    async def main():
        async with many_fleets(2) as many:
            async with submitted(many, evolve(RATE, burst=5.0)):
                await many.ended()
            intended = [each for name in many.names for each in await many.records(name, Intended)]
            assert any("1 of 3 now, for others launch too" in each.why for each in intended)
            for name in many.names:
                (said,) = await many.records(name, Queued)
                assert said.why.endswith(", for others launch too")

    run(main())


async def replaced(many, name):
    async with many.fleet(name) as fleet:
        return await fleet.replace("v2", Rolling(probe=False), limits=LIMITS)


def test_fleets_of_one_script_share_what_their_backend_declares_and_hooks_are_told_of_it():
    async def main():
        async with many_fleets(2) as many:
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
        async with many_fleets(8) as many:
            many.backend.capabilities = evolve(many.backend.capabilities, launches=RATE)
            async with submitted(many, said):
                assert await many.ended() == {Status.SUCCEEDED: 8}
            fastest = (8 * SIZE - 8) / bound
            assert fastest - 1 < many.times()[-1] < fastest + 30

    run(main())


def test_places_are_told_apart_by_all_of_the_address_but_the_fleets_name():
    async def main():
        known = Places()
        here, there = known.of("aws://eu-west-1/a?account=1"), known.of("aws://eu-north-1/a")
        assert here is known.of("aws://eu-west-1/b?account=1")
        assert here.name == "aws://eu-west-1/*?account=1"
        assert len({here, there, known.of("aws://eu-west-1/a")}) == 3
        here.declare(RATE)
        there.declare(RATE)
        assert here.launches is not there.launches
        # What somebody says holds whatever else is declared.
        here.tell(Rate(3, 1), None)
        here.declare(RATE)
        here.tell(None, 5)
        assert (here.launches.rate, here.surge.cap) == (Rate(3, 1), 5)
        there.declare(None)
        assert (there.launches, there.surge) == (None, None)

    run(main())


def test_each_loop_has_places_of_its_own_for_it_has_a_time_of_its_own():
    async def main():
        assert places() is places()
        return places()

    assert run(main()) is not run(main())
