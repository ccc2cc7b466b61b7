"""Orders: given from anywhere, through the journal, to whoever drives the rollout."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from immutable import (
    BlueGreen,
    Canary,
    FleetBusy,
    JournalError,
    Limits,
    PlanRefused,
    RolledBack,
    Rolling,
    RolloutCancelled,
    Status,
)
from immutable.backend import Conflict, Invalid, Throttled
from immutable.gates import Health
from immutable.memory import Behaviour
from immutable.model.records import Intended, Ordered
from immutable.testing import run
from tests.support.world import LIMITS, whole, world

HEALTHY = (Health(),)


@asynccontextmanager
async def running(w, strategy, *, after, limits=None):
    """A rollout that has run for a while; its end is awaited, whichever it is."""
    rollout = w.fleet.replace("v2", strategy, limits=limits)
    task = asyncio.ensure_future(rollout.end())
    await asyncio.sleep(after)
    assert not task.done()
    yield rollout, task
    await asyncio.wait({task}, timeout=100_000)
    assert task.done()


async def ordered(w, rollout):
    events = await w.journal.events(rollout.id)
    return [event.record for event in events if isinstance(event.record, Ordered)]


def test_pause_stops_a_rolling_replacement_and_resume_goes_on():
    async def main():
        async with world(6) as w, running(w, Rolling(), after=60, limits=LIMITS) as (_, task):
            async with w.other_process() as other:
                await (await other.rollout()).pause(reason="lunch")
                await asyncio.sleep(60)
                sizes = w.sizes()
                await asyncio.sleep(5_000)
                assert w.sizes() == sizes
                status = await (await other.rollout()).status()
                assert status.status is Status.PAUSED
                assert status.reason.endswith("lunch")
                await (await other.rollout()).resume()
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_a_pause_before_the_first_launch_launches_nothing():
    async def main():
        async with world(3) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout.end())
            while not await w.journal.entries():
                await asyncio.sleep(0)
            await rollout.pause()
            await asyncio.sleep(3_000)
            assert 2 not in w.truth.groups
            await rollout.resume()
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_no_deadline_runs_while_paused():
    async def main():
        limits = Limits(max_surge=1, boot_timeout=60, drain_timeout=30, progress_deadline=300,
                        max_duration=2_000)  # fmt: skip
        async with world(3) as w, running(w, Rolling(), after=50, limits=limits) as (rollout, task):
            await rollout.pause()
            await asyncio.sleep(50_000)
            assert not task.done()
            await rollout.resume()
            assert (await task).status is Status.SUCCEEDED

    run(main())


@pytest.mark.parametrize("strategy", [Rolling(), BlueGreen(), Canary(("50%",), gates=HEALTHY)])
@pytest.mark.parametrize("after", [1, 30, 80, 110])
def test_abort_returns_to_stable_at_any_time(strategy, after):
    async def main():
        async with world(5) as w:
            before = w.truth.groups[1].shown
            async with running(w, strategy, after=after) as (rollout, task):
                await rollout.abort(reason="no")
                result = await task
                assert result.status is Status.ROLLED_BACK
                assert result.reason.endswith("no")
                whole(w, result.status, before, None, 5)

    run(main())


def test_abort_after_the_point_of_no_return_is_refused():
    async def main():
        async with world(3) as w:
            strategy = BlueGreen(bake=0, keep_stable=10_000)
            async with running(w, strategy, after=300) as (rollout, task):
                with pytest.raises(Conflict, match="use rollback"):
                    await rollout.abort()
                await rollout.promote()
                assert (await task).status is Status.SUCCEEDED

    run(main())


def test_a_way_back_onto_a_kept_group_that_is_aborted_ends_as_it_began():
    async def main():
        async with world(4) as w:
            strategy = BlueGreen(bake=10, keep_stable=10_000)
            forward = asyncio.ensure_future(w.fleet.replace("v2", strategy).end())
            await asyncio.sleep(200)
            for name in w.members(revision=1):
                w.kill(name)  # So that they have to boot again before they can take the traffic.
            back = w.fleet.rollback()
            task = asyncio.ensure_future(back.end())
            await asyncio.sleep(5)
            await back.abort()
            assert (await task).status is Status.ROLLED_BACK
            assert w.sizes() == {2: 4}
            assert (await forward).status is Status.SUCCEEDED

    run(main())


def test_cancel_leaves_everything_as_it_is_and_says_what():
    async def main():
        async with world(4) as w:
            async with running(w, BlueGreen(bake=1_000), after=200) as (rollout, task):
                sizes = w.sizes()
                await rollout.cancel(reason="stop")
                result = await task
            assert result.status is Status.CANCELLED
            assert len(result.left) == 2
            with pytest.raises(RolloutCancelled):
                await rollout
            await asyncio.sleep(10_000)
            assert w.sizes() == sizes
            groups = (await w.fleet.state()).groups
            assert [group.hold for group in groups] == [None, None]
            with pytest.raises(PlanRefused, match="rollback"):
                await w.fleet.plan("v3")

    run(main())


@pytest.mark.parametrize(("failures", "said"), [(3, "r1 (v1)"), (10_000, "unknown")])
def test_cancel_ends_though_the_last_look_fails(monkeypatch, failures, said):
    async def main():
        async with world(4) as w:
            observe, left = w.backend.observe, failures

            async def failing(fleet, *, since=None):
                nonlocal left
                left -= since is None
                if since is None and left >= 0:
                    raise Throttled("slow down")
                return await observe(fleet, since=since)

            async with running(w, BlueGreen(bake=1_000), after=200) as (rollout, task):
                monkeypatch.setattr(w.backend, "observe", failing)
                await rollout.cancel()
                result = await task
            assert result.status is Status.CANCELLED
            assert said in " ".join(result.left)

    run(main())


@pytest.mark.parametrize("to", [1, 2])
@pytest.mark.parametrize("strategy", [Rolling(), BlueGreen(bake=1_000)])
def test_a_cancelled_fleet_is_brought_whole_onto_either_group(to, strategy):
    async def main():
        async with world(6) as w:
            limits = LIMITS if isinstance(strategy, Rolling) else None
            async with running(w, strategy, after=80, limits=limits) as (rollout, _):
                await rollout.cancel()
            result = await w.fleet.rollback(to=to)
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {to: 6}
            assert w.truth.groups[to].shown.weight is None

    run(main())


def test_an_order_to_a_rollout_that_has_ended_is_refused():
    async def main():
        async with world(1) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            await rollout
            with pytest.raises(JournalError, match="has ended"):
                await rollout.pause()

    run(main())


def test_abort_works_when_the_controller_is_dead():
    async def main():
        async with world(4) as w:
            before = w.truth.groups[1].shown
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            await rollout.stop()
            assert task.done()
            async with w.other_process() as other:
                await (await other.rollout()).abort(reason="its controller is dead")
            whole(w, (await rollout.status()).status, before, None, 4)

    run(main())


def test_orders_given_while_nobody_drives_are_heard_by_the_next():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", Canary(("25%",), bake=500, gates=HEALTHY))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(100)
            await rollout.stop()
            assert task.done()
            handle = await w.fleet.rollout()
            await handle.pause(reason="night")
            carried_on = asyncio.ensure_future(w.fleet.recover().end())
            await asyncio.sleep(5_000)
            assert (await handle.status()).status is Status.PAUSED
            await handle.resume()
            assert (await carried_on).status is Status.SUCCEEDED
            assert [each.number for each in await ordered(w, rollout)] == [1, 2]

    run(main())


def test_a_new_replacement_is_refused_with_the_id_of_the_one_that_runs():
    async def main():
        async with world(3) as w, running(w, Rolling(), after=40, limits=LIMITS) as (rollout, task):
            with pytest.raises(FleetBusy, match=rollout.id):
                await w.fleet.replace("v3")
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_a_new_replacement_may_supersede_the_one_that_runs():
    async def main():
        async with world(3) as w:
            strategy = BlueGreen(bake=10_000)
            async with running(w, strategy, after=200) as (rollout, task), w.other_process() as o:
                result = await o.replace("v3", limits=LIMITS, supersede=True)
                assert result.status is Status.SUCCEEDED
                assert (await task).status is Status.ROLLED_BACK
                plan = (await w.journal.entries(rollout=result.rollout))[0].plan
                assert plan.notes[-1] == (
                    f"supersedes rollout {rollout.id}, which ended rolled_back first"
                )
                assert w.sizes() == {3: 3}
                revisions = {each.revision.image.artifact for each in
                             (g.shown for g in w.truth.groups.values())}  # fmt: skip
                assert revisions == {"v3"}

    run(main())


def test_superseding_where_stable_is_only_kept_any_more_removes_it_first():
    async def main():
        async with world(3) as w:
            strategy = BlueGreen(bake=0, keep_stable=10_000)
            async with running(w, strategy, after=300) as (_, task):
                result = await w.fleet.replace("v3", limits=LIMITS, supersede=True)
                assert result.status is Status.SUCCEEDED
                assert (await task).status is Status.SUCCEEDED
                assert w.sizes() == {3: 3}

    run(main())


def test_superseding_nothing_is_an_ordinary_replacement():
    async def main():
        async with world(2) as w:
            assert (await w.fleet.replace("v2", limits=LIMITS, supersede=True)).candidate == 2

    run(main())


def test_a_way_back_that_finds_stable_sick_moves_traffic_as_stable_recovers():
    async def main():
        async with world(8) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=10_000))
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(200)
            w.cloud.behaviours["v1"] = Behaviour(boot=lambda random: random.uniform(20, 200))
            for name in w.members(revision=1)[:6]:
                w.cloud.kill("web", name)
            await rollout.abort()
            result = await task
            assert result.status is Status.ROLLED_BACK
            events = await w.journal.events(rollout.id)
            tables = [
                dict(event.record.action.weights)
                for event in events
                if isinstance(event.record, Intended)
                and type(event.record.action).__name__ == "Reroute"
            ]
            shares = [table[1] for table in tables[1:]]
            assert shares == sorted(shares)
            assert len(shares) > 2
            assert (shares[0], shares[-1]) == (25.0, 100.0)

    run(main())


def test_rolling_back_by_hand_after_success_is_a_rollout_without_stages():
    async def main():
        async with world(3) as w:
            await w.fleet.replace("v2", Canary(("50%",), bake=10, gates=HEALTHY))
            result = await w.fleet.rollback()
            plan = (await w.journal.entries(rollout=result.rollout))[0].plan
            assert (result.stable, result.candidate) == (2, 3)
            assert plan.candidate.image.artifact == "v1"
            assert len(plan.steps) == 2

    run(main())


def test_rollback_while_another_rollout_is_at_work_is_refused():
    async def main():
        async with world(3) as w, running(w, Rolling(), after=40, limits=LIMITS) as (rollout, _):
            with pytest.raises(FleetBusy, match=rollout.id):
                await w.fleet.rollback()

    run(main())


def test_an_aborted_rollout_raises_that_it_was_rolled_back():
    async def main():
        async with world(2) as w, running(w, BlueGreen(bake=900), after=100) as (rollout, _):
            await rollout.abort()
            with pytest.raises(RolledBack, match="abort"):
                await rollout

    run(main())


def test_superseding_by_an_image_that_does_not_exist_ends_no_rollout():
    async def main():
        async with world(2) as w, running(w, BlueGreen(bake=900), after=100) as (rollout, task):
            w.cloud.images = {"v1", "v2"}
            with pytest.raises(Invalid, match="no image v3"):
                await w.fleet.replace("v3", supersede=True)
            assert not task.done()
            await rollout.promote()
            assert (await task).status is Status.SUCCEEDED

    run(main())


def test_the_time_of_a_bake_before_a_pause_is_counted_by_no_deadline_either():
    async def main():
        limits = Limits("100%", boot_timeout=60, drain_timeout=30, max_duration=200)
        async with world(2) as w:
            strategy = BlueGreen(bake=350)
            async with running(w, strategy, after=380, limits=limits) as (rollout, task):
                await rollout.pause()
                await asyncio.sleep(50)
                await rollout.resume()
                assert (await task).status is Status.SUCCEEDED

    run(main())
