"""Where instances have volumes: limits with one writer, what a guard refuses, what is lost."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import Limits, PlanRefused, digest
from immutable.backend import Capabilities, FleetState, Group, Instance, InstanceState, Slot, Volume
from immutable.model import Commit, Route, Shift, Stateful
from immutable.model.serial import from_json, to_json
from immutable.planning.arithmetic import Counts, Window, window
from immutable.planning.compile import homeward, replacement, resizing, returning, staleness
from immutable.planning.invariants import Standing, breaches
from immutable.planning.stateful import lost, one_writer, steps_of, treatment, two_writers
from immutable.strategies import Rolling
from tests.support.world import revision

ABLE = Capabilities(volumes=True, snapshots=True, weighted_traffic=True)
GROUP = Group(revision(), 3)
STATE = FleetState("db", 0.0, (GROUP,), volumes=(Volume("data", "/data"),))
SLOTS = (Slot("0", {"data": "vol-1", "log": "vol-2"}), Slot("1", {"data": "vol-3", "log": "vol-4"}))

counts = st.one_of(st.integers(0, 9), st.sampled_from(["0%", "1%", "10%", "25%", "50%", "100%"]))


@given(counts, st.integers(0, 200))
def test_nobody_ever_starts_beside_another_and_something_can_always_move(unavailable, size):
    asked = Limits(max_unavailable=unavailable)
    sizes = window(one_writer(asked, ABLE.limits, size), size)
    assert sizes.surge == 0
    assert size == 0 or 1 <= sizes.unavailable <= size


@pytest.mark.parametrize("surge", [1, 3, "10%", "100%"])
def test_a_surge_that_somebody_chose_is_refused(surge):
    with pytest.raises(PlanRefused, match=f"max_surge {surge}.*one writer"):
        one_writer(Limits(max_surge=surge), ABLE.limits, 3)


def test_every_plan_of_a_stateful_fleet_has_one_writer_a_volume():
    two = evolve(STATE, groups=(GROUP, Group(revision(2, "v2"), 1)))
    image = revision(2, "v2").image
    plans = (
        replacement("memory://db", STATE, image, None, Rolling(), None, ABLE),
        returning("memory://db", two, 1, 3, None, ABLE),
        homeward("memory://db", two, *two.groups, None, ABLE),
        homeward("memory://db", STATE, GROUP, None, None, ABLE),
        resizing("memory://db", STATE, 5, Limits(), ABLE),
    )
    for plan in plans:
        assert (plan.limits.max_surge, plan.stateful) == (0, Stateful())
        assert from_json(type(plan), to_json(plan)) == plan


def test_a_plan_that_is_of_no_use_for_the_data_has_the_digest_of_before_there_was_any():
    empty = evolve(STATE, volumes=())
    plan = replacement(
        "memory://db", empty, revision(2, "v2").image, None, Rolling(), Limits(), Capabilities()
    )
    written = to_json(plan)
    assert "stateful" not in written
    # As the version before had it.
    assert digest(plan) == "sha256:9e202122d5c655cd41d812fd0203b4cf16f3e356bf6d6557c5c2c73ab7c7fbb5"
    assert staleness(plan, STATE) != ()
    assert staleness(plan, empty) == ()


def test_what_the_backend_can_not_save_is_refused():
    with pytest.raises(PlanRefused, match="snapshots"):
        treatment(STATE, Stateful(snapshot=True), Capabilities(volumes=True))


class Beside:
    """A strategy of somebody else's that needs two whole revisions."""

    def __init__(self, *steps):
        self._steps = steps

    def steps(self, state, able):
        return self._steps


@pytest.mark.parametrize("steps", [(Shift(50, 100), Commit()), (Route(10), Commit())])
def test_a_strategy_that_needs_two_revisions_side_by_side_is_refused(steps):
    with pytest.raises(PlanRefused, match="side by side"):
        steps_of(Beside(*steps), STATE, ABLE)


# 3 slots: 2 of the old and one that drains still are 3, so a new one would be a second writer.
def test_the_guard_lets_nobody_start_before_a_slot_is_free_whatever_the_surge():
    generous, old = Window(3, 2, 1), Counts(size=2, ready=2, leaving=1)

    def stands(new):
        return evolve(Standing.of(generous, 2, old, new), slots=3)

    (why,) = breaches(stands(Counts()), stands(Counts(size=1)))
    assert "4 servers would exist for 3 slots" in why
    old = Counts(size=2, ready=2)
    assert breaches(stands(Counts()), stands(Counts(size=1))) == ()


def test_a_volume_is_lost_when_it_is_gone_or_another_one():
    assert lost(SLOTS, SLOTS) == ()
    assert lost(SLOTS, (*SLOTS, Slot("2", {"data": "vol-9"}))) == ()
    assert lost(SLOTS, SLOTS[1:]) == (
        "slot 0's data, vol-1, is gone",
        "slot 0's log, vol-2, is gone",
    )
    changed = evolve(SLOTS[1], volumes={"data": "vol-9", "log": "vol-4"})
    assert lost(SLOTS, (SLOTS[0], changed)) == ("slot 1's data was vol-3, is vol-9",)


@given(st.lists(st.tuples(st.sampled_from(["", "0", "1"]), st.sampled_from(InstanceState))))
def test_two_that_exist_in_one_slot_are_two_writers(drawn):
    there = [Instance(f"i-{n}", 1, state, slot=slot) for n, (slot, state) in enumerate(drawn)]
    found = two_writers(there)
    for slot in ("0", "1"):
        holders = [e for e in there if e.slot == slot and e.state is not InstanceState.GONE]
        assert (len(holders) > 1) == any(each.startswith(f"slot {slot} has") for each in found)
