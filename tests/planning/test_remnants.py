"""What marks tell: whose rollout it was, where it stood, and what is left to be undone."""

from __future__ import annotations

import pytest
from attrs import evolve

from immutable import BlueGreen, Canary, Limits, Rolling, Status, digest
from immutable.backend import Capabilities, FleetState, Group, Hold, Instance, InstanceState, Pool
from immutable.model import Delete, Release
from immutable.model.records import Committed, Found, Started, Turned
from immutable.planning.compile import replacement
from immutable.planning.remnants import find
from immutable.planning.resuming import position, resumed, wanted_before
from immutable.planning.sweeping import leftovers
from tests.support.world import revision

NOW = 10_000.0
ABLE = Capabilities(weighted_traffic=True, weight_step=0.1)
WIDE = Limits(max_surge="100%")


def hold(rollout="a", *, until=NOW + 1_800, size: int | None = 10, fence=1) -> Hold:
    return Hold(rollout, fence, until, "sha256:p", size=size, minimum=2)


def stable(size=10, **facts) -> Group:
    return evolve(Group(revision(), size, hold=hold()), **facts)


def candidate(size=4, **facts) -> Group:
    made = Group(revision(2, "v2"), size, hold=hold(size=0), rollout="a", plan="sha256:p")
    return evolve(made, **facts)


def fleet(*groups: Group, ready: bool = True, last: int = 2) -> FleetState:
    state = InstanceState.READY if ready else InstanceState.STARTING
    instances = [
        Instance(f"i-{group.number}-{n}", group.number, state)
        for group in groups
        for n in range(group.size)
    ]
    return FleetState("web", NOW, groups, tuple(instances), last_revision=last)


def planned(strategy, limits=WIDE):
    before = FleetState("web", 0.0, (Group(revision(), 10),), last_revision=1)
    image = revision(2, "v2").image
    return replacement("memory://web", before, image, None, strategy, limits, ABLE)


# -- whose it is -----------------------------------------------------------------------------------


def test_two_groups_and_their_holds_tell_everything():
    found = find(fleet(stable(), candidate(hold=hold(size=0, until=NOW + 1_900, fence=3))))
    assert found is not None
    assert (found.rollout, found.plan, found.fence, found.committed) == ("a", "sha256:p", 3, False)
    assert found.stable == stable()
    assert found.home == stable()
    assert found.silence(NOW) == 1_700


def test_a_whole_fleet_shows_none():
    assert find(fleet(stable(hold=None))) is None
    assert find(fleet(candidate(hold=None))) is None
    assert find(FleetState("web", NOW, ())) is None


@pytest.mark.parametrize(
    ("groups", "committed", "home"),
    [
        ((stable(),), False, 1),
        ((stable(), candidate()), False, 1),
        ((stable(), candidate(hold=None)), True, None),
        ((stable(hold=None, lapsed=hold()), candidate(hold=None)), True, None),
        ((stable(hold=None), candidate(hold=None)), False, 1),
        ((candidate(),), True, None),
        # A backend that hides expired holds: the candidate's may only have expired first.
        ((stable(hold=hold(size=None)), candidate(hold=None)), False, 1),
        # Two groups that were there before: only the plan tells which is which.
        ((stable(), candidate(rollout="older")), False, None),
    ],
)
def test_what_can_be_returned_to(groups, committed, home):
    found = find(fleet(*groups))
    assert found is not None
    assert found.committed is committed
    assert (found.home.number if found.home else None) == home


def test_the_newest_hold_is_of_the_one_who_was_at_work_last():
    old = stable(hold=None, lapsed=hold("old", until=NOW - 9))
    assert find(fleet(old)).rollout == "old"
    assert find(fleet(old, candidate(rollout="new", hold=hold("new")))).rollout == "new"


# -- where it stood --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "size", "weight", "step"),
    [
        (Rolling(), 4, None, "Shift(candidate=100"),
        (BlueGreen(), 10, 0.0, "Shift(candidate=100"),
        (BlueGreen(), 10, 100.0, "Route(candidate=100"),
        (Canary(("10%", "50%")), 9, 0.0, "Shift(candidate=10.0"),
        (Canary(("10%", "50%")), 3, 10.0, "Route(candidate=10.0"),
        (Canary(("10%", "50%")), 10, 50.0, "Route(candidate=50.0"),
    ],
)
def test_it_goes_on_from_the_last_step_that_shows(strategy, size, weight, step):
    plan = planned(strategy)
    number = position(plan, candidate(size, weight=weight, pool=Pool.OWN), 10)
    assert repr(plan.steps[number]).startswith(step)
    assert position(plan, None, 10) == 0


@pytest.mark.parametrize(
    ("size", "share"), [(0, 10), (1, 10), (2, 50), (5, 50), (6, 100), (12, 100)]
)
def test_a_share_of_instances_tells_the_stage(size, share):
    unweighted = evolve(ABLE, weighted_traffic=False)
    before = FleetState("web", 0.0, (Group(revision(), 10),), last_revision=1)
    way = Canary(("10%", "50%"))
    plan = replacement("w", before, revision(2, "v2").image, None, way, None, unweighted)
    assert plan.steps[position(plan, candidate(size), 10)].candidate == share


def test_the_size_is_stables_at_the_first_hold_and_more_where_that_cannot_be():
    plan = planned(Rolling(), Limits(max_surge=1))
    for here, there, wanted in ((6, 5, 10), (10, 0, 10), (8, 7, 14)):
        state = fleet(stable(here), candidate(there))
        assert wanted_before(plan, state, find(state)) == wanted
        assert wanted_before(plan, state, find(state), own=False) == 10
    unsaid = fleet(stable(6, hold=hold(size=None)), candidate(3))
    assert wanted_before(plan, unsaid, find(unsaid)) == plan.bounds.wanted
    over = fleet(stable(2), candidate(12, hold=None))
    assert wanted_before(plan, over, find(over)) == 12


def test_the_records_restore_what_stable_was():
    plan = planned(BlueGreen())
    state = fleet(stable(weight=0.0), candidate(10, weight=100.0))
    started, found = resumed(plan, state, find(state))
    assert isinstance(started, Started)
    assert (started.plan, started.wanted, started.ready) == (digest(plan), 10, 10)
    assert started.groups == (stable(hold=None, minimum=2),)
    assert found == Found(2, created=True, at=NOW)


def test_what_shows_that_it_was_going_back_is_taken_up():
    canary = planned(Canary(("10%", "50%")))
    state = fleet(stable(), candidate(10, weight=32.5))
    assert "32.5 %" in resumed(canary, state, find(state))[-1].reason
    state = fleet(stable(), last=2)
    assert "given up before" in resumed(canary, state, find(state))[-1].reason
    state = fleet(stable(), last=1)
    assert isinstance(resumed(canary, state, find(state))[-1], Found)
    assert resumed(canary, state, find(state), back="no good")[-1] == Turned("no good")


def test_past_the_point_of_no_return_it_is_said_again():
    plan = planned(BlueGreen(keep_stable=60))
    state = fleet(stable(), candidate(10, hold=None))
    _, found, committed = resumed(plan, state, find(state))
    assert (found.step, committed) == (len(plan.steps) - 1, Committed(NOW))


# -- what is to be undone --------------------------------------------------------------------------

OVER = hold(until=NOW - 60)
LAPSED = stable(hold=None, lapsed=OVER)
EMPTY = candidate(0, hold=None, lapsed=OVER)


@pytest.mark.parametrize(
    ("groups", "known", "undone"),
    [
        ((LAPSED,), {}, [Release(1)]),
        ((stable(),), {}, []),
        ((stable(),), {"a": Status.FAILED}, [Release(1)]),
        ((stable(),), {"a": Status.RUNNING}, []),
        ((LAPSED,), {"other": Status.RUNNING}, []),
        ((LAPSED, EMPTY), {}, [Release(1), Delete(2)]),
        ((LAPSED, EMPTY), {"a": Status.ROLLED_BACK}, [Release(1), Delete(2)]),
        ((stable(hold=None), EMPTY), {}, [Release(1), Delete(2)]),
        ((stable(), EMPTY), {}, []),
        ((stable(0, hold=None, lapsed=OVER), candidate(9, hold=None)), {}, [Release(2), Delete(1)]),
        ((stable(0, hold=None), candidate(9, hold=None)), {}, [Release(2)]),  # Nobody owns r1.
        ((stable(0, hold=None, lapsed=OVER), EMPTY), {}, [Release(1)]),  # Which one stays?
        ((LAPSED, candidate(3, hold=None, lapsed=OVER)), {}, [Release(1)]),
        ((LAPSED, candidate(3, hold=None)), {"a": Status.CANCELLED}, [Release(1)]),
        ((stable(hold=None), candidate(3, hold=None)), {}, []),
        ((stable(hold=None),), {}, []),
        ((), {}, []),
    ],
)
def test_only_what_is_nobodys_is_undone(groups, known, undone):
    found = leftovers(fleet(*groups), known)
    assert [each.action for each in found if each.sweep] == undone
    assert all(each.why for each in found)


def test_nothing_is_removed_beside_a_group_that_does_not_serve():
    found = leftovers(fleet(LAPSED, EMPTY, ready=False), {})
    assert [each.sweep for each in found] == [True, False]


def test_the_scaling_settings_stay_where_the_traffic_is():
    kept = stable(hold=None, lapsed=OVER, weight=0.0)
    serving = candidate(10, hold=None, lapsed=OVER, weight=100.0)
    (first, second) = leftovers(fleet(kept, serving), {})
    assert (first.action, first.sweep) == (Release(2), True)
    assert (second.action, second.sweep) == (Release(1), False)
    # Released and at work: the group that is kept beside it is somebody's to decide on.
    (only,) = leftovers(fleet(kept, evolve(serving, lapsed=None)), {})
    assert (only.action, only.sweep) == (Release(1), False)
