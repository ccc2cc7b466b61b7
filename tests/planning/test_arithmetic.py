"""The numbers of a rollout: examples from the comments above the functions, and their laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue, Limits
from immutable.model.quantities import percent, rounded_down, rounded_up, share_of
from immutable.planning.arithmetic import (
    Counts,
    Window,
    done_tolerance,
    floor,
    growth,
    removable,
    room,
    wanted_after,
    window,
)

percents = st.integers(0, 100).map(lambda number: f"{number}%")
counts = st.one_of(st.integers(0, 50), percents)


@pytest.mark.parametrize(
    ("surge", "unavailable", "wanted", "expected"),
    [
        ("25%", "25%", 10, (3, 2)),
        ("1%", "1%", 2, (1, 0)),
        (0, "25%", 3, (1, 0)),
        (0, "25%", 4, (0, 1)),
        ("25%", 0, 0, (0, 0)),
        (5, 0, 1, (5, 0)),
        (0, 5, 2, (0, 2)),
        ("100%", 0, 7, (7, 0)),
        ("10%", 0, 30, (3, 0)),
        ("12.5%", 0, 8, (1, 0)),
    ],
)
def test_percentages_round_surge_up_and_unavailable_down(surge, unavailable, wanted, expected):
    found = window(Limits(surge, unavailable), wanted)
    assert (found.surge, found.unavailable) == expected


@given(counts, counts, st.integers(0, 200))
def test_something_can_always_move_in_a_fleet_that_is_not_empty(surge, unavailable, wanted):
    if surge in (0, "0%") and unavailable in (0, "0%"):
        with pytest.raises(InvalidValue):
            Limits(surge, unavailable)
        return
    sizes = window(Limits(surge, unavailable), wanted)
    assert wanted == 0 or sizes.surge + sizes.unavailable >= 1
    assert 0 <= sizes.unavailable <= wanted


@given(st.integers(0, 100), st.integers(0, 500))
def test_rounding_up_and_down_differ_by_at_most_one(share, size):
    up, down = rounded_up(f"{share}%", size), rounded_down(f"{share}%", size)
    assert down <= share * size / 100 <= up
    assert up - down in (0, 1)


@given(st.integers(0, 100), st.integers(0, 500))
def test_a_share_is_the_closest_whole_number_and_never_starves_a_side(share, size):
    part = share_of(share, size)
    if share in (0, 100):
        assert part == size * share // 100
    elif size >= 2:
        assert 1 <= part <= size - 1
        exact = share * size / 100
        assert abs(part - exact) <= 0.5 or part in (1, size - 1)
    else:
        assert part == size


@pytest.mark.parametrize("text", ["25", "x%", "-1%", "101%", "%", "1/0%", ""])
def test_what_is_no_percentage_is_refused_with_the_value(text):
    with pytest.raises(InvalidValue, match="percentage") as caught:
        percent(text)
    assert caught.value.value == text


def test_the_floor_is_no_higher_than_what_was_ready_at_the_start():
    assert floor(Window(10, 1, 2), 10) == 8
    assert floor(Window(10, 1, 2), 5) == 5


def test_room_counts_launches_that_were_asked_for_and_servers_that_are_leaving():
    sizes = Window(10, 2, 0)
    stable = Counts(size=8, ready=8, leaving=1)
    candidate = Counts(size=2, starting=1)
    assert room(sizes, stable, candidate) == 1
    assert room(sizes, Counts(size=10, ready=14)) == -2


@pytest.mark.parametrize(
    ("goal", "size", "free", "expected"),
    [(10, 4, 3, 3), (10, 9, 3, 1), (3, 4, 3, 0), (5, 1, -2, 0)],
)
def test_growth_stays_within_goal_and_room(goal, size, free, expected):
    assert growth(goal, size, free) == expected


@pytest.mark.parametrize(
    ("available", "least", "live", "goal", "expected"),
    [(11, 10, 4, 0, 1), (11, 10, 4, 4, 0), (7, 8, 4, 0, 0), (20, 10, 4, 1, 3)],
)
def test_what_may_go_stays_above_the_least(available, least, live, goal, expected):
    assert removable(available, least, live, goal) == expected


@pytest.mark.parametrize(
    ("wanted", "expected", "found", "least", "most", "after"),
    [
        (10, 5, 6, 0, None, 12),
        (4, 4, 2, 0, None, 2),
        (0, 0, 3, 0, None, 3),
        (10, 5, 6, 0, 11, 11),
        (10, 10, 1, 4, None, 4),
        (10, 3, 3, 0, None, 10),
    ],
)
def test_the_wanted_size_follows_a_change_in_proportion(
    wanted, expected, found, least, most, after
):
    assert wanted_after(wanted, expected, found, least, most) == after


@pytest.mark.parametrize(
    ("goal", "unavailable", "tolerance"), [(1, 1, 0), (4, 0, 1), (20, 0, 2), (20, 5, 5), (0, 0, 0)]
)
def test_the_end_tolerates_churn_but_not_an_idle_fleet_of_one(goal, unavailable, tolerance):
    assert done_tolerance(goal, unavailable) == tolerance
