"""Rollouts of one controller share how many servers there may be above what their fleets want."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import BlueGreen, Canary, InvalidValue, Rolling, Status
from immutable.controller import Controller
from immutable.engine import places
from immutable.hooks import Cause, Waited, hooked
from immutable.model import Order
from immutable.model.records import Claimed, Ended, Intended, Queued
from immutable.testing import run
from tests.support.many import LIMITS, SIZE, many_fleets

BESIDE = evolve(LIMITS, max_surge="100%")
GREEN = BlueGreen(bake=30)
STAGED = Canary(("50%", "100%"), bake=20, gates=())


async def submitted(many, *ways):
    for name, way in zip(many.names, ways, strict=True):
        await many.submit(name, way, BESIDE if way in (GREEN, STAGED) else LIMITS)


def test_rolling_ones_blue_green_and_canaries_share_it_and_no_deadline_counts_the_wait():
    async def main():
        ways = (Rolling(probe=False), GREEN, Rolling(probe=False), STAGED, GREEN, Rolling())
        async with many_fleets(len(ways)) as many:
            await submitted(many, *ways)
            told = []
            with hooked(on_event=lambda notice: told.append(notice.what)):
                async with many.driven(surge=8):
                    assert await many.ended() == {Status.SUCCEEDED: len(ways)}
            assert SIZE <= many.highest <= 8
            # One that stands beside begins when it can have all of it, and not before.
            for name in ("f1", "f4"):
                first, *_, last = many.launched[name]
                assert last - first < 30
            assert all(each.lowest_ready >= SIZE for each in many.cloud.fleets.values())
            waits = [each for name in many.names for each in await many.records(name, Queued)]
            assert any(", for others have what may be beside" in each.why for each in waits)
            assert Cause.SHARE in {each.cause for each in told if isinstance(each, Waited)}
            longest = max(many.launched[name][0] for name in many.names)
            assert longest > LIMITS.deadline  # Nobody gave up for that.

    run(main())


def test_without_a_cap_each_has_what_its_limits_allow():
    async def main():
        async with many_fleets(3) as many:
            await submitted(many, GREEN, GREEN, Rolling(probe=False))
            async with many.driven():
                assert await many.ended() == {Status.SUCCEEDED: 3}
            assert many.highest > 2 * SIZE

    run(main())


def test_rolling_ones_go_on_with_one_each_while_a_large_one_waits_and_it_begins_before_later_ones():
    async def main():
        async with many_fleets(6) as many:
            for name in ("f0", "f1"):
                await many.submit(name)
            async with many.driven(surge=SIZE):
                await asyncio.sleep(15)
                await many.submit("f2", GREEN, BESIDE)
                await asyncio.sleep(5)
                for name in ("f3", "f4", "f5"):
                    await many.submit(name)
                assert await many.ended() == {Status.SUCCEEDED: 6}
            assert many.highest <= SIZE
            after = min(many.launched[name][0] for name in ("f3", "f4", "f5"))
            assert max(many.launched["f2"]) < after
            for name in ("f0", "f1"):
                whys = [each.why for each in await many.records(name, Intended)]
                assert any("1 of 2 now, for others have" in why for why in whys) or (
                    many.launched[name][-1] < many.launched["f2"][0]
                )

    run(main())


def test_one_that_needs_more_than_there_may_be_is_refused_before_anything_is_touched():
    async def main():
        async with many_fleets(2) as many:
            await submitted(many, GREEN, Rolling(probe=False))
            async with many.driven(surge=SIZE - 1):
                ends = await many.ended()
            assert ends == {Status.FAILED: 1, Status.SUCCEEDED: 1}
            (end,) = await many.records("f0", Ended)
            assert end.status is Status.FAILED
            assert "6 servers have to stand beside the 6 that are wanted" in end.reason
            assert "memory://* together may have 5" in end.reason
            assert "allow them 6 (the controller's surge)" in end.reason
            assert many.launched["f0"] == []
            assert not await many.records("f0", Intended)

    run(main())


def test_a_fleet_that_grows_beyond_the_cap_while_it_waits_goes_back_and_says_why():
    async def main():
        async with many_fleets(2) as many:
            await submitted(many, GREEN, GREEN)
            async with many.driven(surge=SIZE):
                await asyncio.sleep(15)
                late = "f1" if many.launched["f0"] else "f0"
                many.cloud.resize(late, 1, SIZE + 1)
                ends = await many.ended()
            assert ends == {Status.ROLLED_BACK: 1, Status.SUCCEEDED: 1}
            (end,) = await many.records(late, Ended)
            assert "7 servers have to stand beside the 7 that are wanted" in end.reason

    run(main())


@pytest.mark.parametrize("seconds", [8, 20, 45])
def test_what_a_controller_that_died_had_counts_for_its_successor(seconds, monkeypatch):
    async def main():
        ways = (Rolling(probe=False), GREEN, Rolling(probe=False), STAGED, GREEN)
        async with many_fleets(len(ways)) as many:
            await submitted(many, *ways)
            # As after a power cut: it does not say that it goes.
            monkeypatch.setattr(many.journal, "release", lambda _: asyncio.sleep(0))
            async with many.driven(surge=8):
                await asyncio.sleep(seconds)
            monkeypatch.undo()
            monkeypatch.setattr(places, "_OF_LOOPS", type(places._OF_LOOPS)())  # Another process.
            held = many.above
            async with many.driven(surge=8):
                assert await many.ended() == {Status.SUCCEEDED: len(ways)}
            assert held > 0
            assert many.highest <= 8
            claims = [len(await many.records(name, Claimed)) for name in many.names]
            assert claims == [2] * len(ways)

    run(main())


async def aborted(many, name, launches, after):
    """Have a rollout go back that has launched so many so long ago; return how long it took."""
    while len(many.launched[name]) < launches:
        await asyncio.sleep(1)
    await asyncio.sleep(after)
    rollout, given = (await many.entry(name)).rollout, many.clock.now()
    await many.journal.order(rollout, Order.ABORT, actor="me", reason="enough")
    while not (await many.entry(name)).status.ended:
        await asyncio.sleep(1)
    return many.clock.now() - given


def test_ways_back_do_not_wait_and_those_who_wait_go_on_after_them():
    async def main():
        ways = (GREEN, Rolling(probe=False), STAGED, Rolling(probe=False), GREEN)
        async with many_fleets(len(ways)) as many:
            await submitted(many, *ways)
            async with many.driven(surge=SIZE + 1):
                took = await asyncio.gather(
                    aborted(many, "f0", SIZE, 12), aborted(many, "f1", 2, 0)
                )
                assert max(took) < 100  # Booting, draining and looking: nothing else.
                ends = await many.ended()
            assert ends == {Status.ROLLED_BACK: 2, Status.SUCCEEDED: 3}
            assert all(each.lowest_ready >= SIZE for each in many.cloud.fleets.values())

    run(main())


def test_a_paused_one_that_has_nothing_keeps_nothing_from_the_others():
    async def main():
        async with many_fleets(2) as many:
            first = await many.submit("f0", GREEN, BESIDE)
            await first.pause(reason="not yet")
            await many.submit("f1", GREEN, BESIDE)
            async with many.driven(surge=SIZE):
                while not (await many.entry("f1")).status.ended:
                    await asyncio.sleep(5)
                assert many.launched["f0"] == []
                await first.resume()
                assert await many.ended() == {Status.SUCCEEDED: 2}
            assert many.highest == SIZE

    run(main())


def test_a_cap_of_nothing_is_refused():
    with pytest.raises(InvalidValue, match="nothing could be replaced"):
        Controller(None, surge=0)
