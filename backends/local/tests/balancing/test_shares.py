"""Weights of members give each revision its share, however many members serve."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable_local.balancing import Member
from immutable_local.balancing.shares import Part, parts, weighed

MEMBERS = st.integers(1, 100)


def share(found: dict[int, Part], number: int) -> Fraction:
    sums = {each: part.weight * part.members for each, part in found.items()}
    return Fraction(sums[number], sum(sums.values()))


def member(number: int, revision: int, **changes: object) -> Member:
    return Member(f"i-{revision}-{number:03}", "127.0.0.1", 80, revision, **changes)


@pytest.mark.parametrize(
    ("percent", "serving", "expected"),
    [
        ((90, 10), (4, 1), ((9, 4), (4, 1))),
        ((90, 10), (3, 2), ((6, 3), (1, 2))),
        ((50, 50), (4, 4), ((1, 4), (1, 4))),
        ((63, 37), (89, 97), ((193, 89), (104, 97))),
        ((99, 1), (1, 100), ((198, 1), (1, 2))),
        ((99, 1), (100, 1), ((99, 100), (100, 1))),
    ],
)
def test_examples(
    percent: tuple[int, int], serving: tuple[int, int], expected: tuple[tuple[int, int], ...]
) -> None:
    found = parts(dict(enumerate(percent)), dict(enumerate(serving)))
    assert found == {number: Part(*each) for number, each in enumerate(expected)}


@given(st.integers(1, 99), MEMBERS, MEMBERS)
def test_each_revision_gets_its_share_whatever_the_numbers(
    percent: int, stable: int, candidate: int
) -> None:
    found = parts({1: 100 - percent, 2: percent}, {1: stable, 2: candidate})
    for number, wanted, there in ((1, 100 - percent, stable), (2, percent, candidate)):
        assert 1 <= found[number].weight <= 256
        assert 1 <= found[number].members <= there
        assert abs(share(found, number) / Fraction(wanted, 100) - 1) <= 0.004


@given(st.integers(1, 99), MEMBERS, MEMBERS)
def test_where_whole_numbers_up_to_256_can_say_it_the_share_is_exact_and_all_take_part(
    percent: int, stable: int, candidate: int
) -> None:
    ratio = Fraction(percent * stable, (100 - percent) * candidate)
    found = parts({1: 100 - percent, 2: percent}, {1: stable, 2: candidate})
    if max(ratio.numerator, ratio.denominator) <= 256:
        assert found[2] == Part(ratio.numerator, candidate)
        assert found[1] == Part(ratio.denominator, stable)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 8)), min_size=3, max_size=4))
def test_more_than_two_revisions_are_near_their_shares(each: list[tuple[int, int]]) -> None:
    percent = {number: float(part) for number, (part, _) in enumerate(each)}
    found = parts(percent, {number: there for number, (_, there) in enumerate(each)})
    for number, part in percent.items():
        assert float(share(found, number)) == pytest.approx(part / sum(percent.values()), rel=0.4)


def test_who_has_no_percentage_or_nobody_who_serves_is_left_out() -> None:
    assert set(parts({1: 100, 2: 0}, {1: 3, 2: 5})) == {1}
    assert set(parts({1: 90, 2: 10}, {1: 0, 2: 5})) == {2}
    assert parts({1: 100, 2: 0}, {2: 5}) == {}


def test_what_is_too_little_for_any_weight_is_the_least_that_there_is() -> None:
    assert parts({1: 99.999, 2: 0.001}, {1: 2, 2: 9}) == {1: Part(256, 2), 2: Part(1, 1)}


def test_only_members_that_serve_count() -> None:
    """90 : 10 with 2 and 1 that serve is 9 : 2 each."""
    here = [member(0, 1), member(1, 1), member(2, 1, draining=True), member(0, 2)]
    found = weighed(here, {1: 90.0, 2: 10.0})
    assert {name: each.weight for name, each in found.items()} == {
        "i-1-000": 9,
        "i-1-001": 9,
        "i-1-002": 0,
        "i-2-000": 2,
    }
    assert found["i-1-002"].draining


def test_a_revision_that_the_table_does_not_name_gets_nothing() -> None:
    found = weighed([member(0, 1), member(0, 2), member(0, 3)], {1: 100.0, 2: 0.0})
    assert [each.weight for each in found.values()] == [1, 0, 0]


def test_who_takes_part_does_not_depend_on_the_order() -> None:
    here = [member(0, 1), *(member(number, 2) for number in range(10))]
    found = weighed(here, {1: 99.0, 2: 1.0})
    assert weighed(reversed(here), {1: 99.0, 2: 1.0}) == found
    assert [each.id for each in found.values() if each.serving] == ["i-1-000", "i-2-000", "i-2-001"]
