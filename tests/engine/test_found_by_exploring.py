"""What `tests/exploration` has found in the engine, each made as short as it can be told."""

from __future__ import annotations

import asyncio

import pytest

from immutable import BlueGreen, Canary, Status
from immutable.backend import Hold, Transient
from immutable.gates import Health
from immutable.memory import Behaviour, Fault, When
from immutable.model import Reroute
from immutable.model.records import Intended
from immutable.testing import run
from tests.support.world import DRAINING, LIMITS, NAME, world

HEALTHY = (Health(),)


async def cancelled(w, strategy, *, after):
    """Let a rollout run for a while, then stop it as it is."""
    rollout = w.fleet.replace("v2", strategy)
    task = asyncio.ensure_future(rollout.end())
    await asyncio.sleep(after)
    await rollout.cancel()
    assert (await task).status is Status.CANCELLED


@pytest.mark.parametrize(
    ("strategy", "after"),
    [
        (BlueGreen(bake=1_000, gates=HEALTHY), 30),
        (Canary(("25%",), bake=9_000, gates=HEALTHY), 200),
    ],
)
def test_the_way_back_after_a_cancellation_gives_what_is_given_up_no_more_traffic(strategy, after):
    # Before its first Route the group that it went back to was to have 0 %, as if it were new: so
    # all went to the one that was given up, if that could take it, and else nothing moved at all.
    async def main():
        async with world(4) as w:
            await cancelled(w, strategy, after=after)
            before = w.truth.groups[2].shown.weight
            assert before is not None
            back = w.fleet.rollback(to=1)
            result = await back.end()
            assert (result.status, w.sizes()) == (Status.SUCCEEDED, {1: 4})
            events = await w.journal.events(back.id)
            actions = [e.record.action for e in events if isinstance(e.record, Intended)]
            given = [a.weights[2] for a in actions if isinstance(a, Reroute)]
            assert max(given, default=0) <= before
            assert result.seconds < 300

    run(main())


def test_what_is_gone_back_to_and_can_not_be_has_handed_its_settings_over():
    # The scaling settings stay on the first group until its successor is released. When the way
    # back onto it fails, the other one is the fleet: the settings were deleted with the first.
    async def main():
        async with world(4) as w:
            w.cloud.change(NAME, 1, settings={"policy": "cpu 50 %"})
            await cancelled(w, BlueGreen(bake=1_000), after=100)
            back = w.fleet.rollback(to=1)
            task = asyncio.ensure_future(back.end())
            w.cloud.behaviours["v1"] = Behaviour(ready=False)
            for name in w.members(revision=1):
                w.kill(name)
            assert (await task).status is Status.ROLLED_BACK
            assert w.sizes() == {2: 4}
            assert dict(w.truth.groups[2].shown.settings) == {"policy": "cpu 50 %"}

    run(main())


def test_a_rollback_that_could_not_begin_does_not_turn_the_next_one_round():
    # The first found the fleet held by a rollout that had failed; "the one before" was then the
    # image that the failed rollout had brought, and the second went there.
    async def main():
        async with world(4) as w:
            await cancelled(w, Canary(("25%",), bake=9_000, gates=HEALTHY), after=200)
            for number in (1, 2):
                w.cloud.change(NAME, number, hold=Hold("failed", 1, w.cloud.at + 3_600))
            first = await w.fleet.rollback().end()
            assert (first.status, w.sizes()) == (Status.ROLLED_BACK, {1: 4, 2: 1})
            await asyncio.sleep(4_000)
            second = await w.fleet.rollback()
            assert (second.status, w.sizes()) == (Status.SUCCEEDED, {1: 4})

    run(main())


def test_who_supersedes_a_rollout_that_nobody_finishes_finishes_it():
    # Past the point of no return it is told to end its wait: by an order, which nobody heard.
    async def main():
        async with world(3) as w:
            rollout = w.fleet.replace("v2", BlueGreen(bake=5, keep_stable=50_000))
            task = asyncio.ensure_future(rollout.end())
            while not (await w.journal.entries()) or not (await rollout.ledger()).committed:
                await asyncio.sleep(5)
            await rollout.stop()
            assert task.done()
            async with w.other_process() as other, asyncio.timeout(1_000):
                result = await other.replace("v3", limits=LIMITS, supersede=True)
            assert (result.status, w.sizes()) == (Status.SUCCEEDED, {3: 3})

    run(main())


def test_a_hold_that_was_repeated_and_comes_late_does_not_outlive_the_rollout():
    # The first attempt of a call, its repetition, the release, the end; then the first attempt.
    async def main():
        async with world(3) as w:
            late = Fault("hold", lambda: Transient("503"), When.LATE, delay=29)
            w.cloud.faults.add(late)
            assert (await w.fleet.scale(4, limits=LIMITS)).status is Status.SUCCEEDED
            assert late.times == 0
            await asyncio.sleep(100)
            w.cloud.advance()
            assert w.truth.groups[1].shown.hold is None

    run(main())


def test_a_hold_whose_time_is_over_is_undone_by_who_takes_the_rollout_up():
    # Its controller was gone, the cloud did the rest, and the hold's time passed. It bound nobody
    # any more, so whoever ended the rollout left it there, with all that it had changed.
    async def main():
        async with world(4) as w:
            w.cloud.capacity.update(dict.fromkeys(w.cloud.zones, 0))
            scaling = asyncio.ensure_future(w.fleet.scale(6, limits=LIMITS))
            await asyncio.sleep(30)
            await w.fleet.stop()
            await asyncio.gather(scaling, return_exceptions=True)
            w.cloud.capacity.clear()
            await asyncio.sleep(2 * 3_600)
            left = (await w.fleet.state()).group(1)
            assert (left.size, left.hold, left.lapsed is None) == (6, None, False)
            async with w.other_process() as other:
                assert (await other.recover().end()).status is Status.SUCCEEDED
            assert (await w.fleet.state()).group(1).lapsed is None

    run(main())


def test_a_retirement_that_may_not_have_begun_is_not_begun_by_advancing_it():
    # It was decided while one server more than needed was READY, and got no answer. Then another
    # died: whoever went on, the same controller or a successor, sent it again as if it had begun.
    async def main():
        async with world(4) as w:
            w.backend.begin(LIMITS, 4)
            refused = Fault("retire", lambda: Transient("503"), times=4)
            w.cloud.faults.add(refused)
            task = asyncio.ensure_future(w.fleet.replace("v2", limits=LIMITS).end())
            while refused.times:
                await asyncio.sleep(0.1)
            w.cloud.capacity.update(dict.fromkeys(w.cloud.zones, 0))
            w.kill(w.members(revision=1)[-1])
            await asyncio.sleep(100)
            assert w.backend.breaches == []
            assert w.members(DRAINING) == []
            w.cloud.capacity.clear()
            assert (await task).status is Status.SUCCEEDED
            assert w.backend.breaches == []

    run(main())
