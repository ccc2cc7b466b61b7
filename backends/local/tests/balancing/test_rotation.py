"""Turns are taken exactly by weight, evenly, and without those that can't take any."""

from collections import Counter
from math import gcd

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable_local.balancing import Member
from immutable_local.balancing.rotation import Rotation

WEIGHTS = st.lists(st.integers(1, 256), min_size=1, max_size=8)


def members(weights: list[int], **changes: object) -> dict[str, Member]:
    return {
        f"m{number}": Member(f"m{number}", "127.0.0.1", 80, 1, weight, **changes)
        for number, weight in enumerate(weights)
    }


def picks(rotation: Rotation[object], times: int, now: float = 0.0) -> list[str]:
    found = []
    for _ in range(times):
        server = rotation.pick(now)
        assert server is not None
        found.append(server.member.id)
    return found


@given(WEIGHTS)
def test_in_a_full_turn_everyone_is_chosen_as_often_as_its_weight(weights: list[int]) -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members(weights))
    common = gcd(*weights)
    turn = sum(weights) // common
    for _ in range(3):
        chosen = Counter(picks(rotation, turn))
        assert chosen == {f"m{n}": weight // common for n, weight in enumerate(weights)}


@given(WEIGHTS, st.integers(0, 2000))
def test_at_any_time_nobody_is_more_than_one_turn_from_its_part(
    weights: list[int], times: int
) -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members(weights))
    chosen = Counter(picks(rotation, times))
    for number, weight in enumerate(weights):
        # Among n members that are each within half a turn of their own time, so is the sum.
        part = times * weight / sum(weights)
        assert abs(chosen[f"m{number}"] - part) <= 1 + len(weights) / 2


def test_turns_are_spread_evenly() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([5, 1, 1]))
    order = "".join(name[1] for name in picks(rotation, 14))
    assert "000000" not in order
    assert order.count("0") == 10


def test_a_light_member_is_not_starved_by_changes() -> None:
    """Of 1,000 requests with a change after each, a member of 5 % still gets its 50."""
    rotation: Rotation[object] = Rotation()
    both = members([95, 5])
    chosen: Counter[str] = Counter()
    for number in range(1000):
        extra = evolve(both["m0"], id=f"x{number}", draining=True)
        rotation.apply(both | {extra.id: extra})
        chosen.update(picks(rotation, 1))
    assert abs(chosen["m1"] - 50) <= 1


def test_the_same_members_again_keep_their_turns() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([3, 2]))
    before = picks(rotation, 3)
    rotation.apply(members([3, 2]))
    assert Counter(before + picks(rotation, 2)) == {"m0": 3, "m1": 2}


def test_without_members_nobody_is_chosen() -> None:
    rotation: Rotation[object] = Rotation()
    assert rotation.pick(0.0) is None
    rotation.apply(members([1], draining=True))
    assert rotation.pick(0.0) is None
    rotation.apply({"a": Member("a", "127.0.0.1", 80, 1, weight=0)})
    assert rotation.pick(0.0) is None


def test_whoever_was_tried_is_not_chosen_again() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([256, 1]))
    heavy, light = rotation.servers["m0"], rotation.servers["m1"]
    assert rotation.pick(0.0, {heavy}) is light
    assert rotation.pick(0.0, {heavy, light}) is None


def test_the_ailing_are_passed_over_unless_all_are() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([1, 1, 2]))
    rotation.servers["m0"].ailing = True
    assert Counter(picks(rotation, 300)) == {"m1": 100, "m2": 200}
    rotation.servers["m0"].ailing = False
    assert set(picks(rotation, 8)) == {"m0", "m1", "m2"}
    for server in rotation.servers.values():
        server.ailing = True
    assert set(picks(rotation, 8)) == {"m0", "m1", "m2"}


def test_the_shunned_come_back_with_time() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([1, 1]))
    rotation.servers["m0"].shunned = 5.0
    assert set(picks(rotation, 10, now=4.9)) == {"m1"}
    back = Counter(picks(rotation, 10, now=5.0))
    assert back["m0"] in {5, 6}


def test_another_revision_is_another_server() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([1]))
    before = rotation.servers["m0"]
    gone = rotation.apply({"m0": evolve(before.member, revision=2)})
    assert gone == [before]
    assert before.gone
    assert rotation.servers["m0"] is not before


def test_what_is_gone_still_counts_for_its_revision() -> None:
    rotation: Rotation[object] = Rotation()
    rotation.apply(members([1]))
    server = rotation.servers["m0"]
    server.requests = 3
    server.answered(200, 0.01)
    server.answered(500, 0.01)
    server.active.add("one that is still in flight")
    rotation.apply({})
    assert rotation.traffic() == {}
    assert rotation.revisions()[1].in_flight == 1
    server.active.clear()
    server.broke(0.5)
    for _ in range(2):
        seen = rotation.revisions()[1]
        assert (seen.requests, seen.failed, seen.in_flight, seen.latency.total) == (3, 2, 0, 3)
