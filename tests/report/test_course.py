"""A rollout's records as values over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immutable import BlueGreen, Canary
from immutable.model import Status, Verdict
from immutable.report.course import Sizes, thinned
from immutable.testing import run
from tests.support.courses import Played, played


def test_a_success_goes_from_one_group_to_the_other_inside_its_bounds():
    made = run(played())
    told = made.course
    assert told.status is Status.SUCCEEDED
    assert told.sizes[0] == Sizes(0.0, 8, 0, 8)
    assert (told.sizes[-1].stable, told.sizes[-1].candidate) == (0, 8)
    bounds = told.plan.bounds
    assert max(each.stable + each.candidate for each in told.sizes) <= bounds.ceiling
    assert [each.became for each in told.steps] == ["reached", "reached"]
    assert told.until == round(made.events[-1].at - made.events[0].at, 3)
    assert [each.kind for each in told.marks] == ["commit", "end"]
    assert told.shares == ()


def test_every_action_is_there_with_its_arithmetic_and_its_answer():
    told = run(played()).course
    assert told.decisions
    assert all(each.why and each.outcome == "done" for each in told.decisions)
    assert all(each.answered is not None and each.answered >= each.at for each in told.decisions)
    assert [each.seq for each in told.decisions] == sorted(each.seq for each in told.decisions)


def test_weights_are_the_ones_that_were_set():
    told = run(played(BlueGreen())).course
    assert [each.candidate for each in told.shares] == [0, 100]


def test_a_failed_canary_has_the_evidence_that_ended_it():
    told = run(played(Canary(), errors=0.2)).course
    assert told.status is Status.ROLLED_BACK
    health, analysis = told.gates
    assert health.path == ()
    assert health.threshold is None
    assert analysis.opinions[-1].verdict is Verdict.FAIL
    assert round(10**analysis.threshold, 2) == 20
    assert analysis.path[-1].log_e >= analysis.threshold
    assert analysis.path[-1].candidate > 0
    assert "left to go back" in [each.became for each in told.steps]
    assert told.steps[-1].became == "not begun"
    assert "turn" in [each.kind for each in told.marks]


def test_an_abort_is_an_order_and_one_that_runs_is_under_way():
    told = run(played(abort=40)).course
    assert [each.kind for each in told.marks][:1] == ["order"]
    assert "not this one" in told.marks[0].words
    assert (told.sizes[-1].stable, told.sizes[-1].candidate) == (8, 0)
    running = run(played(Canary(), stop=100)).course
    assert running.end is None
    assert running.status is Status.RUNNING
    assert running.until == 100
    assert "under way" in [each.became for each in running.steps]


def test_a_record_that_begins_late_says_nothing_of_what_was_before():
    made = run(played(stop=30))
    empty = Played(made.entry, [], made.now, made.state).course
    assert empty.sizes == ()
    assert empty.decisions == ()
    assert {each.became for each in empty.steps} == {"not begun"}


@given(st.lists(st.integers(), max_size=50), st.integers(2, 60))
def test_thinning_keeps_order_and_both_ends(values, most):
    kept = thinned(values, most)
    assert len(kept) == min(most, len(values))
    places = iter(values)
    assert all(any(each == other for other in places) for each in kept)
    assert kept[:1] + kept[-1:] == tuple(values[:1] + values[-1:])
