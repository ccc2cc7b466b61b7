"""Temporary changes that nobody is there to undo."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from immutable import BlueGreen, PlanRefused, Rolling, Status
from immutable.backend import Conflict, Context, Group, InstanceState, Origin, Pool
from immutable.gates import Approval
from immutable.memory import Behaviour, Fault
from immutable.testing import run
from tests.support.world import LIMITS, NAME, elsewhere, revision, world

READY = InstanceState.READY
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
            assert str(done).startswith("r1, held by rollout lost: restored, for its time was over")
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
            before = w.truth.groups[1].shown
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            w.cloud.faults.add(Fault("release", lambda: Conflict("not now"), times=None))
            await rollout.cancel()
            await task
            w.cloud.faults.planned.clear()
            assert all(group.shown.hold for group in w.truth.groups.values())
            # r2 serves, so it has the settings. Whether r1 goes, or comes back, is for somebody to
            # say, who is not kept from it by a hold.
            assert said(await w.fleet.sweep()) == [(1, True), (2, True)]
            assert all(group.shown.hold is None for group in w.truth.groups.values())
            assert dict(w.truth.groups[2].shown.settings) == {"policy": "busy"}
            assert await w.fleet.sweep() == ()
            began = asyncio.get_running_loop().time()
            await w.fleet.rollback(to=1)
            assert asyncio.get_running_loop().time() - began < 600
            assert w.truth.groups[1].shown == evolve(before, weight=None)
            assert await w.fleet.sweep() == ()

    run(main())


def test_who_is_refused_a_hold_asks_less_often_and_what_it_holds_itself_is_told_to_the_next():
    async def main():
        async with world(3) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            await rollout.cancel()
            await task
            await held(w, rollout="rival", lasts=2000, number=1)
            back = w.fleet.rollback(to=1)
            result = await back.end()
            assert result.status is Status.FAILED
            refused = [
                each async for each in back.events() if getattr(each.record, "owner", "") == "rival"
            ]
            assert 2 < len(refused) < 60
            await asyncio.sleep(2000)
            held_by = rf"r2 is held by rollout {result.rollout}, which ended as failed.*with sweep"
            calls = w.cloud.calls.copy()
            with pytest.raises(PlanRefused, match=held_by):
                await w.fleet.rollback(to=1)
            assert "hold" not in w.cloud.calls - calls
            await w.fleet.sweep()
            assert (await w.fleet.rollback(to=1)).status is Status.SUCCEEDED

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


@pytest.mark.parametrize("strategy", [Rolling(), BlueGreen(bake=60, keep_stable=100)])
@pytest.mark.parametrize("image", ["v2", "bad"])
def test_whatever_a_lost_rollout_left_the_group_that_serves_is_restored(strategy, image):
    """It is scaled as before, nobody's group is left empty, and nobody's servers are ended."""

    async def main(seconds):
        async with world(4, group=SCALED) as w:
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            limits = evolve(LIMITS, max_surge="100%" if isinstance(strategy, BlueGreen) else 1)
            task = asyncio.ensure_future(w.fleet.replace(image, strategy, limits=limits).end())
            await asyncio.sleep(seconds)
            await w.fleet.stop()
            await asyncio.gather(task, return_exceptions=True)
            async with elsewhere(w) as other:
                during = await other.sweep()
                await asyncio.sleep(10_000)
                await other.state()
                calls, members = w.cloud.calls.copy(), sorted(w.members())
                found = await other.sweep()
                assert set(w.cloud.calls - calls) <= {"observe", "release", "delete_revision"}
                assert sorted(w.members()) == members
                again = await other.sweep()
            assert not any(each.sweep for each in during)
            assert not any(each.sweep for each in again)
            shown = {number: group.shown for number, group in w.truth.groups.items()}
            serving = max(
                shown.values(),
                key=lambda group: (
                    group.weight or 0,
                    len(w.members(READY, group.number)),
                    -group.number,
                ),
            )
            assert (serving.hold, dict(serving.settings)) == (None, {"policy": "busy"})
            assert serving.minimum == min(2, serving.size)
            assert all(group.size for group in shown.values())
            return len(found), len(again)

    counts = [run(main(seconds)) for seconds in (0.5, 3, 22, 27, 40, 60, 100, 140, 168, 300)]
    assert max(found for found, _ in counts) >= 1


def test_an_adopted_group_that_was_emptied_is_left_as_a_rollout_would_leave_it():
    async def main():
        async with world(3, group=evolve(SCALED, origin=Origin.ADOPTED)) as w:
            w.cloud.faults.add(Fault("delete_revision", times=None))
            task = asyncio.ensure_future(w.fleet.replace("v2", limits=LIMITS).end())
            await asyncio.sleep(200)
            await w.fleet.stop()
            await asyncio.gather(task, return_exceptions=True)
            w.cloud.faults.planned.clear()
            assert w.sizes() == {1: 0, 2: 3}
            await asyncio.sleep(10_000)
            async with elsewhere(w) as other:
                assert said(await other.sweep()) == [(2, True), (1, True)]
            assert w.sizes() == {2: 3}
            (kept,) = w.truth.retired
            assert (kept.size, kept.hold) == (0, None)
            assert dict(w.truth.groups[2].shown.settings) == {"policy": "busy"}

    run(main())


def test_nothing_of_a_rollout_of_another_journal_is_touched_while_it_may_be_alive():
    async def main():
        async with world(4) as w, elsewhere(w) as other:
            task = asyncio.ensure_future(w.fleet.replace("v2", BlueGreen(bake=20_000)).end())
            for _ in range(25):
                await asyncio.sleep(1_000)
                calls = w.cloud.calls.copy()
                assert not any(each.sweep for each in await other.sweep())
                assert set(w.cloud.calls - calls) <= {"observe"}
                if task.done():
                    break
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_an_empty_group_goes_only_when_its_rollout_is_over_and_somebody_serves():
    async def main():
        async with world(2) as w, elsewhere(w) as other:
            lost = Context("lost", "sha256:1", 1, "t", 60)
            until = w.clock.now() + 100
            await w.backend.create_revision(NAME, revision(2, "v2"), Pool.SHARED, until, lost)
            assert said(await other.sweep()) == [(1, False), (2, False)]
            await asyncio.sleep(101)
            await w.backend.retire(NAME, 1, tuple(w.members()), drain_timeout=1, ctx=lost)
            await asyncio.sleep(60)
            assert w.sizes() == {1: 0, 2: 0}
            (empty,) = await other.sweep()
            assert "none of the groups have members" in str(empty)
            await w.backend.grow(NAME, 1, 2, expected=0, ctx=lost)
            found = await other.sweep()
            assert said(found) == [(1, True), (2, False)]
            assert "nobody in r1 is READY" in str(found[1])
            await asyncio.sleep(60)
            assert said(await other.sweep()) == [(1, True), (2, True)]
            assert w.sizes() == {1: 2}

    run(main())


def test_who_takes_a_hold_at_the_last_moment_keeps_it():
    async def main():
        async with world(2) as w:
            await held(w, lasts=10)
            await asyncio.sleep(11)
            release = w.backend.release

            async def late(*args):
                await held(w, "quick")
                return await release(*args)

            w.backend.release = late
            (found,) = await w.fleet.sweep()
            assert (found.sweep, "held by rollout quick" in found.why) == (False, True)
            assert w.truth.groups[1].shown.hold.rollout == "quick"

    run(main())


HOUR = 3_600.0


@pytest.mark.parametrize(
    ("waits", "hours"),
    [
        ("bake", 6),
        ("pause", 6),
        ("approval", 6),
        ("keep_stable", 6),
        pytest.param("bake", 72, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_a_rollout_that_waits_longer_than_a_hold_lasts_never_loses_it(waits, hours):
    strategy = {
        "bake": BlueGreen(bake=hours * HOUR),
        "pause": BlueGreen(bake=1_000),
        "approval": BlueGreen(bake=100, gates=(Approval(),)),
        "keep_stable": BlueGreen(bake=100, keep_stable=hours * HOUR),
    }[waits]

    async def main():
        async with world(2) as w, elsewhere(w) as other:
            rollout = w.fleet.replace("v2", strategy)
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(300)
            if waits == "pause":
                await rollout.pause()
            held = (1,) if waits == "keep_stable" else (1, 2)
            for _ in range(6 * hours - 6):
                await asyncio.sleep(600)
                state = await w.fleet.state()
                assert [g.number for g in state.groups if g.hold is not None] == list(held)
                assert not any(each.sweep for each in await other.sweep())
            if waits == "pause":
                await rollout.resume()
            if waits == "approval":
                await rollout.promote()
            assert (await task).status is Status.SUCCEEDED
            assert await other.sweep() == ()

    run(main())
