"""Health: how many looks in a row said the same, and nothing is latched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable.gates import Health, Verdict
from immutable.gates.health import Streak

GATE = Health("90%", dwell=3)


def after(looks, gate=GATE):
    streak = Streak()
    for ready, of in looks:
        streak = streak.after(gate, ready, of)
    return streak.verdict(gate)


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([(10, 10)] * 2, Verdict.INCONCLUSIVE),
        ([(10, 10)] * 3, Verdict.PASS),
        ([(9, 10)] * 3, Verdict.PASS),
        ([(8, 10)] * 3, Verdict.FAIL),
        ([(8, 10)] * 2, Verdict.INCONCLUSIVE),
        ([(10, 10)] * 9 + [(8, 10)] * 2, Verdict.INCONCLUSIVE),
        ([(10, 10)] * 9 + [(8, 10)] * 3, Verdict.FAIL),
        ([(8, 10)] * 9 + [(10, 10)] * 3, Verdict.PASS),
        ([(0, 0)] * 9, Verdict.INCONCLUSIVE),
        ([(10, 10)] * 9 + [(0, 0)], Verdict.INCONCLUSIVE),
    ],
)
def test_a_verdict_takes_as_many_looks_in_a_row_as_it_dwells(looks, verdict):
    assert after(looks) is verdict


@pytest.mark.parametrize(
    ("of", "least"), [(1, 1), (2, 1), (3, 2), (5, 4), (10, 9), (20, 18), (100, 90)]
)
def test_one_of_several_may_be_missing_and_one_alone_may_not(of, least):
    assert after([(least, of)] * 3) is Verdict.PASS
    assert after([(least - 1, of)] * 3) is Verdict.FAIL


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 5))
def test_nobody_ready_never_passes(of, missing, dwell):
    gate = Health("1%", dwell=dwell)
    assert after([(0, of)] * (dwell + missing), gate) is not Verdict.PASS


@pytest.mark.parametrize("facts", [{"ready": "90"}, {"ready": "101%"}, {"dwell": 0}])
def test_nonsense_is_refused(facts):
    with pytest.raises(InvalidValue):
        Health(**facts)
