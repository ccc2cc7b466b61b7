"""Launches that rollouts share: never more than the bucket has, a reserve, equal parts."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import Rate
from immutable.planning.sharing import RESERVE, Launches, reserved


def bucket(burst=10.0, per_second=0.2, tokens=None):
    made = Launches(Rate(burst, per_second), 0.0)
    made.tokens = burst if tokens is None else tokens
    return made


def test_a_reserve_is_kept_and_a_way_back_never_waits():
    made = bucket()
    assert made.grant("a", 20, 0.0, back=False) == 8
    assert made.grant("a", 1, 0.0, back=False) == 0
    assert made.wait(0.0) == pytest.approx(5.0)
    assert made.grant("b", 20, 0.0, back=True) == 20
    # 18 below none: what a way back took has to flow in before the next way forward.
    assert made.wait(0.0) == pytest.approx((18 + 2 + 1) / 0.2)
    assert made.grant("a", 1, 104.9, back=False) == 0
    assert made.grant("a", 1, 105.0, back=False) == 1


def test_who_waits_gets_an_equal_part_and_of_too_little_the_first_come_first():
    made = bucket(burst=100.0, tokens=20.0)

    def grants(left, names):
        made.tokens = 20.0 + left
        return [made.grant(name, 50, 0.0, back=False) for name in names]

    assert grants(0, "abc") == [0, 0, 0]
    assert grants(2, "cba") == [0, 1, 1]  # c has come last.
    assert grants(7, "abc") == [0, 0, 1]  # a and b had theirs in this round.
    assert grants(7, "bac") == [2, 2, 2]
    assert grants(6, "bd") == [2, 2]  # Another one comes into the round.
    for name in "abcd":
        made.leave(name)
    assert grants(7, "d") == [7]


def test_however_small_a_bucket_is_it_gives_one_at_a_time():
    made = bucket(burst=1.0, per_second=0.1)
    assert made.grant("a", 3, 0.0, back=False) == 1
    assert made.wait(0.0) == pytest.approx(10.0)
    assert made.grant("a", 2, 10.0, back=False) == 1


def test_a_bucket_that_does_not_fill_is_waited_for_without_end():
    made = bucket(per_second=0.0)
    made.grant("a", 20, 0.0, back=False)
    assert made.wait(1e6) == inf


def test_who_is_heard_of_no_more_keeps_nothing_from_the_others():
    made = bucket(tokens=2.0)
    assert made.grant("hangs", 5, 0.0, back=False) == 0
    assert made.grant("b", 5, 0.0, back=False) == 0
    assert made.grant("b", 5, 5.0, back=False) == 0  # The one there is is for who came first.
    for tick in range(1, 61):
        made.grant("c", 50, 5.0 + 2 * tick, back=False)
    assert made.grant("b", 1, 126.0, back=False) == 1
    made.tokens = 4.0
    assert [made.grant(name, 1, 126.0, back=False) for name in ("c", "b")] == [1, 1]


def test_another_rate_leaves_what_is_spent_spent():
    made = bucket()
    made.grant("a", 4, 0.0, back=False)
    made.change(Rate(100, 1.0), 0.0)
    assert made.tokens == 96
    made.change(Rate(5, 1.0), 0.0)
    assert made.grant("a", 5, 0.0, back=False) == 0
    assert made.wait(0.0) == pytest.approx(1.0)


def test_what_is_kept_is_a_fifth_but_never_the_last():
    assert [reserved(Rate(burst, 1.0)) for burst in (1000, 2, 1, 0.5)] == [200, 0.4, 0, 0]


asks = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.integers(1, 20)))


@given(asks, st.integers(1, 50), st.sampled_from([0.1, 1 / 3, 2.0]))
def test_ways_forward_never_get_more_than_the_bucket_had(asked, burst, per_second):
    made, now, given_out = bucket(burst, per_second), 0.0, 0
    for pause, name, wanted in asked:
        now += pause
        granted = made.grant(name, wanted, now, back=False)
        assert 0 <= granted <= wanted
        given_out += granted
        kept = min(RESERVE * burst, burst - 1)
        assert given_out <= burst - kept + per_second * now + 1e-5


@given(st.integers(2, 6), st.sampled_from([0.3, 1.0, 5.0]), st.integers(1, 4))
def test_who_ask_as_often_for_as_much_get_as_much(count, per_second, apart):
    # A bucket that never runs over, all of whose reserve is there.
    made = bucket(1000.0, per_second, tokens=200.0)
    got = dict.fromkeys(map(str, range(count)), 0)
    for number in range(300 * count):
        name = str(number % count)
        got[name] += made.grant(name, 400, float(number * apart), back=False)
    least, most = min(got.values()), max(got.values())
    assert most - least <= max(2, 0.02 * most)
    flowed = per_second * (300 * count - 1) * apart
    assert flowed - 2 * count * max(1, apart * per_second) <= sum(got.values()) <= flowed + 1
