"""Repair: what has drifted gives way to new instances of the same revision, inside the limits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from immutable import (
    InvalidValue,
    PlanRefused,
    PlanStale,
    Status,
    digest,
    dump_plan,
    load_plan,
)
from immutable.backend import DriftCode, InstanceState, Stray, Volume
from immutable.drift import DriftVerdict
from immutable.memory import Behaviour, Fault, When
from immutable.model import OnProtected, PlanKind, Renew
from immutable.model.records import Failed
from immutable.testing import run
from tests.support.world import LIMITS, NAME, elsewhere, world

READY = InstanceState.READY
TIGHT = evolve(LIMITS, max_surge=0, max_unavailable=1)
WIDE = evolve(LIMITS, max_surge=3, max_unavailable=1)


def touch(w, *places):
    """Let somebody change the servers at these places of the fleet, the oldest first."""
    names = [w.members()[place] for place in places]
    for name in names:
        w.cloud.altered.alter(name, DriftCode.NETWORK, "sg-9")
    return set(names)


def repaired(w, before, named, limits):
    """Assert that exactly *named* were replaced, and that nothing else was ever asked of it."""
    after = set(w.members())
    size = len(before)
    assert before - after == named
    assert w.sizes() == {1: size}
    assert len(w.members(READY)) == size
    assert w.truth.groups[1].shown.hold is None
    assert w.truth.lowest_ready >= size - int(limits.max_unavailable)
    assert w.truth.highest_total <= size + max(int(limits.max_surge), not limits.max_unavailable)
    assert w.backend.breaches == []


@pytest.mark.parametrize("limits", [LIMITS, TIGHT, WIDE])
@pytest.mark.parametrize(("size", "places"), [(1, [0]), (3, [1]), (6, [0, 2, 5]), (4, range(4))])
@pytest.mark.parametrize("stale", [0.0, 8.0])
def test_what_has_drifted_is_replaced_and_nothing_else(size, places, limits, stale):
    async def main():
        async with world(size, stale=stale) as w:
            before, named = set(w.members()), touch(w, *places)
            w.backend.begin(limits, size)
            result = await w.fleet.repair(limits=limits)
            assert (result.status, result.left) == (Status.SUCCEEDED, ())
            repaired(w, before, named, limits)
            assert (await w.fleet.drift()).verdict is DriftVerdict.OK
            assert w.truth.groups[1].shown.revision.number == 1

    run(main())


def test_a_plan_names_the_instances_and_is_approved_as_any_other():
    async def main():
        async with world(5) as w:
            named = touch(w, 1, 3)
            plan = await w.fleet.plan_repair(limits=LIMITS)
            assert (plan.kind, plan.stable) == (PlanKind.REPAIR, plan.candidate)
            assert plan.steps == (Renew(tuple(sorted(named))),)
            assert (plan.bounds.floor, plan.bounds.ceiling) == (5, 6)
            assert plan.bounds.work < (await w.fleet.plan("v2", limits=LIMITS)).bounds.work
            assert "network: sg-9" in str(plan)
            again = load_plan(dump_plan(plan))
            assert (again, digest(again)) == (plan, digest(plan))
            assert (await w.fleet.apply(again)).status is Status.SUCCEEDED
            assert not named & set(w.members())

    run(main())


def test_nothing_to_repair_touches_nothing():
    async def main():
        async with world(3) as w:
            before = w.members()
            assert (await w.fleet.repair()).status is Status.SUCCEEDED
            assert (await w.fleet.repair(budget=0)).status is Status.SUCCEEDED
            assert w.members() == before
            assert set(w.cloud.calls) == {"observe", "inspect"}

    run(main())


def test_the_budget_takes_what_is_wrong_before_what_is_only_old():
    async def main():
        async with world(10) as w:
            await asyncio.sleep(1000)
            named = touch(w, 7)
            oldest = w.members()[0]
            plan = await w.fleet.plan_repair(max_age=500, budget="11%", limits=LIMITS)
            (step,) = plan.steps
            assert step.instances == (*named, oldest)
            assert "8 more have drifted, and are beyond the budget" in plan.notes
            with pytest.raises(InvalidValue, match="budget"):
                await w.fleet.plan_repair(budget=-1)
            with pytest.raises(InvalidValue, match="max_age"):
                await w.fleet.plan_repair(max_age=-1)

    run(main())


def test_what_is_unknown_protected_or_no_member_stays_and_is_told():
    async def main():
        async with world(4) as w:
            names = w.members()
            w.cloud.altered.alter(names[0], DriftCode.DISK, None)
            w.cloud.altered.strays[NAME] = (Stray("x-1", "has the fleet's tag"),)
            touch(w, 1, 2)
            w.cloud.protect(NAME, names[1])
            skip = evolve(LIMITS, on_protected=OnProtected.SKIP)
            plan = await w.fleet.plan_repair(limits=skip)
            assert plan.steps == (Renew((names[2],)),)
            told = "\n".join(plan.notes)
            for words in ("1 are unknown", "1 have drifted and are protected", "x-1 is no member"):
                assert words in told

    run(main())


def test_a_fleet_that_is_not_whole_is_not_repaired_and_a_plan_goes_stale():
    async def main():
        async with world(4) as w:
            touch(w, 0)
            plan = await w.fleet.plan_repair(limits=LIMITS)
            await w.fleet.replace("v2", limits=LIMITS)
            with pytest.raises(PlanStale):
                await w.fleet.apply(plan)
            rollout = w.fleet.replace("v3", limits=LIMITS)
            driving = asyncio.ensure_future(rollout.end())
            while len(w.sizes()) < 2:
                await asyncio.sleep(1)
            await rollout.cancel()
            await driving
            with pytest.raises(PlanRefused, match="has 2 groups"):
                await w.fleet.plan_repair()

    run(main())


@pytest.mark.parametrize("limits", [LIMITS, TIGHT, WIDE])
def test_new_instances_that_do_not_serve_end_it_with_the_size_as_it_was(limits):
    async def main():
        async with world(6) as w:
            before, named = set(w.members()), touch(w, 0, 1, 2, 3)
            w.cloud.behaviours["v1"] = Behaviour(ready=False)
            w.backend.begin(limits, 6)
            end = await w.fleet.repair(limits=limits).end()
            assert end.status is Status.FAILED
            assert "candidate instances failed" in end.reason
            left = named & set(w.members())
            assert left
            assert {f"{each} was not replaced" for each in left} < set(end.left)
            assert w.sizes() == {1: 6}
            assert before - named <= set(w.members())
            assert len(w.members(READY)) >= 6 - limits.max_unavailable
            assert w.backend.breaches == []
            assert w.truth.groups[1].shown.hold is None
            events = await w.journal.events(end.rollout)
            failed = {n for e in events if isinstance(e.record, Failed) for n in e.record.ids}
            assert failed
            assert not failed & before

    run(main())


def test_a_fleet_with_volumes_is_repaired_slot_by_slot():
    async def main():
        async with world(3, volumes=(Volume("data", "/data"),)) as w:
            before, named = (await w.fleet.state()).slots, touch(w, 0, 2)
            members = set(w.members())
            w.backend.begin(TIGHT, 3)
            result = await w.fleet.repair()
            assert result.status is Status.SUCCEEDED
            repaired(w, members, named, TIGHT)
            after = (await w.fleet.state()).slots
            assert [slot.volumes for slot in after] == [slot.volumes for slot in before]
            assert w.truth.highest_total == 3

    run(main())


def test_somebody_who_scales_out_meanwhile_gets_what_they_want():
    async def main():
        async with world(6) as w:
            named = touch(w, 0, 1, 2)
            w.at(40, lambda: w.cloud.resize(NAME, 1, w.sizes()[1] + 2))
            result = await w.fleet.repair(limits=LIMITS)
            assert (result.status, result.wanted) == (Status.SUCCEEDED, 8)
            assert w.sizes() == {1: 8}
            assert not named & set(w.members())

    run(main())


def test_one_that_dies_meanwhile_is_no_failure_and_is_replaced_by_the_cloud():
    async def main():
        async with world(6) as w:
            named = touch(w, 0, 1, 2)
            w.at(30, lambda: w.cloud.kill(NAME, w.members()[-2]))
            w.at(31, lambda: w.cloud.kill(NAME, max(named)))
            result = await w.fleet.repair(limits=LIMITS)
            assert result.status is Status.SUCCEEDED
            assert w.sizes() == {1: 6}
            assert not named & set(w.members())

    run(main())


@pytest.mark.parametrize("order", ["abort", "cancel"])
def test_orders_stop_it_and_a_pause_holds_it(order):
    async def main():
        async with world(6) as w:
            named = touch(w, 0, 1, 2, 3)
            rollout = w.fleet.repair(limits=LIMITS)
            driving = asyncio.ensure_future(rollout.end())
            while len(named & set(w.members(READY))) == 4:
                await asyncio.sleep(1)
            await rollout.pause()
            await asyncio.sleep(60)
            paused = named & set(w.members())
            await asyncio.sleep(500)
            assert named & set(w.members()) == paused
            await rollout.resume()
            await asyncio.sleep(5)
            await getattr(rollout, order)()
            end = await driving
            assert end.status is (Status.FAILED if order == "abort" else Status.CANCELLED)
            assert named & set(w.members())
            if order == "abort":
                assert w.sizes() == {1: 6}
                assert len(w.members(READY)) == 6
            assert w.truth.groups[1].shown.hold is None or order == "cancel"

    run(main())


@asynccontextmanager
async def killed(w, rollout, seconds):
    """A rollout whose controller dies after a time, if it isn't over by then."""
    driving = asyncio.ensure_future(rollout.end())
    await asyncio.wait({driving}, timeout=seconds)
    over = driving.done()
    driving.cancel()
    with suppress(asyncio.CancelledError):
        await driving
    await w.fleet.stop()
    yield over


@pytest.mark.parametrize("limits", [LIMITS, TIGHT])
@pytest.mark.parametrize("seconds", range(1, 60, 7))
def test_another_controller_carries_it_on_from_wherever_it_was(seconds, limits):
    async def main():
        async with world(4) as w:
            before, named = set(w.members()), touch(w, 0, 3)
            w.backend.begin(limits, 4)
            async with killed(w, w.fleet.repair(limits=limits), seconds):
                async with w.other_process() as other:
                    assert (await other.recover()).status is Status.SUCCEEDED
                repaired(w, before, named, limits)

    run(main())


@pytest.mark.parametrize("seconds", [5, 40, 70])
@pytest.mark.parametrize("home", [False, True])
def test_a_lost_journal_is_replaced_by_the_plan(seconds, home):
    async def main():
        async with world(4) as w:
            before, named = set(w.members()), touch(w, 0, 3)
            plan = await w.fleet.plan_repair(limits=LIMITS)
            async with killed(w, w.fleet.apply(plan), seconds), elsewhere(w) as other:
                end = await other.recover(plan=plan, to_stable=home).end()
                assert end.status is (Status.FAILED if home else Status.SUCCEEDED)
                assert w.sizes() == {1: 4}
                assert len(w.members(READY)) == 4
                assert before - named <= set(w.members())
                assert home or not named & set(w.members())

    run(main())


LIMITED = st.sampled_from([LIMITS, TIGHT, WIDE, evolve(LIMITS, max_surge="50%")])
FAULTS = st.lists(
    st.builds(
        lambda call, when, delay: Fault(call, when=when, delay=delay),
        st.sampled_from(["grow", "retire", "hold", "release"]),
        st.sampled_from(list(When)),
        st.sampled_from([1.0, 5.0]),
    ),
    max_size=3,
)


def die(w, place):
    """Let one die, if there is any."""
    if names := w.members():
        w.cloud.kill(NAME, names[place % len(names)])


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 8),
    chosen=st.sets(st.integers(0, 7), min_size=1),
    limits=LIMITED,
    stale=st.sampled_from([0.0, 6.0]),
    stops=st.lists(st.integers(1, 80), max_size=2),
    deaths=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 7)), max_size=1),
    faults=FAULTS,
)
def test_whatever_happens_meanwhile_it_ends_whole_within_its_limits(
    size, chosen, limits, stale, stops, deaths, faults
):
    async def main():
        async with world(size, stale=stale) as w:
            before = set(w.members())
            named = touch(w, *{place % size for place in chosen})
            w.backend.begin(limits, size)
            for each in faults:
                w.cloud.faults.add(evolve(each))
            for seconds, place in deaths:
                w.at(seconds, partial(die, w, place))
            rollout, over = w.fleet.repair(limits=limits), False
            for seconds in stops:
                if not over:
                    async with killed(w, rollout, seconds) as over:
                        rollout = w.fleet.recover()
            if not over:
                assert (await rollout.end()).status is Status.SUCCEEDED
            assert not named & set(w.members())
            assert w.sizes() == {1: size}
            assert w.backend.breaches == []
            assert len(before - named - set(w.members())) <= len(deaths)
            assert w.truth.groups[1].shown.hold is None

    run(main())
