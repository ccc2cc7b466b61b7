"""What one look saw: differences of counters, by server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable.gates import Arm, Look, halved, since, total
from immutable.gates.samples import Sample, contradicted, error_sample, latency_sample


@st.composite
def arms(draw, buckets=3):
    requests = draw(st.integers(0, 1000))
    latency = tuple(draw(st.lists(st.integers(0, 500), min_size=buckets, max_size=buckets)))
    return Arm(requests, draw(st.integers(0, requests)), latency)


def test_a_look_is_the_difference_of_two_readings():
    assert Arm(130, 4, (90, 40)).since(Arm(100, 3, (80, 20))) == Arm(30, 1, (10, 20))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (Arm(100, 0), Arm(40, 2)),
        (Arm(100, 5), Arm(110, 2)),
        (Arm(100, 1), Arm(110, 60)),
        (Arm(100, 0, (60, 40)), Arm(120, 0, (90, 30))),
        (Arm(100, 0, (60, 40)), Arm(120, 0, (40, 40, 40))),
    ],
)
def test_a_counter_that_cannot_have_grown_like_that_began_anew(earlier, later):
    assert later.since(earlier) == later


@given(arms(), arms())
def test_a_difference_is_never_negative_and_never_more_than_the_reading(earlier, later):
    seen = later.since(earlier)
    assert 0 <= seen.requests <= later.requests
    assert 0 <= seen.errors <= seen.requests
    assert all(0 <= a <= b for a, b in zip(seen.latency, later.latency, strict=True))


@given(arms(), arms())
def test_readings_without_a_restart_give_back_what_was_added(before, more):
    assert total((before, more)).since(before) == more


def test_one_restarted_server_among_many_does_not_hide_behind_the_sum():
    earlier = {"a": Arm(1000, 10), "b": Arm(1000, 10)}
    later = {"a": Arm(1100, 11), "b": Arm(50, 40)}
    assert total(since(earlier, later).values()) == Arm(150, 41)


def test_a_server_seen_for_the_first_time_counts_only_if_it_is_new():
    earlier, later = {"a": Arm(10)}, {"a": Arm(30), "b": Arm(5000, 70)}
    assert since(earlier, later) == {"a": Arm(20)}
    assert since(earlier, later, fresh=True) == {"a": Arm(20), "b": Arm(5000, 70)}


def test_a_server_that_is_gone_adds_nothing():
    assert since({"a": Arm(10), "b": Arm(10)}, {"a": Arm(12)}) == {"a": Arm(2)}


def test_halves_are_chosen_by_name_and_are_all_of_stable():
    servers = {name: Arm(10 * place) for place, name in enumerate("edcba", 1)}
    assert halved(servers) == (Arm(50 + 30 + 10), Arm(40 + 20))
    assert halved({"a": Arm(10)}) is None
    assert halved({}) is None


def test_a_look_of_servers_knows_the_halves():
    look = Look.of_servers({"x": Arm(5, 1)}, {"a": Arm(10, 2), "b": Arm(20, 3)}, 0.2)
    assert look == Look(Arm(5, 1), Arm(30, 5), 0.2, (Arm(10, 2), Arm(20, 3)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Arm(-1),
        lambda: Arm(1, 2),
        lambda: Arm(1, 0, (1, -1)),
        lambda: Look(Arm(), Arm(), 0.0),
        lambda: Look(Arm(), Arm(), 1.0),
        lambda: Look(Arm(1, 0, (1,)), Arm(1, 0, (1, 0))),
        lambda: total((Arm(1, 0, (1,)), Arm(1, 0, (1, 0)))),
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidValue):
        wrong()


def test_without_requests_in_both_arms_there_is_no_sample():
    assert error_sample(Arm(), Arm(10, 5), 0.5) is None
    assert error_sample(Arm(10, 5), Arm()) is None
    assert latency_sample(Arm(10), Arm(10, 0, (5, 5))) is None
    assert latency_sample(Arm(10, 0, (5, 5)), Arm(10, 0, (0, 0)), 0.5) is None


def test_the_share_is_the_routers_or_what_was_seen():
    canary, stable = Arm(100, 2), Arm(900, 8)
    assert error_sample(canary, stable) == Sample((2,), (10,), 0.1)
    assert error_sample(canary, stable, 0.11) == Sample((2,), (10,), 0.11)


def test_a_weight_that_the_router_does_not_keep_is_not_believed():
    assert error_sample(Arm(200, 2), Arm(800, 8), 0.1) == Sample((2,), (10,), 0.2)
    assert contradicted(0.1, 180, 820)
    assert not contradicted(0.1, 160, 840)
    assert not contradicted(0.1, 3, 2)


def test_latencies_are_split_into_slow_and_not():
    assert Sample((5, 3, 2), (10, 6, 4), 0.5).split(0) == Sample((5, 5), (10, 10), 0.5)
    assert Sample((5, 3, 2), (10, 6, 4), 0.5).split(1) == Sample((2, 8), (4, 16), 0.5)
