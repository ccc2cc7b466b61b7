"""Duplicates of late boots: how many, when, and what becomes of them."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import Limits
from immutable.planning import arithmetic
from immutable.planning.arithmetic import Counts, Window
from immutable.planning.hedging import Late, duplicates, threshold
from immutable.planning.invariants import Standing, breaches
from immutable.planning.kernel import (
    Give,
    Raise,
    Reached,
    Shrink,
    Situation,
    Which,
    next_move,
)

LATE = Late(3, 90.0, 135.0, 10.0)
BASE = Situation(
    window=Window(10, 5, 0),
    floor=10,
    source=Counts(),
    target=Counts(size=10, starting=3, ready=7, proven=7),
    source_goal=0,
    target_goal=10,
    hedged=True,
    late=LATE,
)


def test_a_boot_is_late_at_half_as_long_again_as_the_median_and_by_ten_seconds_at_least():
    assert threshold(90) == 135
    assert threshold(4) == 14


def test_late_boots_get_duplicates_and_the_record_says_why():
    move = next_move(BASE)
    assert isinstance(move, Raise)
    assert move.by == 3
    assert move.why == (
        "3 boots are late, over 2 min 15 s; the median is 1 min 30 s: 3 more, as 5 may start"
    )


def test_no_more_of_them_than_there_is_room_for():
    leaving = evolve(BASE, source=Counts(leaving=3))
    assert next_move(leaving).by == 2
    assert not isinstance(next_move(evolve(BASE, source=Counts(leaving=5))), Raise)


def test_one_for_each_late_boot_and_no_second_one():
    two_more = evolve(BASE, target=evolve(BASE.target, size=12))
    assert next_move(two_more).by == 1
    assert isinstance(next_move(evolve(BASE, target=evolve(BASE.target, size=13))), Reached)


def test_what_is_missing_still_is_launched_before():
    now = evolve(BASE, target=Counts(size=8, starting=3, ready=5, proven=5), source=Counts(size=2))
    assert "missing" in next_move(now).why


@pytest.mark.parametrize(
    "unlike", [{"hedged": False}, {"short": True}, {"unsure": True}, {"probing": True}]
)
def test_none_while_it_is_not_allowed_or_there_is_trouble(unlike):
    assert isinstance(next_move(evolve(BASE, **unlike)), Reached)


def test_duplicates_stay_until_enough_are_ready_whichever_will_be_the_last():
    nine = evolve(BASE, target=Counts(size=12, starting=3, ready=9, proven=8), late=Late())
    assert next_move(nine) == Reached(False, "12 asked for, 10 wanted")
    ten = evolve(nine, target=Counts(size=12, starting=2, ready=10, proven=8))
    move = next_move(ten)
    assert (move.from_target, move.count, move.which) == (True, 2, Which.SURPLUS)


def test_of_more_that_are_ready_all_stay_until_enough_are_proven():
    eleven = evolve(BASE, target=Counts(size=12, starting=1, ready=11, proven=8), late=Late())
    assert next_move(eleven).count == 1
    nobody_boots = evolve(eleven, target=Counts(size=11, ready=11, proven=9))
    assert next_move(nobody_boots) == Reached(False, "11 asked for, 10 wanted")
    assert next_move(evolve(nobody_boots, target=Counts(size=11, ready=11, proven=10))).count == 1


def test_who_is_ready_and_not_proven_goes_too_without_using_up_the_floor():
    now = evolve(BASE, target=Counts(size=13, starting=1, ready=12, proven=10), late=Late())
    assert next_move(now).count == 3
    plain = evolve(now, hedged=False)
    assert next_move(plain).count == 1


def test_above_the_ceiling_they_go_at_once():
    now = evolve(BASE, target=Counts(size=17, starting=8, ready=9, proven=9), late=Late())
    move = next_move(now)
    assert (move.which, move.count) == (Which.SURPLUS, 2)


def test_duplicates_that_were_never_launched_are_called_off_when_nobody_waits_for_them():
    now = evolve(BASE, target=Counts(size=12, starting=1, ready=9, proven=9), late=Late())
    assert isinstance(next_move(now), Reached)
    done = evolve(now, target=Counts(size=12, ready=10, proven=10))
    move = next_move(done)
    assert isinstance(move, Shrink)
    assert move.from_target
    assert not isinstance(next_move(evolve(done, hedged=False)), Shrink)


def test_the_end_is_as_strict_as_without():
    done = evolve(BASE, target=Counts(size=10, ready=10, proven=10), late=Late())
    assert next_move(done).yes
    assert not next_move(evolve(done, target=evolve(done.target, leaving=1))).yes


@pytest.mark.parametrize(
    ("late", "failed", "maximum", "count"),
    [
        (3, 0, None, 3),
        (20, 0, None, 9),
        (20, 15, None, 2),
        (20, 19, None, 0),
        (3, 40, None, 0),
        (3, 0, 101, 1),
        (3, 0, 100, 0),
        (3, 0, 90, 0),
    ],
)
def test_so_few_that_they_can_fail_without_turning_the_rollout(late, failed, maximum, count):
    assert duplicates(late, Limits(), 100, failed, maximum) == count


def test_who_allows_no_failure_gets_no_duplicates():
    assert duplicates(3, Limits(max_failures=1), 100, 0, None) == 0


small = st.integers(0, 12)
targets = st.builds(
    lambda starting, ready, unproven, unready, leaving, missing: Counts(
        size=starting + ready + unready + missing,
        starting=starting,
        ready=ready,
        proven=max(0, ready - unproven),
        unready=unready,
        leaving=leaving,
    ),
    small, small, small, st.integers(0, 2), st.integers(0, 4), st.integers(0, 4),
)  # fmt: skip
sources = st.builds(
    lambda ready, starting, leaving: Counts(
        size=ready + starting, starting=starting, ready=ready, proven=ready, leaving=leaving
    ),
    small, st.integers(0, 3), st.integers(0, 4),
)  # fmt: skip


@given(sources, targets, st.integers(0, 12), st.integers(0, 6), st.integers(0, 3), small)
def test_whatever_the_fleet_is_like_duplicates_break_no_bound(
    source, target, late, surge, unavailable, goal
):
    window = Window(10, surge, unavailable)
    least = arithmetic.floor(window, 10)
    now = evolve(
        BASE, window=window, floor=least, source=source, target=target, late=Late(late, 9.0, 19.0)
    )  # fmt: skip
    now = evolve(now, target_goal=10, source_goal=min(goal, source.live))
    before = Standing.of(window, least, source, target)
    match next_move(now):
        case Raise(by):
            grown = evolve(target, size=target.size + by)
            assert breaches(before, Standing.of(window, least, source, grown)) == ()
            assert target.size < grown.size <= 10 + late
        case Give(True, count, Which.SURPLUS):
            idle = target.live - target.proven
            proven = target.proven - max(0, count - idle)
            assert source.ready + proven >= min(least, now.available)
            assert target.live - count >= 10
        case Shrink(_, True):
            assert target.live >= 10
