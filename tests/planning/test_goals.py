"""What the steps of a plan lead to: sizes, shares, gates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import BlueGreen, Canary, Rolling, digest, dump_plan, load_plan
from immutable.backend import Capabilities, FleetState, Group
from immutable.gates import Analysis, Approval, Check, Health
from immutable.model import Bake, Commit, Route, Shift
from immutable.planning.compile import replacement
from immutable.planning.goals import Goals, gates, goals, needed_surge, share, waits, watching
from tests.support.world import revision

ABLE = Capabilities(weighted_traffic=True, traffic_stats=True)
CANARY = Canary(("5%", "25%"), bake=60, keep_stable=30).steps(None, ABLE)


def test_a_bake_and_a_route_keep_the_sizes_of_the_shift_before():
    steps = (Shift(5, 95), Bake(60), Shift(100, 0), Commit())
    assert goals(steps[:1], 30) == goals(steps[:2], 30) == Goals(29, 1)
    assert goals(steps, 30) == Goals(0, 30)
    assert goals((), 30) == Goals(0, 30)


@given(st.integers(1, 300), st.integers(1, 99))
def test_beside_a_whole_stable_the_candidate_can_serve_its_share(size, percent):
    goal = goals((Shift(percent, 100), Route(percent)), size)
    assert goal.stable == size
    assert goal.candidate * 100 >= percent * size
    assert (goal.candidate - 1) * 100 < percent * size


@given(st.integers(2, 300), st.integers(1, 99))
def test_by_instances_neither_side_is_without_one(size, percent):
    goal = goals((Shift(percent, 100 - percent),), size)
    assert goal.stable + goal.candidate == size
    assert min(goal.stable, goal.candidate) >= 1
    assert abs(goal.candidate - size * percent / 100) < 1 or min(goal.stable, goal.candidate) == 1


@pytest.mark.parametrize(("strategy", "surge"), [(Rolling(), 0), (BlueGreen(), 10), (Canary(), 10)])
def test_only_strategies_with_weights_need_a_second_fleet(strategy, surge):
    assert needed_surge(strategy.steps(None, ABLE), 10) == surge


def test_a_share_lasts_until_the_next_route():
    assert [share(CANARY, step) for step in range(len(CANARY))] == [
        0, 5, 5, 5, 25, 25, 25, 100, 100, 100,
    ]  # fmt: skip
    assert share(Rolling().steps(None, ABLE), 0) is None


def test_what_a_plan_waits_for_is_its_bakes_and_the_time_that_stable_is_kept():
    assert waits(CANARY) == 3 * 60 + 30


def test_a_gate_of_several_bakes_is_one_gate():
    assert gates(CANARY) == (Health(), Analysis())


def test_the_gates_of_a_bake_watch_the_steps_that_lead_to_it():
    preview, after = Health(dwell=1), Health(dwell=2)
    steps = BlueGreen(preview=(preview,), gates=(after,)).steps(None, ABLE)
    assert [watching(steps, step) for step in range(len(steps))] == [
        (preview,), (preview,), (after,), (after,), (),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "strategy",
    [
        BlueGreen(keep_stable=60, preview=(Approval("ops"), Check("checks:smoke"))),
        Canary(gates=(Health("50%", dwell=9), Analysis(early=True, source="call:a:b"))),
    ],
)
def test_a_plan_with_gates_is_the_same_after_a_trip_through_a_file(strategy):
    state = FleetState("web", 0.0, (Group(revision(), 4),), last_revision=1)
    image = revision(2, "v2").image
    plan = replacement("memory://web", state, image, None, strategy, None, ABLE)
    assert load_plan(dump_plan(plan)) == plan
    assert digest(load_plan(dump_plan(plan))) == digest(plan)
