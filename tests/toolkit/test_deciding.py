"""Who may do what, which tables make sense, what a member's past says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import (
    Conflict,
    Context,
    FleetState,
    Group,
    Hold,
    Image,
    Instance,
    InstanceState,
    Invalid,
    Origin,
    Revision,
)
from immutable.toolkit.owning import (
    check_adoptable,
    check_holder,
    check_maker,
    check_number,
    check_remover,
    held,
    standing,
    taken,
)
from immutable.toolkit.sights import Sight, remembered
from immutable.toolkit.weights import check_table, shares, without

State = InstanceState


def context(rollout, fence=1):
    return Context(rollout, "sha256:ab", fence, "t", 60)


# -- ownership -------------------------------------------------------------------------------------


def test_only_the_holder_may_change_a_held_group():
    hold = Hold("mine", 2, 100.0)
    check_holder(None, "web", context("theirs"), 99.0)
    check_holder(hold, "web", context("mine", 2), 99.0)
    check_holder(hold, "web", context("mine", 3), 99.0)
    check_holder(hold, "web", context("theirs", 1), 100.0)
    for rollout, fence in (("theirs", 9), ("mine", 1)):
        with pytest.raises(Conflict) as caught:
            check_holder(hold, "web", context(rollout, fence), 99.0)
        assert caught.value.owner == "mine"


def test_maker_and_last_holder_may_remove_a_group():
    check_remover(None, "made", "web", context("made"))
    check_remover(Hold("held", 1, 0.0), "made", "web", context("made"))
    check_remover(Hold("held", 1, 0.0), "made", "web", context("held"))
    for hold, maker, owner in ((Hold("held", 1, 0.0), "made", "held"), (None, "", None)):
        with pytest.raises(Conflict) as caught:
            check_remover(hold, maker, "web", context("other"))
        assert caught.value.owner == owner


def test_only_its_maker_goes_on_with_a_group_that_is_there():
    check_maker("mine", "web-r2", context("mine"))
    for maker, owner, says in (("theirs", "theirs", "to rollout theirs"), ("", None, "no rollout")):
        with pytest.raises(Conflict, match=says) as caught:
            check_maker(maker, "web-r2", context("mine"))
        assert caught.value.owner == owner


@pytest.mark.parametrize(
    ("given_out", "number", "owner"),
    [
        ([(1, "")], 2, "fine"),
        ([(1, ""), (2, "mine")], 2, "fine"),
        ([(2, "theirs")], 2, "theirs"),
        ([(3, "theirs")], 2, "theirs"),
        ([(2, "")], 2, None),
        ([(3, "mine")], 2, None),
    ],
)
def test_a_number_is_given_out_once(given_out, number, owner):
    if owner == "fine":
        check_number("web", given_out, number, context("mine"))
        return
    with pytest.raises(Conflict) as caught:
        check_number("web", given_out, number, context("mine"))
    assert caught.value.owner == owner


@pytest.mark.parametrize(
    ("fleet", "origin", "fleets", "says"),
    [
        ("", Origin.OURS, ["api"], ""),
        ("web", Origin.ADOPTED, ["web"], ""),  # Once more: it may be said anew what becomes of it.
        ("web", Origin.OURS, ["web"], "scale set web is a part of fleet web"),
        ("api", Origin.ADOPTED, ["api"], "scale set web is a part of fleet api"),
        ("", Origin.OURS, ["api", "web"], "there is a fleet web already"),
    ],
)
def test_what_is_a_fleets_is_not_adopted_as_another(fleet, origin, fleets, says):
    if not says:
        check_adoptable("web", "scale set", fleet, origin, fleets)
        return
    with pytest.raises(Invalid, match=says):
        check_adoptable("web", "scale set", fleet, origin, fleets)


def test_a_name_that_is_taken_says_by_whom():
    ours, theirs = taken("a group web-r2", "r-1"), taken("a group web-r2", "")
    assert "there is a group web-r2, and rollout r-1 made it" in str(ours)
    assert ours.owner == "r-1"
    assert "it isn't ours" in str(theirs)
    assert theirs.owner is None


def test_a_renewed_hold_remembers_the_size_that_was_found_first():
    first = held(None, context("mine", 4), 100.0, 3)
    assert first == Hold("mine", 4, 100.0, "sha256:ab", size=3)
    assert held(first, context("mine", 5), 200.0, 2) == Hold("mine", 5, 200.0, "sha256:ab", size=3)
    assert held(first, context("other"), 200.0, 2).size == 2


def test_a_hold_binds_until_its_time_is_over():
    hold = Hold("mine", 1, 100.0)
    assert standing(hold, 99.9) == (hold, None)
    assert standing(hold, 100.0) == (None, hold)
    assert standing(None, 0.0) == (None, None)


# -- weights ---------------------------------------------------------------------------------------


def state(ready, **weights):
    def revision(name):
        return int(name.removeprefix("r"))

    return FleetState(
        "web",
        0.0,
        tuple(
            Group(Revision(revision(name), Image("a")), 1, weight=weight)
            for name, weight in weights.items()
        ),
        tuple(Instance(f"i-{n}", n, State.READY, ready_since=0.0) for n in ready),
    )


@pytest.mark.parametrize(
    ("fleet", "weights", "says"),
    [
        (state([1, 2], r1=100, r2=0), {1: 50, 2: 50}, ""),
        (state([1], r1=100, r2=0), {1: 100, 2: 0}, ""),
        (state([1], r1=50, r2=50), {1: 50, 2: 50}, ""),  # As it stands already.
        (state([], r1=100, r2=0), {1: 0, 2: 100}, ""),  # Nobody serves: any will do.
        (state([1], r1=100, r2=0), {1: 50, 2: 50}, "r2 has no member"),
        (state([1, 2], r1=100, r2=0), {1: 100}, "weights for"),
        (state([1, 2], r1=100, r2=0), {1: 100, 2: 0, 3: 0}, "weights for"),
        (state([1, 2], r1=100, r2=0), {1: 50, 2: 49}, "sum to 100"),
        (state([1, 2], r1=100, r2=0), {1: 150, 2: -50}, "percentages"),
    ],
)
def test_tables_that_make_no_sense_are_refused(fleet, weights, says):
    if not says:
        check_table(fleet, weights)
        return
    with pytest.raises(Invalid, match=says):
        check_table(fleet, weights)


def test_shares_are_those_of_the_table():
    pools = {1: ["a"], 2: ["b"]}
    assert shares(pools, {"a": 450, "b": 50}) == {1: 90.0, 2: 10.0}
    assert shares({**pools, 3: ["a"]}, {"a": 450, "b": 50})[3] == 0
    assert shares({1: ["a"], 2: ["a"]}, {"a": 1}) == {}
    assert shares(pools, {}) == {}
    assert shares({1: ["a"]}, {"a": 1}) == {}


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=5).filter(any))
def test_all_shares_together_are_everything(weights):
    table = {f"p{n}": weight for n, weight in enumerate(weights)}
    told = shares({n: [f"p{n}"] for n in range(len(weights))}, table)
    assert sum(told.values()) == pytest.approx(100, abs=1e-4)


def test_who_leaves_leaves_the_traffic_to_the_rest():
    assert without({"a": 0, "b": 500}, ["b"]) == {"a": 1}
    assert without({"a": 100, "b": 0, "c": 400}, ["c"]) == {"a": 100, "b": 0}
    assert without({"a": 0, "b": 0, "c": 500}, ["c"]) == {"a": 1, "b": 1}
    assert without({"a": 5, "b": 5, "c": 5}, ["a", "b"]) == {"c": 1}
    assert without({"a": 5}, ["a"]) == {}


# -- members ---------------------------------------------------------------------------------------


def test_who_has_served_does_not_start_any_more():
    new = Sight(10.0)
    assert (new.waiting, new.failing) == (State.STARTING, State.UNREADY)
    starting = new.after(State.STARTING, 11.0)
    assert (starting.waiting, starting.failing) == (State.STARTING, State.STARTING)
    ready = starting.after(State.READY, 12.0)
    assert (ready.waiting, ready.failing) == (State.UNREADY, State.UNREADY)
    assert (ready.first, ready.ready_since) == (State.STARTING, 12.0)


def test_a_member_is_ready_since_it_was_last_not():
    ready = Sight(10.0).after(State.READY, 5.0)
    assert ready.ready_since == 10.0  # Not before it was there.
    assert ready.after(State.READY, 20.0).ready_since == 10.0
    lost = ready.after(State.UNREADY, 21.0)
    assert lost.ready_since is None
    assert lost.after(State.READY, 22.0).ready_since == 22.0


def test_what_another_look_has_seen_meanwhile_stays_and_the_dead_are_forgotten():
    known = {"b": Sight(1.0), "c": Sight(2.0)}
    assert remembered(known, {"a": Sight(3.0)}) == {**known, "a": Sight(3.0)}
    many = {str(n): Sight() for n in range(2000)}
    assert remembered(many, {"a": Sight(3.0)}) == {"a": Sight(3.0)}
