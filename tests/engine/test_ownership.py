"""One rollout per fleet, one controller per rollout, and what happens when it dies."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from attrs import evolve

from immutable import (
    FleetBusy,
    JournalError,
    NothingToRecover,
    PlanRefused,
    PlanStale,
    Rollout,
    Status,
)
from immutable.backend import Conflict, Context, Pool, Throttled, Transient
from immutable.errors import LeaseLost
from immutable.journal import Lease
from immutable.journal.transactions import Statement
from immutable.memory import Behaviour, Fault, fixed
from immutable.memory.faults import When
from immutable.model import Delete, Retire
from immutable.model.records import Claimed, Done, Entered, Intended, Outcome, Resynced
from immutable.testing import run
from tests.support.world import LIMITS, NAME, World, elsewhere, revision, world


async def cut_off(rollout: Rollout, seconds: float) -> None:
    """Let a controller drive *rollout* for a while, then stop without a word."""
    task = asyncio.ensure_future(rollout._outcome())
    await asyncio.wait({task}, timeout=seconds)
    await die(task)


async def die(task: asyncio.Task) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def iter_once(sql: str):
    yield Statement(sql)


async def records(w: World, rollout: str) -> list:
    return [event.record for event in await w.journal.events(rollout)]


@pytest.mark.parametrize("seconds", [0.5, 3, 21, 28, 33, 60, 97, 130])
def test_another_process_carries_on_where_a_controller_stopped(seconds):
    async def main():
        async with world(4) as w:
            w.backend.begin(LIMITS, 4)
            await cut_off(w.fleet.replace("v2", limits=LIMITS), seconds)
            async with w.other_process() as fleet:
                result = await fleet.recover()
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {2: 4}
            assert w.backend.breaches == []
            claims = [r for r in await records(w, result.rollout) if isinstance(r, Claimed)]
            assert [claim.fence for claim in claims] == [1, 2]

    run(main())


def test_min_ready_does_not_start_again_when_a_controller_dies():
    async def main():
        async with world(1) as w:
            limits = evolve(LIMITS, min_ready=100)
            await cut_off(w.fleet.replace("v2", limits=limits), 100)
            async with w.other_process() as fleet:
                result = await fleet.recover()
            # 20 s boot and 100 s of min_ready, from when the server became READY.
            assert 120 < result.seconds < 150

    run(main())


def test_a_running_rollout_is_neither_started_twice_nor_taken_over():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout._outcome())
            await asyncio.sleep(30)
            async with w.other_process() as fleet:
                with pytest.raises(FleetBusy, match=rollout.id):
                    await fleet.replace("v3", limits=LIMITS)
                with pytest.raises(FleetBusy, match=rollout.id):
                    await fleet.scale(9)
                with pytest.raises(FleetBusy, match="drives it"):
                    await fleet.recover()
            assert (await task).status is Status.SUCCEEDED
            with pytest.raises(NothingToRecover):
                await w.fleet.recover()

    run(main())


def test_a_controller_that_lost_its_lease_does_not_touch_the_fleet_again():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout._outcome())
            await asyncio.sleep(30)
            # As after a long freeze: the lease ran out and somebody else claimed it.
            await w.journal._do(lambda _: iter_once("UPDATE controllers SET expires_at = 0"))
            lease = await w.journal.claim(rollout.id, "another")
            calls = w.cloud.calls.copy()
            with pytest.raises(LeaseLost):
                await task
            made = w.cloud.calls - calls
            assert set(made) <= {"observe"}
            with pytest.raises(LeaseLost):
                await w.journal.append(Lease(rollout.id, "frozen", 1), [Entered(1)])
            await w.journal.release(lease)
            assert (await w.fleet.recover()).status is Status.SUCCEEDED

    run(main())


def test_a_call_of_an_older_lease_is_refused_by_the_fleet_itself():
    async def main():
        async with world(4) as w:
            now = w.clock.now() + 100
            await w.backend.hold(NAME, 1, now, context("r1", fence=2))
            for zombie in (context("r1", fence=1), context("r2", fence=9)):
                for call in (
                    w.backend.hold(NAME, 1, now, zombie),
                    w.backend.grow(NAME, 1, 9, expected=4, ctx=zombie),
                    w.backend.retire(NAME, 1, ("i-000001",), drain_timeout=1, ctx=zombie),
                    w.backend.settle(NAME, 1, zombie),
                    w.backend.release(NAME, 1, zombie),
                    w.backend.delete_revision(NAME, 1, zombie),
                ):
                    with pytest.raises(Conflict):
                        await call
            assert w.sizes() == {1: 4}

    run(main())


def context(rollout: str, fence: int = 1) -> Context:
    return Context(rollout=rollout, plan="", fence=fence, token="t", deadline=60)


def test_of_two_controllers_without_a_common_journal_one_at_most_changes_the_fleet():
    async def main(delay, stale):
        async with world(4, stale=stale) as w:
            async with elsewhere(w) as other:

                async def late():
                    await asyncio.sleep(delay)
                    return await other.replace("v3", limits=LIMITS)

                ends = await asyncio.gather(
                    w.fleet.replace("v2", limits=LIMITS), late(), return_exceptions=True
                )
            winners = [
                image
                for image, end in zip(("v2", "v3"), ends, strict=True)
                if not isinstance(end, BaseException)
            ]
            assert len(winners) <= 1
            assert len(w.truth.groups) == 1
            (group,) = w.truth.groups.values()
            assert (group.shown.size, group.shown.hold) == (4, None)
            assert group.shown.revision.image.artifact == (winners[0] if winners else "v1")
            assert w.truth.lowest_ready >= 4

    for delay in (0, 0.001, 1, 2, 3, 5, 30):
        for stale in (0.0, 3.0):
            run(main(delay, stale))


def test_a_group_of_another_rollout_is_not_taken_for_ones_own():
    async def main():
        async with world(2) as w:
            ctx = context("foreign")
            await w.backend.create_revision(NAME, revision(2, "v9"), Pool.SHARED, 2e9, ctx)
            with pytest.raises(Conflict) as caught:
                await w.backend.create_revision(
                    NAME, revision(2, "v2"), Pool.SHARED, 2e9, context("mine")
                )
            assert caught.value.owner == "foreign"
            with pytest.raises(PlanRefused, match="made by rollout foreign"):
                await w.fleet.plan("v2")

    run(main())


def test_a_plan_is_stale_when_the_fleet_moved_on_and_not_when_only_its_size_did():
    async def main():
        async with world(4) as w:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            await w.fleet.scale(6, limits=LIMITS)
            result = await w.fleet.apply(plan)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 6)
            with pytest.raises(PlanStale, match="number was 1, is 2"):
                await w.fleet.apply(plan)
            other = await w.fleet.plan("v3", limits=LIMITS)
            w.cloud.behaviours["bad"] = Behaviour(ready=False)
            with suppress(Exception):
                await w.fleet.replace("bad", limits=LIMITS)
            with pytest.raises(PlanStale, match="number 3 has been used"):
                await w.fleet.apply(other)

    run(main())


@pytest.mark.parametrize("call", ["hold", "create_revision", "grow", "retire", "release"])
@pytest.mark.parametrize("when", [When.AFTER, When.LATE])
def test_an_answer_that_never_comes_doubles_nothing(call, when):
    async def main():
        async with world(4) as w:
            w.backend.begin(LIMITS, 4)
            w.cloud.faults.add(Fault(call, when=when, times=5, delay=25))
            result = await w.fleet.replace("v2", limits=LIMITS)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
            assert w.sizes() == {2: 4}
            assert w.backend.breaches == []
            said = await records(w, result.rollout)
            assert any(isinstance(r, Done) and r.outcome is Outcome.UNKNOWN for r in said)
            assert any(isinstance(r, Resynced) for r in said)

    run(main())


def test_the_same_call_is_made_again_with_the_same_token():
    async def main():
        async with world(2) as w:
            tokens = []
            grow = w.backend.grow

            async def watched(*args, ctx, **kwargs):
                tokens.append(ctx.token)
                return await grow(*args, ctx=ctx, **kwargs)

            w.backend.grow = watched
            w.cloud.faults.add(Fault("grow", lambda: Transient("reset"), times=2))
            result = await w.fleet.replace("v2", limits=LIMITS)
            intended = [
                r.token
                for r in await records(w, result.rollout)
                if isinstance(r, Intended) and type(r.action).__name__ == "Grow"
            ]
            assert tokens == [intended[0]] * 3 + intended[1:]
            assert len(set(intended)) == len(intended) == 2

    run(main())


def test_a_call_that_has_begun_gets_its_answer_recorded_when_the_controller_is_stopped():
    async def main():
        async with world(2) as w:
            grow = w.backend.grow

            async def slow(*args, **kwargs):
                await asyncio.sleep(10)
                return await grow(*args, **kwargs)

            w.backend.grow = slow
            rollout = w.fleet.replace("v2", limits=LIMITS)
            await cut_off(rollout, 5)
            said = await records(w, rollout.id)
            assert isinstance(said[-1], Intended)
            assert w.sizes() == {1: 2, 2: 1}
            result = await w.fleet.recover()
            assert result.status is Status.SUCCEEDED

    run(main())


def test_a_fleet_that_cannot_be_seen_leaves_a_rollout_to_recover():
    async def main():
        async with world(2) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            w.at(30, lambda: w.cloud.faults.add(Fault("observe", times=None)))
            with pytest.raises(Transient):
                await rollout
            assert (await rollout.status()).live is False
            w.cloud.faults.planned.clear()
            assert (await w.fleet.recover()).status is Status.SUCCEEDED

    run(main())


def test_a_controller_whose_journal_fails_stops_and_can_be_followed_by_another(monkeypatch):
    async def main():
        async with world(3) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout._outcome())
            await asyncio.sleep(25)
            append = w.journal.append

            async def broken(*args):
                raise JournalError("disk full")

            monkeypatch.setattr(w.journal, "append", broken)
            calls = w.cloud.calls.copy()
            with pytest.raises(JournalError, match="disk full"):
                await task
            assert set(w.cloud.calls - calls) <= {"observe"}
            monkeypatch.setattr(w.journal, "append", append)
            assert (await w.fleet.recover()).status is Status.SUCCEEDED

    run(main())


def test_after_the_point_of_no_return_there_is_only_forward():
    async def main():
        async with world(2) as w:
            w.cloud.faults.add(Fault("release", times=4))
            w.cloud.behaviours["v2"] = Behaviour(dies_after=fixed(200))
            result = await w.fleet.replace("v2", limits=LIMITS)
            assert result.status is Status.SUCCEEDED

    run(main())


def test_controllers_that_die_one_after_the_other_wait_once_for_a_late_effect():
    async def main():
        async with world(2) as w:
            append = w.journal.append
            rollout = w.fleet.replace("v2", limits=LIMITS)
            intended = asyncio.Event()

            async def watched(lease, records):
                heard = await append(lease, records)
                if any(isinstance(r, Intended) and isinstance(r.action, Delete) for r in records):
                    intended.set()
                    await asyncio.sleep(1_000)  # Never to come back: the call is not made.
                return heard

            w.journal.append = watched
            task = asyncio.ensure_future(rollout._outcome())
            await intended.wait()
            w.journal.append = append
            await die(task)
            for _ in range(8):
                # None lives for as long as a late effect may take.
                await cut_off(w.fleet.recover(), w.backend.capabilities.late_effect / 3)
                if (await rollout.status()).status.ended:
                    break
            assert (await rollout.status()).status is Status.SUCCEEDED

    run(main())


def test_what_was_written_down_is_not_done_once_the_lease_may_be_anothers(monkeypatch):
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            append = w.journal.append

            async def slow(lease, records):
                orders = await append(lease, records)
                if any(isinstance(getattr(r, "action", None), Retire) for r in records):
                    # Stopped before it learns that it is written, until another one is the owner.
                    monkeypatch.setattr(w.journal, "append", append)
                    await w.journal.release(lease)
                    await w.journal.claim(rollout.id, "another")
                    await asyncio.sleep(30)
                return orders

            monkeypatch.setattr(w.journal, "append", slow)
            with pytest.raises(LeaseLost):
                await rollout
            assert "retire" not in w.cloud.calls

    run(main())


def test_a_call_is_not_repeated_by_one_who_has_lost_the_lease_meanwhile():
    async def main():
        async with world(4) as w:
            w.cloud.faults.add(Fault("grow", lambda: Throttled("busy", retry_after=30)))
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout._outcome())
            await asyncio.sleep(10)
            lease = Lease(rollout.id, (await rollout.status()).controller, 1)
            await w.journal.release(lease)
            await w.journal.claim(rollout.id, "another")
            with pytest.raises(LeaseLost):
                await task
            await asyncio.sleep(100)
            assert w.cloud.calls["grow"] == 1

    run(main())


def test_a_rollout_that_ends_while_it_is_being_taken_over_is_nothing_to_recover(monkeypatch):
    async def main():
        async with world(2) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            await cut_off(rollout, 5)
            claim = w.journal.claim

            async def late(name, controller):
                monkeypatch.setattr(w.journal, "claim", claim)
                async with w.other_process() as quicker:
                    await quicker.recover()
                return await claim(name, controller)

            monkeypatch.setattr(w.journal, "claim", late)
            with pytest.raises(NothingToRecover):
                await w.fleet.recover()

    run(main())


def test_who_was_found_to_serve_after_an_unanswered_retirement_is_not_retired_by_a_successor():
    async def main():
        async with world(4) as w:
            w.backend.begin(LIMITS, 4)
            w.cloud.faults.add(Fault("retire", times=None))
            rollout = w.fleet.replace("v2", limits=LIMITS)
            await cut_off(rollout, 80)
            said = await records(w, rollout.id)
            (spared,) = [r.spared for r in said if isinstance(r, Resynced)]
            sent = [r.action.ids for r in said if isinstance(getattr(r, "action", None), Retire)]
            assert (len(sent), sent[0]) == (2, spared)
            assert sent[1] != spared
            w.cloud.faults.planned.clear()
            assert (await w.fleet.recover()).status is Status.SUCCEEDED
            assert (w.backend.breaches, w.truth.lowest_ready) == ([], 4)

    run(main())
