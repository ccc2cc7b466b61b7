"""A rollout whose journal is gone is found by the marks on its groups, and ends whole."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from attrs import evolve

from immutable import (
    BlueGreen,
    Canary,
    InvalidValue,
    NothingToRecover,
    PlanRefused,
    RolledBack,
    Rolling,
    Status,
    digest,
)
from immutable.backend import Conflict, Group
from immutable.errors import LeaseLost, OrphanedRollout
from immutable.gates import Health
from immutable.memory import Behaviour, Fault, fixed
from immutable.memory.faults import When
from immutable.testing import run
from tests.support.world import LIMITS, NAME, World, elsewhere, revision, whole, world

WIDE = evolve(LIMITS, max_surge="100%")
WAYS = {
    "rolling": (Rolling(), LIMITS),
    "blue_green": (BlueGreen(bake=100, keep_stable=300), WIDE),
    "canary": (Canary(stages=("10%", "50%"), bake=60, gates=(Health(),)), WIDE),
    "canary_by_instances": (Canary(stages=("25%", "50%"), bake=60, gates=(Health(),)), LIMITS),
}
SCALED = Group(revision(), 0, minimum=3, settings={"policy": "cpu 50 %"})


async def dies(w: World, plan, seconds: float):
    """Let a controller carry out *plan* for a while, then vanish with its journal."""
    task = asyncio.ensure_future(w.fleet.apply(plan).end())
    await asyncio.wait({task}, timeout=seconds)
    over = task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return over


@asynccontextmanager
async def abandoned(way: str, seconds: float, *, image: str = "v2", stale: float = 0.0):
    """A fleet of four that a rollout has left in the middle."""
    strategy, limits = WAYS[way]
    async with world(4, group=SCALED, stale=stale) as w:
        weighted = way != "canary_by_instances"
        w.backend.capabilities = evolve(w.backend.capabilities, weighted_traffic=weighted)
        w.cloud.behaviours["bad"] = Behaviour(ready=False)
        before = w.truth.groups[1].shown
        w.backend.begin(limits, 4)
        plan = await w.fleet.plan(image, strategy, limits=limits)
        over = await dies(w, plan, seconds)
        async with elsewhere(w) as other:
            yield w, other, plan, before, over


def nothing_held(w: World) -> None:
    assert [group.shown.hold for group in w.truth.groups.values()] == [None]


MOMENTS = [0.5, 3, 21, 26, 33, 60, 97, 130, 171, 230, 300, 420]


@pytest.mark.parametrize("stale", [0.0, 3.0])
@pytest.mark.parametrize("way", WAYS)
def test_with_its_plan_a_rollout_is_carried_on_without_its_journal(way, stale):
    async def main(seconds):
        async with abandoned(way, seconds, stale=stale) as (w, other, plan, before, _):
            try:
                result = await other.recover(plan=plan)
                assert (result.status, result.wanted) == (Status.SUCCEEDED, 4)
                ended_here = True
            except NothingToRecover:
                ended_here = False
            whole(w, Status.SUCCEEDED, before, plan, 4)
            nothing_held(w)
            assert dict(w.truth.groups[2].shown.settings) == {"policy": "cpu 50 %"}
            assert w.truth.groups[2].shown.minimum == 3
            assert w.backend.breaches == []
            return ended_here

    assert sum(run(main(seconds)) for seconds in MOMENTS) >= 6


@pytest.mark.parametrize("stale", [0.0, 3.0])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_fleet_returns_to_stable_without_a_journal(way, known, stale):
    async def main(seconds):
        async with abandoned(way, seconds, stale=stale) as (w, other, plan, before, _):
            limits = WAYS[way][1]
            back = other.recover(to_stable=True, plan=plan if known else None, limits=limits)
            try:
                result = await back.end()
            except NothingToRecover:
                whole(w, Status.SUCCEEDED, before, plan, 4)
                return False
            except Conflict:
                # It only keeps stable any more: r2 is the fleet.
                assert w.truth.groups[1].shown.weight == 0
                return False
            alone = not known and result.stable == result.candidate
            assert result.status is (Status.SUCCEEDED if alone else Status.ROLLED_BACK)
            whole(w, Status.ROLLED_BACK, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []
            return True

    assert sum(run(main(seconds)) for seconds in MOMENTS) >= 5


@pytest.mark.parametrize("to_stable", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_rollout_that_was_on_its_way_back_ends_whole_too(known, to_stable):
    async def main(seconds):
        async with abandoned("rolling", seconds, image="bad") as (w, other, plan, before, over):
            assert over == (seconds > 900)
            ways = {"to_stable": to_stable, "limits": LIMITS, "plan": plan if known else None}
            if over:
                with pytest.raises(NothingToRecover):
                    await other.recover(**ways)
            elif known or to_stable:
                status = (await other.recover(**ways).end()).status
                assert status in (Status.ROLLED_BACK, Status.SUCCEEDED)
            else:
                with pytest.raises(OrphanedRollout):
                    await other.recover()
                return
            whole(w, Status.ROLLED_BACK, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for seconds in (1, 30, 150, 183, 185, 190, 1_000):
        run(main(seconds))


# -- what is offered, and what is refused ----------------------------------------------------------


def test_the_error_says_what_there_is_and_offers_both_ways():
    async def main():
        async with abandoned("rolling", 60) as (w, other, plan, *_):
            with pytest.raises(OrphanedRollout) as caught:
                await other.recover()
            (entry,) = await w.journal.entries()
            said = str(caught.value)
            assert f"doesn't know rollout {entry.rollout}" in said
            assert "r1 (v1) of size 3: 3 ready, held by rollout" in said
            assert "it renewed its holds 1 min ago" in said
            assert "--plan FILE" in said
            assert digest(plan) in said
            assert "return to r1: recover(to_stable=True)" in said
            assert await other.history() == ()

    run(main())


def test_another_plan_is_refused_and_both_digests_are_named():
    async def main():
        async with abandoned("rolling", 60) as (_, other, plan, *_):
            wrong = evolve(plan, limits=evolve(LIMITS, max_surge=2))
            with pytest.raises(PlanRefused) as caught:
                await other.recover(plan=wrong)
            assert digest(wrong) in str(caught.value)
            assert digest(plan) in str(caught.value)
            assert "or return to stable" in str(caught.value)

    run(main())


def test_a_whole_fleet_has_nothing_to_recover():
    async def main():
        async with world(2) as w, elsewhere(w) as other:
            for ways in ({}, {"to_stable": True}):
                with pytest.raises(NothingToRecover):
                    await other.recover(**ways)

    run(main())


def test_what_this_journal_knows_to_have_ended_is_left_to_rollback():
    async def main():
        async with world(4) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            task = asyncio.ensure_future(rollout.end())
            await asyncio.sleep(60)
            await rollout.cancel()
            await task
            with pytest.raises(NothingToRecover):
                await w.fleet.recover(to_stable=True)
            assert (await w.fleet.rollback(to=1, limits=LIMITS)).status is Status.SUCCEEDED

    run(main())


def test_where_the_journal_knows_the_rollout_its_own_plan_and_an_abort_do_the_same():
    async def main():
        async with abandoned("rolling", 60) as (w, _, plan, before, _):
            with pytest.raises(PlanRefused):
                await w.fleet.recover(plan=evolve(plan, strategy="another"))
            with pytest.raises(RolledBack, match=r"abort by .*: too risky"):
                await w.fleet.recover(plan=plan, to_stable=True, reason="too risky")
            whole(w, Status.ROLLED_BACK, before, plan, 4)

    run(main())


def test_past_the_point_of_no_return_only_forward_or_by_rollback():
    async def main(seconds, fleet_of):
        async with abandoned("blue_green", seconds) as (w, other, plan, before, _):
            fleet = fleet_of(w, other)
            with pytest.raises(Conflict, match="past its point of no return: use rollback"):
                await fleet.recover(to_stable=True)
            began = w.clock.now()
            assert (await fleet.recover(plan=plan)).status is Status.SUCCEEDED
            assert w.clock.now() - began > 150  # Stable is kept for as long as planned.
            whole(w, Status.SUCCEEDED, before, plan, 4)

    run(main(170, lambda w, other: other))
    run(main(170, lambda w, other: w.fleet))


# -- other rollouts --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.5, 10, 30, 45])
@pytest.mark.parametrize("ways", ["plan", "to_stable"])
def test_a_change_of_size_is_carried_on_or_left_where_it_is(seconds, ways):
    async def main():
        async with world(4) as w, elsewhere(w) as other:
            plan = await w.fleet._planner.resizing(8, evolve(LIMITS, max_surge=1))
            over = await dies(w, plan, seconds)
            size = w.sizes()[1]
            if not over:
                way = {"plan": plan} if ways == "plan" else {"to_stable": True}
                result = await other.recover(**way)
                assert result.status is Status.SUCCEEDED
                assert w.sizes() == {1: 8 if ways == "plan" else size}
            nothing_held(w)

    run(main())


@pytest.mark.parametrize("seconds", [0.5, 5, 30, 60, 90])
@pytest.mark.parametrize("to_stable", [False, True])
def test_going_back_to_a_kept_group_needs_its_plan_and_ends_whole(seconds, to_stable):
    async def main():
        async with world(4, group=SCALED) as w, elsewhere(w) as other:
            strategy = BlueGreen(bake=10, keep_stable=10_000)
            forward = asyncio.ensure_future(w.fleet.replace("v2", strategy, limits=WIDE).end())
            await asyncio.sleep(200)
            plan = await w.fleet._planner.going_back(1, WIDE)
            await forward
            w.backend.begin(WIDE, 4)
            over = await dies(w, plan, seconds)
            if not over:
                with pytest.raises(PlanRefused, match="pass its plan too"):
                    await other.recover(to_stable=True)
            with suppress(NothingToRecover):
                end = await other.recover(plan=plan, to_stable=to_stable).end()
                assert end.status is (Status.ROLLED_BACK if to_stable else Status.SUCCEEDED)
            (number,) = w.sizes()
            assert number == (2 if to_stable and not over else 1)
            nothing_held(w)
            assert w.backend.breaches == []

    run(main())


# -- who else is there -----------------------------------------------------------------------------


def test_a_controller_that_lives_after_all_is_shut_out_and_stops():
    async def main(seconds, to_stable):
        async with world(4, group=SCALED) as w, elsewhere(w) as other:
            w.backend.begin(LIMITS, 4)
            before = w.truth.groups[1].shown
            plan = await w.fleet.plan("v2", limits=LIMITS)
            first = asyncio.ensure_future(w.fleet.apply(plan).end())
            await asyncio.sleep(seconds)
            status = (await other.recover(plan=plan, to_stable=to_stable).end()).status
            assert status is (Status.ROLLED_BACK if to_stable else Status.SUCCEEDED)
            with pytest.raises(LeaseLost, match="under another journal"):
                await first
            whole(w, status, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for seconds in (1, 25, 50, 100):
        run(main(seconds, to_stable=False))
        run(main(seconds, to_stable=True))


def test_of_two_who_take_up_the_same_rollout_one_goes_on():
    async def main(delay):
        async with abandoned("rolling", 60) as (w, one, plan, before, _), elsewhere(w) as two:

            async def late():
                await asyncio.sleep(delay)
                return await two.recover(to_stable=True, limits=LIMITS).end()

            ends = await asyncio.gather(
                one.recover(plan=plan).end(), late(), return_exceptions=True
            )
            stopped = [end for end in ends if isinstance(end, (LeaseLost, NothingToRecover))]
            (won,) = (end for end in ends if end not in stopped)
            whole(w, won.status, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for delay in (0, 0.5, 2, 10, 31, 60, 100, 200):
        run(main(delay))


@pytest.mark.parametrize("call", ["hold", "create_revision", "grow", "retire", "delete_revision"])
@pytest.mark.parametrize("to_stable", [False, True])
def test_what_the_last_controller_had_under_way_comes_late_and_does_no_harm(call, to_stable):
    async def main(seconds, delay):
        async with world(4, group=SCALED) as w:
            before = w.truth.groups[1].shown
            w.backend.begin(LIMITS, 4)
            plan = await w.fleet.plan("v2", limits=LIMITS)
            w.at(
                seconds - 1,
                lambda: w.cloud.faults.add(Fault(call, when=When.LATE, delay=delay, times=1)),
            )
            await dies(w, plan, seconds)
            w.cloud.faults.planned.clear()
            async with elsewhere(w) as other:
                try:
                    end = await other.recover(plan=plan, to_stable=to_stable).end()
                    assert (end.status.ended, end.wanted) == (True, 4)
                    status = end.status
                except NothingToRecover:
                    status = Status.SUCCEEDED
            whole(w, status, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for seconds in (1, 2, 22, 27, 30, 33, 60, 97, 130, 170):
        for delay in (0.5, 5, 25):
            run(main(seconds, delay))


def test_a_backend_that_tells_only_what_it_must_has_enough_for_a_plan():
    async def main(way, seconds, to_stable):
        async with abandoned(way, seconds) as (w, other, plan, *_):
            observe = w.backend.observe

            async def curt(fleet, *, since=None):
                state = await observe(fleet, since=since)
                groups = tuple(
                    evolve(
                        group,
                        lapsed=None,
                        hold=group.hold and evolve(group.hold, plan="", size=None, minimum=None),
                    )
                    for group in state.groups
                )
                return evolve(state, groups=groups)

            w.backend.observe = curt
            w.truth.groups[1].shown = evolve(w.truth.groups[1].shown, minimum=0)
            w.truth.groups[1].shown = evolve(
                w.truth.groups[1].shown, hold=evolve(w.truth.groups[1].shown.hold, minimum=0)
            )
            limits = WAYS[way][1]
            end = await other.recover(
                plan=None if to_stable else plan, to_stable=to_stable, limits=limits
            ).end()
            assert end.status is (Status.ROLLED_BACK if to_stable else Status.SUCCEEDED)
            nothing_held(w)
            sizes = w.sizes()
            assert len(sizes) == 1
            # Without the size before, a rolling replacement may have had one more than wanted.
            assert 4 <= sum(sizes.values()) <= 5

    for way in ("rolling", "blue_green"):
        for seconds in (30, 60, 100):
            for to_stable in (False, True):
                run(main(way, seconds, to_stable))


def test_a_fleet_that_was_scaled_out_meanwhile_is_not_shrunk_to_what_the_plan_says():
    async def main():
        async with world(4) as w, elsewhere(w) as other:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            w.at(50, lambda: w.cloud.resize(NAME, 1, w.sizes()[1] + 4))
            await dies(w, plan, 80)
            end = await other.recover(plan=plan).end()
            assert end.status is Status.SUCCEEDED
            assert end.wanted >= 6

    run(main())


def test_a_plan_made_for_another_size_returns_to_the_size_that_the_fleet_had():
    async def main(to_stable):
        async with world(4) as w, elsewhere(w) as other:
            plan = await w.fleet.plan("v2", limits=LIMITS)
            await w.fleet.scale(6, limits=LIMITS)
            await dies(w, plan, 60)
            end = await other.recover(plan=plan, to_stable=to_stable).end()
            assert (end.wanted, *w.sizes().values()) == (6, 6)

    run(main(to_stable=True))
    run(main(to_stable=False))


def test_deaths_and_slow_servers_are_borne_as_ever():
    async def main():
        async with abandoned("rolling", 60) as (w, other, plan, before, _):
            w.cloud.behaviours["v2"] = Behaviour(boot=fixed(40))
            w.at(45, lambda: w.kill(w.members(revision=2)[0]))
            w.at(60, lambda: w.kill(w.members(revision=1)[0]))
            assert (await other.recover(plan=plan)).status is Status.SUCCEEDED
            whole(w, Status.SUCCEEDED, before, plan, 4)

    run(main())


def test_waiting_for_late_calls_of_others_is_no_lack_of_progress():
    async def main():
        async with abandoned("rolling", 60) as (w, other, *_):
            w.backend.capabilities = evolve(w.backend.capabilities, late_effect=1_000.0)
            limits = evolve(LIMITS, progress_deadline=100, max_duration=500)
            end = await other.recover(to_stable=True, limits=limits).end()
            assert end.status is Status.ROLLED_BACK
            assert end.reason.startswith("return to stable by")
            assert 1_000 < end.seconds < 1_100

    run(main())


def test_a_lost_plan_returns_to_the_size_before_whatever_limits_are_given():
    async def main():
        async with abandoned("blue_green", 60) as (w, other, _, before, _):
            assert w.sizes() == {1: 4, 2: 4}
            end = await other.recover(to_stable=True, limits=LIMITS).end()
            assert (end.status, end.wanted) == (Status.ROLLED_BACK, 4)
            whole(w, Status.ROLLED_BACK, before, None, 4)

    run(main())


@pytest.mark.parametrize("to", [1, 2])
@pytest.mark.parametrize("way", ["rolling", "blue_green"])
def test_when_its_holds_are_over_rollback_brings_the_fleet_onto_whichever_group_is_named(way, to):
    async def main():
        async with abandoned(way, 60) as (w, other, *_):
            with pytest.raises(InvalidValue, match="name one: 1 or 2"):
                await other.rollback()
            with pytest.raises(RolledBack, match=r"rollout .* owns the fleet"):
                await other.rollback(to=to, limits=WIDE)
            await asyncio.sleep(3_700)
            w.backend.begin(WIDE, 4)
            result = await other.rollback(to=to, limits=WIDE)
            assert result.status is Status.SUCCEEDED
            assert list(w.sizes()) == [to]
            # In one pool one of them may have been surge: nothing that serves is lost.
            assert result.wanted == (5 if way == "rolling" else 4)
            nothing_held(w)
            assert dict(w.truth.groups[to].shown.settings) == {"policy": "cpu 50 %"}
            assert w.backend.breaches == []

    run(main())


@pytest.mark.parametrize("to_stable", [False, True])
def test_the_old_journal_when_it_turns_up_again_ends_its_rollout_and_touches_nothing(to_stable):
    async def main(seconds):
        async with abandoned("rolling", seconds) as (w, other, plan, before, _):
            status = (await other.recover(plan=plan, to_stable=to_stable).end()).status
            whole(w, status, before, plan, 4)
            members = w.members()
            assert (await w.fleet.recover().end()).status.ended
            whole(w, status, before, plan, 4)
            assert w.members() == members
            assert await w.journal.entries(unfinished=True) == []

    for seconds in (0.5, 3, 60, 130):
        run(main(seconds))


@pytest.mark.parametrize("to_stable", [False, True])
@pytest.mark.parametrize("way", ["rolling", "canary"])
def test_who_took_it_up_may_die_too_and_lose_its_journal_too(way, to_stable):
    async def main(seconds, second):
        async with abandoned(way, seconds) as (w, other, plan, before, _), elsewhere(w) as third:
            ways = {"to_stable": True, "limits": WAYS[way][1]} if to_stable else {"plan": plan}
            status = Status.ROLLED_BACK if to_stable else Status.SUCCEEDED
            task = asyncio.ensure_future(other.recover(**ways).end())
            await asyncio.wait({task}, timeout=second)
            await other.stop()
            await asyncio.gather(task, return_exceptions=True)
            if second % 2:
                with suppress(NothingToRecover):
                    assert (await other.recover().end()).status is status
            else:
                with suppress(NothingToRecover):
                    end = await third.recover(**ways).end()
                    assert end.status in (status, Status.SUCCEEDED)
            whole(w, status, before, plan, 4)
            nothing_held(w)
            assert w.backend.breaches == []

    for seconds in (22, 60, 100):
        for second in (0, 1, 2, 33, 34, 51, 60):
            run(main(seconds, second))
