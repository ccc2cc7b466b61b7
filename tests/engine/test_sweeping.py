"""Temporary changes that nobody is there to undo."""

from __future__ import annotations

import asyncio

import pytest

from immutable import BlueGreen, Fleet, open_journal
from immutable.backend import Conflict, Context, Group
from immutable.memory import Fault
from immutable.testing import run
from tests.support.world import LIMITS, NAME, URL, revision, world

SCALED = Group(revision(), 0, minimum=2, maximum=9, settings={"policy": "busy"})


async def held(w, rollout="lost", lasts=100.0, number=1):
    ctx = Context(rollout, "sha256:1", 1, "t", 60)
    await w.backend.hold(NAME, number, w.clock.now() + lasts, ctx)


def said(found):
    return [(each.revision, each.sweep) for each in found]


def test_a_whole_fleet_has_nothing_to_sweep():
    async def main():
        async with world(3) as w:
            await w.fleet.replace("v2", limits=LIMITS)
            assert await w.fleet.sweep() == ()

    run(main())


def test_a_hold_of_an_unknown_rollout_is_left_until_its_time_is_over_then_restored():
    async def main():
        async with world(4, group=SCALED) as w:
            before = w.truth.groups[1].shown
            await held(w)
            (found,) = await w.fleet.sweep()
            assert not found.sweep
            assert "may be alive" in found.why
            assert w.truth.groups[1].shown.hold is not None
            await asyncio.sleep(101)
            calls = w.cloud.calls.copy()
            (would,) = await w.fleet.sweep(dry_run=True)
            assert would.sweep
            assert set(w.cloud.calls - calls) == {"observe"}
            (done,) = await w.fleet.sweep()
            assert str(done).startswith("r1, held by rollout lost: restored, whose time was over")
            assert w.truth.groups[1].shown == before
            assert await w.fleet.sweep() == ()

    run(main())


def test_nothing_of_a_rollout_at_work_is_touched():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            calls = w.cloud.calls.copy()
            found = await w.fleet.sweep()
            assert said(found) == [(1, False), (2, False)]
            assert all("recover" in each.why for each in found)
            assert "release" not in w.cloud.calls - calls
            # Nor when its controller is dead for longer than its holds last.
            await w.fleet.stop()
            await asyncio.sleep(10_000)
            assert said(await w.fleet.sweep()) == [(1, False), (2, False)]
            await asyncio.gather(task, return_exceptions=True)

    run(main())


def test_what_a_rollout_that_was_cancelled_still_holds_is_restored_at_once():
    async def main():
        async with world(3, group=SCALED) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            w.cloud.faults.add(Fault("release", lambda: Conflict("not now"), times=None))
            await rollout.cancel()
            await task
            w.cloud.faults.planned.clear()
            assert all(group.shown.hold for group in w.truth.groups.values())
            assert said(await w.fleet.sweep()) == [(1, True), (2, True)]
            assert all(group.shown.hold is None for group in w.truth.groups.values())

    run(main())


def test_it_works_without_the_journal_and_the_serving_group_keeps_the_scaling_settings():
    async def main():
        async with world(4, group=SCALED) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(40)
            await w.fleet.stop()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.sleep(10_000)
            book = await open_journal(":memory:", clock=w.clock)
            async with Fleet.connect(URL, backend=w.backend, journal=book, clock=w.clock) as other:
                found = await other.sweep()
            await book.close()
            assert found
            assert all(each.sweep for each in found)
            shown = {number: group.shown for number, group in w.truth.groups.items()}
            assert all(group.hold is None for group in shown.values())
            largest = max(shown.values(), key=lambda group: (group.size, group.number))
            assert largest.settings == SCALED.settings

    run(main())


@pytest.mark.parametrize("times", [2, 1_000])
def test_a_cloud_that_refuses_is_asked_again_then_named(times):
    async def main():
        async with world(1) as w:
            await held(w)
            await asyncio.sleep(101)
            w.cloud.faults.add(Fault("release", times=times))
            (found,) = await w.fleet.sweep()
            assert found.sweep == (times == 2)
            assert ("refused" in found.why) == (times != 2)

    run(main())
