"""What the gates' verdicts make a rollout do."""

from __future__ import annotations

import pytest

from immutable.gates import Approval, Health, Reaction, Reactions, Verdict
from immutable.planning.stance import Opinion, Stance, stance

GATE = Health()


def what(verdict, *, over=False, promoted=False, gate=GATE):
    return stance([Opinion(gate, verdict, "why")], over=over, promoted=promoted)


def test_a_pass_is_no_reason_for_anything():
    assert what(Verdict.PASS) == what(Verdict.PASS, over=True) == Stance()
    assert Stance().free


def test_a_failure_goes_back_at_any_time_and_says_which_gate_and_why():
    for over in (False, True):
        for promoted in (False, True):
            assert what(Verdict.FAIL, over=over, promoted=promoted).turn == f"{GATE} says fail: why"


def test_what_is_not_known_matters_when_the_time_is_over_and_nobody_has_promoted():
    assert what(Verdict.INCONCLUSIVE) == Stance()
    assert what(Verdict.INCONCLUSIVE, over=True).pause
    assert what(Verdict.INCONCLUSIVE, over=True, promoted=True) == Stance()


def test_an_error_pauses_at_once_unless_somebody_has_promoted():
    assert what(Verdict.ERROR).pause
    assert what(Verdict.ERROR, promoted=True) == Stance()


@pytest.mark.parametrize("reaction", list(Reaction))
def test_the_user_chooses_the_reaction(reaction):
    gate = Health(reactions=Reactions(reaction, reaction, reaction))
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR):
        found = what(verdict, over=True, gate=gate)
        assert (bool(found.turn), bool(found.pause), bool(found.freeze)) == (
            reaction is Reaction.ROLLBACK,
            reaction is Reaction.PAUSE,
            reaction is Reaction.FREEZE,
        )


def test_a_missing_approval_waits_without_a_pause():
    found = what(Verdict.INCONCLUSIVE, over=True, gate=Approval("ops"))
    assert found.freeze.startswith("approval by ops")
    assert not found.pause


def test_going_back_wins_over_waiting():
    opinions = [Opinion(Approval(), Verdict.INCONCLUSIVE), Opinion(GATE, Verdict.FAIL)]
    found = stance(opinions, over=True, promoted=False)
    assert found.turn
    assert not found.free
