"""Duplicates of late boots in whole rollouts, on the simulated cloud."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from immutable import Canary, Limits, Rolling, Status
from immutable.backend import Group, InstanceState
from immutable.catalog import add, revoke
from immutable.gates import Health
from immutable.memory import Fault, Laws, When, fixed
from immutable.model import Grow, PlanKind, Retire, Settle, Stateful
from immutable.model.records import Failed, Intended, Resized
from immutable.testing import run
from immutable.trust import Artifact
from tests.support.admitting import adding
from tests.support.images import manifest, spec
from tests.support.world import NAME, World, revision, whole, world

READY = InstanceState.READY
SLOW = 900.0
LIMITS = Limits(
    max_surge=4, min_ready=5, boot_timeout=1_200, drain_timeout=30, max_failures=8, hedge=True
)
PLAIN = evolve(LIMITS, hedge=False)
SIZE = 8
LATE_AT = 80.0
"""The last boots of a fleet of eight begin at 37 s: by then they are late, and have duplicates."""


def slow(*which: int, usual: float = 20.0):
    """Boots of 20 s, but for some of the candidate's, by their number in the order of launch."""
    launched = []

    def law(_: object) -> float:
        launched.append(SLOW if len(launched) in which else usual)
        return launched[-1]

    return Laws(boot=law, drain=fixed(5), terminate=fixed(5))


@asynccontextmanager
async def rolling(w: World, limits: Limits = LIMITS, strategy=None, until: float = LATE_AT):
    """A rollout in whose end boots are late."""
    w.backend.begin(limits, len(w.members()))
    rollout = w.fleet.replace("v2", strategy or Rolling(probe=False), limits=limits)
    task = asyncio.ensure_future(rollout.end())
    await asyncio.sleep(until)
    yield rollout, task
    if not task.done():
        await asyncio.wait({task}, timeout=100_000)
    assert w.backend.breaches == []


async def intents(w: World, kind: type) -> list[Intended]:
    (entry,) = await w.journal.entries()
    records = [event.record for event in await w.journal.events(entry.rollout)]
    return [
        each for each in records if isinstance(each, Intended) and isinstance(each.action, kind)
    ]


async def hedged(w: World) -> list[Intended]:
    return [each for each in await intents(w, Grow) if " late" in each.why]


def ended(w: World, size: int = SIZE) -> None:
    assert w.sizes() == {2: size}
    assert len(w.members(READY, revision=2)) == size == len(w.members())


async def outcome(limits: Limits, size: int = SIZE, laws: Laws | None = None, **furnish: object):
    """Carry a rollout out; return its result, and the launches of duplicates."""
    async with world(size, laws=laws or slow(6, 7), **furnish) as w:
        async with rolling(w, limits) as (_, task):
            result = await task
        assert result.status is Status.SUCCEEDED
        assert w.truth.highest_total <= size + max(1, int(limits.max_surge))
        assert w.truth.lowest_ready >= size - int(limits.max_unavailable)
        ended(w, size)
        return result, await hedged(w), await intents(w, Retire)


def test_two_slow_boots_do_not_decide_when_it_is_over():
    quick, asked, retired = run(outcome(LIMITS))
    waited, never, _ = run(outcome(PLAIN))
    assert quick.seconds < 150
    assert waited.seconds > SLOW
    assert [each.why for each in asked] == [
        "2 boots are late, over 30 s; the median is 20 s: 2 more, as 2 may start"
    ]
    assert never == []
    (trimmed,) = (each for each in retired if each.why == "10 live, 8 wanted")
    assert len(trimmed.action.ids) == 2


def test_a_duplicate_that_is_late_too_gets_one_itself():
    result, asked, _ = run(outcome(LIMITS, laws=slow(7, 8)))
    assert result.seconds < 200
    assert [each.action.size for each in asked] == [9, 10]


@pytest.mark.parametrize(
    "unlike",
    [
        {"max_surge": 0, "max_unavailable": 4},
        {"max_surge": 1},
        {"max_failures": 1},
        {"on_protected": "wait"},
        {"hedge": False},
    ],
)
def test_there_are_none_where_there_is_no_room_or_they_could_do_harm(unlike):
    _, asked, _ = run(outcome(evolve(LIMITS, **unlike)))
    assert asked == []


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_in_the_smallest_fleets_nobody_can_tell_what_is_usual(size):
    _, asked, _ = run(outcome(evolve(LIMITS, max_surge=1), size, slow(size - 1)))
    assert asked == []


def test_a_cloud_that_tells_of_changes_tells_of_no_late_boot():
    async def main():
        async with world(SIZE, laws=slow(6, 7), tells=True) as w:
            async with rolling(w, until=0) as (_, task):
                assert (await task).seconds < 150
            assert len(await hedged(w)) == 1
            ended(w)

    run(main())


def test_shares_are_resolved_as_for_everybody():
    async def main():
        async with world(20, laws=slow(18, 19)) as w:
            async with rolling(w, evolve(LIMITS, max_surge="20%"), until=0) as (_, task):
                assert (await task).seconds < SLOW
            assert w.truth.highest_total == 24
            assert [each.action.size for each in await hedged(w)] == [22]
            ended(w, 20)

    run(main())


def test_not_above_what_the_group_may_have():
    _, asked, _ = run(outcome(LIMITS, group=Group(revision(), 0, maximum=SIZE)))
    assert asked == []
    _, asked, _ = run(outcome(LIMITS, group=Group(revision(), 0, maximum=SIZE + 1)))
    assert [each.action.size for each in asked] == [SIZE + 1]


def test_before_the_last_stage_the_candidate_has_no_more_than_its_share():
    async def main():
        async with world(SIZE, laws=slow(3)) as w:
            w.backend.capabilities = evolve(w.backend.capabilities, weighted_traffic=False)
            strategy = Canary(("50%",), bake=30, gates=(Health(),))
            async with rolling(w, strategy=strategy, until=600) as (_, task):
                assert w.sizes()[2] == 4
                assert (await task).status is Status.SUCCEEDED
            assert await hedged(w) == []
            ended(w)

    run(main())


def test_another_process_carries_duplicates_on_after_a_crash():
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w) as (_, task):
                assert w.sizes()[2] == 10
                task.cancel()
                await asyncio.wait({task})
            async with w.other_process() as other:
                result = await other.recover()
            assert (result.status, result.wanted) == (Status.SUCCEEDED, SIZE)
            assert result.seconds < SLOW
            assert len(await hedged(w)) == 1
            ended(w)

    run(main())


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("times", [1, 8])
def test_a_duplicate_without_an_answer_is_not_taken_for_a_scale_out(when, times):
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w, until=50) as (rollout, task):
                w.cloud.faults.add(Fault("grow", when=when, times=times, delay=29))
                result = await task
            assert (result.status, result.wanted) == (Status.SUCCEEDED, SIZE)
            events = await w.journal.events(rollout.id)
            assert not any(isinstance(event.record, Resized) for event in events)
            ended(w)

    run(main())


# Two attempts: the first one's effect comes 29 s later, when the duplicates have long been READY.
# Nobody is taken away before it must have come: else it would bring the sizes back.
def test_an_echo_of_its_launch_does_not_bring_a_duplicate_back():
    async def main():
        async with world(SIZE, laws=slow(6, 7, usual=1.0)) as w:
            async with rolling(w, until=12) as (_, task):
                w.cloud.faults.add(Fault("grow", when=When.LATE, delay=29))
                result = await task
            assert (result.status, result.wanted) == (Status.SUCCEEDED, SIZE)
            assert await hedged(w)
            await asyncio.sleep(100)
            ended(w)

    run(main())


@pytest.mark.parametrize(("found", "wanted"), [(12, 10), (9, 8), (8, 8)])
def test_who_changes_the_size_of_a_hedged_group_is_followed_from_what_is_wanted(found, wanted):
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w) as (_, task):
                assert w.sizes()[2] == 10
                w.cloud.advance()
                w.cloud.resize(NAME, 2, found)
                w.backend.most_wanted = max(SIZE, wanted)
                result = await task
            assert (result.status, result.wanted) == (Status.SUCCEEDED, wanted)
            ended(w, wanted)

    run(main())


def test_an_abort_takes_duplicates_back_like_everybody():
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            before = w.truth.groups[1].shown
            async with rolling(w) as (rollout, task):
                assert w.sizes()[2] == 10
                await rollout.abort()
                result = await task
            whole(w, result.status, before, None, SIZE)
            assert result.status is Status.ROLLED_BACK

    run(main())


def test_who_cancels_is_told_of_them_and_the_fleet_comes_whole_from_there():
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w) as (rollout, task):
                await rollout.cancel()
                result = await task
            assert result.status is Status.CANCELLED
            assert any("10" in left for left in result.left)
            back = await w.fleet.rollback(to=2, limits=LIMITS).end()
            assert (back.status, back.wanted) == (Status.SUCCEEDED, SIZE)
            ended(w)

    run(main())


def test_a_pause_leaves_them_as_they_are():
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w) as (rollout, task):
                await rollout.pause()
                await asyncio.sleep(5_000)
                assert w.sizes()[2] == 10
                await rollout.resume()
                assert (await task).status is Status.SUCCEEDED
            ended(w)

    run(main())


@pytest.mark.parametrize("quota", [False, True])
def test_where_there_is_no_room_for_duplicates_the_rollout_ends_without_them(quota):
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            async with rolling(w, until=50) as (_, task):
                if quota:
                    w.cloud.quota.total = len(w.truth.servers)
                else:
                    w.cloud.capacity.update(dict.fromkeys(w.cloud.zones, 0))
                result = await task
            assert (result.status, result.wanted) == (Status.SUCCEEDED, SIZE)
            assert result.seconds < SLOW + 100
            assert await hedged(w)
            assert quota or await intents(w, Settle)
            ended(w)

    run(main())


def test_an_image_that_was_revoked_meanwhile_is_not_launched_once_more():
    async def main():
        async with world(SIZE, laws=slow(6, 7)) as w:
            before = w.truth.groups[1].shown
            made = manifest(spec=spec(version="v2"), artifacts=(Artifact("memory", "", "v2"),))
            await w.journal.change_catalog(lambda catalog, _: add(catalog, adding(made)))
            async with rolling(w, until=50) as (_, task):
                await w.journal.change_catalog(
                    lambda catalog, now: revoke(
                        catalog, "web:v2", now, reason="bad", actor="ada", force=True
                    )
                )
                launched = len(w.members(revision=2))
                result = await task
            assert launched == SIZE
            assert result.status is Status.ROLLED_BACK
            assert "revoked" in result.reason
            whole(w, result.status, before, None, SIZE)

    run(main())


# Eight may fail. All that boots from the middle on hangs: the four that do are four failures, and
# their duplicates no more than as many: three at most, so that seven fail at once, and not eight.
def test_duplicates_of_boots_that_hang_do_not_turn_a_rollout_that_would_not_turn_without():
    async def main():
        async with world(SIZE, laws=slow(*range(4, 11))) as w:
            limits = evolve(LIMITS, boot_timeout=300)
            async with rolling(w, limits, until=0) as (rollout, task):
                result = await task
            events = await w.journal.events(rollout.id)
            failed = {n for e in events if isinstance(e.record, Failed) for n in e.record.ids}
            assert result.status is Status.SUCCEEDED
            assert 0 < len(failed) < 8
            ended(w)

    run(main())


def test_plans_that_never_have_duplicates():
    async def main():
        async with world(4) as w:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            assert plan.hedges
            for unlike in (PLAIN, evolve(LIMITS, on_protected="wait")):
                assert not evolve(plan, limits=unlike).hedges
            assert not evolve(plan, kind=PlanKind.SCALE).hedges
            assert not evolve(plan, kind=PlanKind.REPAIR).hedges
            assert not evolve(plan, stateful=Stateful()).hedges

    run(main())
