"""How long a rollout has to go: near what it then takes, and nothing where nobody can say."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import BlueGreen, Image, Limits, Revision, Rolling, Status
from immutable.backend import Capabilities, FleetState, Group, Instance, InstanceState
from immutable.engine.ledger import Ledger, fold
from immutable.memory import Laws, fixed
from immutable.model.records import Ended
from immutable.planning.compile import replacement
from immutable.report.remaining import remaining
from immutable.testing import run
from tests.support.world import revision, world

LIMITS = Limits(max_surge=2, min_ready=5, boot_timeout=120, drain_timeout=30)


def plan_of(strategy, size=10, limits=LIMITS):
    state = FleetState("web", 0.0, (evolve(Group(revision(), size), weight=100.0),))
    able = Capabilities(weighted_traffic=True)
    return replacement("sim://web", state, Image("v2"), None, strategy, limits, able)


def seen(at, stable, candidate, starting=0):
    groups = tuple(Group(Revision(n, Image(f"v{n}")), 0) for n in (1, 2))
    many = [(1, stable, InstanceState.READY), (2, candidate, InstanceState.READY),
            (2, starting, InstanceState.STARTING)]  # fmt: skip
    members = tuple(
        Instance(f"i-{number}-{state}-{n}", number, state)
        for number, count, state in many
        for n in range(count)
    )
    return FleetState("web", at, groups, members)


BEGUN = Ledger(began_at=1000.0, wanted=10)
DOUBLE = evolve(LIMITS, max_surge="100%")


def test_at_first_the_plan_is_believed_and_later_its_own_pace():
    plan = plan_of(Rolling())
    expected = plan.bounds.expected
    assert remaining(plan, BEGUN, seen(1000, 10, 0)) == pytest.approx(expected)
    # Half of it took 400 s, whatever was planned: the other half will take as long.
    assert remaining(plan, BEGUN, seen(1400, 5, 5)) == pytest.approx(400)


def test_bakes_count_as_they_are_and_do_not_tell_of_the_pace():
    plan = plan_of(BlueGreen(bake=600, keep_stable=1000), limits=DOUBLE)
    bake = next(n for n, step in enumerate(plan.steps) if getattr(step, "seconds", 0) == 600)
    baking = evolve(BEGUN, step=bake, entered_at=1200.0)
    # 200 s for the first half of the moves, then 100 s of the bake.
    left = remaining(plan, baking, seen(1300, 10, 10))
    assert left == pytest.approx(200 + 500 + 1000)
    kept = evolve(baking, committed=True, committed_at=2000.0, step=len(plan.steps) - 1)
    assert remaining(plan, kept, seen(2400, 10, 10)) == pytest.approx(600)


@pytest.mark.parametrize(
    "ledger",
    [
        evolve(BEGUN, paused="lunch"),
        evolve(BEGUN, back=True, reason="bad"),
        fold(Ended(Status.SUCCEEDED, ""), BEGUN),
        Ledger(),
    ],
)
def test_where_nobody_can_say_nothing_is_said(ledger):
    assert remaining(plan_of(Rolling()), ledger, seen(1100, 5, 5)) is None


@given(
    st.floats(0, 10_000), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.booleans()
)
def test_it_is_never_less_than_nothing(after, stable, candidate, starting, blue):
    plan = plan_of(BlueGreen(bake=60), limits=DOUBLE) if blue else plan_of(Rolling())
    for step in range(len(plan.steps)):
        ledger = evolve(BEGUN, step=step, entered_at=1000.0 + after / 2)
        left = remaining(plan, ledger, seen(1000 + after, stable, candidate, starting))
        assert left is not None
        assert left >= 0


def test_half_way_it_is_near_what_it_then_takes():
    async def main():
        async with world(20, laws=Laws(fixed(40), fixed(10), fixed(5))) as w:
            rollout = w.fleet.replace("v2", limits=LIMITS)
            ended = asyncio.ensure_future(rollout.end())
            said = []
            while not ended.done():
                await asyncio.sleep(20)
                ledger, state = await rollout.ledger(), await w.fleet.state()
                left = remaining(await rollout.plan(), ledger, state)
                if left is not None:
                    said.append((state.at, state.at + left))
            end = (await w.fleet.state()).at
            return said, end

    said, end = run(main())
    began = said[0][0]
    middle = [until for at, until in said if 0.3 < (at - began) / (end - began) < 0.9]
    assert len(middle) > 5
    assert all(abs(until - end) < 0.2 * (end - began) for until in middle)
