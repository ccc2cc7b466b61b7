"""Values that a balancer is told and tells."""

from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable_local.balancing import BOUNDS, Latency, Member, Settings, Traffic
from immutable_local.balancing.latency import bucket
from immutable_local.balancing.members import checked, total

MEMBER = Member("web-1.a_b", "127.0.0.1", 8080, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "a b"},
        {"id": "a;shutdown"},
        {"id": "a\nb"},
        {"id": "x" * 65},
        {"host": "localhost"},
        {"host": ""},
        {"port": 0},
        {"port": 65_536},
        {"port": True},
        {"weight": -1},
        {"weight": 257},
        {"weight": 1.5},
        {"revision": -1},
    ],
)
def test_what_can_not_be_a_member_is_refused(changes: dict[str, object]) -> None:
    [name] = changes
    with pytest.raises(InvalidValue, match=name):
        evolve(MEMBER, **changes)


def test_a_member_serves_unless_it_drains_or_weighs_nothing() -> None:
    assert MEMBER.serving
    assert not evolve(MEMBER, weight=0).serving
    assert not evolve(MEMBER, draining=True).serving


def test_an_address_reads_as_in_a_url() -> None:
    assert MEMBER.netloc == "127.0.0.1:8080"
    assert evolve(MEMBER, host="::1").netloc == "[::1]:8080"


def test_members_go_by_their_ids() -> None:
    assert checked({MEMBER.id: MEMBER}) == {MEMBER.id: MEMBER}
    with pytest.raises(InvalidValue):
        checked({"other": MEMBER})


@pytest.mark.parametrize(
    "changes",
    [
        {"check": "healthz"},
        {"check": "/a b"},
        {"check": "/a\nb"},
        {"check": '/"'},
        {"connect": 0},
        {"silence": float("inf")},
        {"idle": float("nan")},
        {"tunnel": -1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    [name] = changes
    with pytest.raises(InvalidValue, match=name):
        evolve(Settings(), **changes)


# -- latency --------------------------------------------------------------------------------------


def test_the_buckets_reach_from_1_ms_to_60_s_in_equal_ratios() -> None:
    ratios = [high / low for low, high in pairwise(BOUNDS)]
    assert len(BOUNDS) == 32
    assert (BOUNDS[0], BOUNDS[-1]) == (0.001, 60.0)
    assert max(ratios) == pytest.approx(min(ratios))
    assert max(ratios) < 1.43


@given(st.floats(0, 1000))
def test_a_bucket_holds_what_is_between_its_bounds(seconds: float) -> None:
    number = bucket(seconds)
    bounds = (-1.0, *BOUNDS, float("inf"))
    assert bounds[number] < seconds <= bounds[number + 1]


@given(st.lists(st.floats(0.0005, 50), min_size=1), st.floats(0, 1))
def test_a_quantile_is_at_most_one_bucket_too_high(values: list[float], share: float) -> None:
    counts = [0] * 33
    for value in values:
        counts[bucket(value)] += 1
    quantile = Latency(counts).quantile(share)
    assert quantile is not None
    within = sum(value <= quantile for value in values)
    assert within >= share * len(values) - 1e-6
    below = BOUNDS[max(BOUNDS.index(quantile) - 1, 0)] if quantile > BOUNDS[0] else 0
    assert sum(value <= below for value in values) <= share * len(values) + 1e-6 or below == 0


def test_of_nothing_there_is_no_quantile() -> None:
    assert Latency().quantile(0.5) is None


def test_what_is_longer_than_all_buckets_counts_as_the_longest() -> None:
    assert Latency([0] * 32 + [1]).quantile(0.5) == 60.0


def test_a_histogram_has_all_its_buckets() -> None:
    with pytest.raises(InvalidValue, match="33 buckets"):
        Latency([1, 2, 3])


def test_traffic_adds_up() -> None:
    one = Traffic(3, 1, 10, 2, (0, 7, 0, 1, 2), Latency([10] + [0] * 32))
    two = Traffic(3, 2, 5, 0, (1, 4, 0, 0, 0), Latency([0] * 32 + [5]))
    assert total(3, (one, two)) == Traffic(
        3, 3, 15, 2, (1, 11, 0, 1, 2), Latency([10] + [0] * 31 + [5])
    )
    assert total(3, ()) == Traffic(3)
    assert one.past == evolve(one, in_flight=0)
