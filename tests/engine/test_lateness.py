"""Which boots are late is told from what is seen, whoever looks."""

from __future__ import annotations

from statistics import median_low

from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import FleetState, Group, Instance, InstanceState
from immutable.engine.census import Census
from immutable.engine.lateness import Median
from tests.support.world import revision

STARTING, READY = InstanceState.STARTING, InstanceState.READY
GROUPS = (Group(revision(1), 9), Group(revision(2, "v2"), 9))


def member(name: str, launched: float, ready: float | None = None, number: int = 2) -> Instance:
    state = STARTING if ready is None else READY
    return Instance(
        name, number, state, zone=name[0], launched_at=launched, ready_since=ready
    )  # fmt: skip


def seen(census: Census, at: float, *members: Instance) -> Census:
    census.absorb(FleetState("web", at, GROUPS, members, complete=False))
    return census


def census(timed: int | None = 2) -> Census:
    return Census(5.0, 600.0, timed=timed)


@given(st.lists(st.floats(0.1, 1e4), min_size=1))
def test_the_median_that_is_kept_is_that_of_all_values(values):
    kept = Median()
    for number, value in enumerate(values, 1):
        kept.add(value)
        assert len(kept) == number
        assert kept.value == median_low(values[:number])


BOOTED = [member(f"a{n}", 0, 80 + n) for n in range(5)]  # 80 … 84 s; the median is 82.
BOOTING = [member("a8", 50), member("a9", 100), member("b9", 60)]


def test_boots_are_late_that_take_half_as_long_again_as_most():
    found = seen(census(), 173, *BOOTED, *BOOTING).late()
    assert (found.count, found.median, found.after) == (1, 82, 123)
    assert found.soonest == 10
    assert seen(census(), 184, *BOOTED, *BOOTING).late().count == 2


def test_who_takes_over_tells_the_same_as_who_watched():
    first = seen(census(), 1, *(member(each.id, 0) for each in BOOTED))
    for each in BOOTED:
        seen(first, each.ready_since or 0, each)
    seen(first, 101, *BOOTING)
    seen(first, 184)
    assert first.late() == seen(census(), 184, *BOOTED, *BOOTING).late()


def test_nobody_is_late_while_nobody_can_tell():
    assert seen(census(), 500, *BOOTED[:2], *BOOTING).late().count == 0
    many = [member(f"c{n}", 0) for n in range(6)]
    assert seen(census(), 500, *BOOTED, *many).late().count == 0
    assert seen(census(), 500, *BOOTED, *many[:5]).late().count == 5
    assert seen(census(None), 500, *BOOTED, *BOOTING).late().count == 0


def test_other_revisions_and_recoveries_are_no_boots():
    watched = seen(census(), 100, *(member(f"old{n}", 0, 10, number=1) for n in range(5)))
    seen(watched, 150, *BOOTED[:3], *BOOTING)
    assert watched.late().median == 81
    again = member("a0", 0, 190)  # It was not READY for a while.
    assert seen(watched, 200, again).late().median == 81


def test_who_was_sent_to_retire_is_late_for_nothing():
    watched = seen(census(), 400, *BOOTED, *BOOTING)
    assert watched.late().count == 3
    watched.retire(["a9", "b9"])
    assert watched.late().count == 1
