"""The cloud's clock, and what lasts: what is remembered between two answers."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from immutable.toolkit.drains import LONGEST, Drains
from immutable.toolkit.lasting import Lasting
from immutable.toolkit.servertime import ServerTime


@given(
    st.floats(-1000, 1000),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.001, 0.5)), min_size=1, max_size=50),
)
def test_the_offset_is_within_what_every_answer_allows(offset, answers):
    clock, time = ServerTime(), 1_800_000_000.0
    for gap, took in answers:
        time += gap
        clock.heard(formatdate(int(time + took / 2 + offset), usegmt=True), time, time + took)
        time += took
    assert clock.low - 1e-3 <= offset <= clock.high + 1e-3
    assert abs(clock.at(time) - time) <= abs(offset) + 1e-3


def test_time_never_goes_back():
    clock = ServerTime()
    assert clock.at(5.0) == 5.0
    clock.heard("Thu, 01 Jan 1970 00:01:40 GMT", 10.0, 10.1)
    first = clock.at(11.0)
    clock.heard("Thu, 01 Jan 1970 00:00:20 GMT", 12.0, 12.1)  # A clock was set.
    assert clock.at(12.2) >= first
    clock.heard("never", 13.0, 13.1)


def test_what_stops_and_begins_again_lasts_from_then_on():
    odd = Lasting()
    assert odd.seconds("a", 10.0, so=True) == 0
    assert odd.seconds("a", 15.0, so=True) == 5
    assert odd.seconds("b", 15.0, so=True) == 0
    assert odd.seconds("a", 16.0, so=False) is None
    assert odd.seconds("a", 18.0, so=True) == 0


def test_who_has_drained_for_long_enough_is_due_and_the_next_one_says_when():
    drains = Drains()
    drains.begin("web-r1", ["a"], 0.0)
    drains.begin("web-r1", ["a", "b"], 4.0)  # The time of a runs already.
    assert drains.due("web-r1", ["a", "b", "never"], 10.0, 9.0) == ([], 1.0)
    assert drains.due("web-r1", ["a", "b"], 10.0, 10.0) == (["a"], 4.0)
    assert drains.due("web-r1", ["a", "b"], 10.0, 14.0) == (["a", "b"], LONGEST)
    assert drains.due("web-r1", ["b"], 100.0, 14.0) == ([], LONGEST)


def test_another_groups_drains_go_on_while_one_is_looked_at():
    drains = Drains()
    drains.begin("web-r1", ["a"], 0.0)
    drains.begin("web-r2", ["b"], 0.0)
    drains.keep("web-r2", ["c"])
    drains.begin("web-r2", ["b"], 8.0)
    assert drains.due("web-r1", ["a"], 10.0, 10.0)[0] == ["a"]
    assert drains.due("web-r2", ["b"], 10.0, 10.0)[0] == []
