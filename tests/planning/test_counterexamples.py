"""Where a naive reading of the arithmetic breaks: one test for each rule that mends it.

The numbers are those of the rules in ARCHITECTURE.md ("The arithmetic, and where it would break").
"""

from __future__ import annotations

import pytest
from attrs import evolve

from immutable import Limits, Rolling
from immutable.backend import Capabilities, FleetState, Group
from immutable.model import Bake, Commit, Route, Shift
from immutable.planning.arithmetic import Counts, Window, window
from immutable.planning.goals import goals
from immutable.planning.invariants import Standing, breaches, needed
from immutable.planning.kernel import Give, Raise, Reached, Shrink, Situation, Which, next_move
from tests.support.world import revision


def ready(count: int, **more: int) -> Counts:
    """A group of that many READY and proven members, and some that aren't."""
    broken = more.get("starting", 0) + more.get("unready", 0)
    made = Counts(size=count + broken, ready=count, proven=count)
    return evolve(made, **more)


def situation(
    source: Counts, target: Counts, *, surge: int = 1, unavailable: int = 0, **more: object
) -> Situation:
    sizes = Window(10, surge, unavailable)
    base = Situation(
        window=sizes, floor=10 - unavailable, source=source, target=target,
        source_goal=0, target_goal=10,
    )  # fmt: skip
    return evolve(base, **more)


def test_rule_1_a_group_that_the_step_keeps_is_not_retired_however_many_are_available():
    now = situation(ready(10), ready(10), surge=10, source_goal=10)
    assert next_move(now) == Reached(True, "10 of 10 proven, 10 left of source")


def test_rule_4_a_probe_outage_does_not_retire_the_fleet():
    outage = situation(Counts(size=10, unready=10), Counts(), deficit=0)
    assert isinstance(next_move(outage), Raise)
    full = situation(Counts(size=10, unready=10), Counts(size=1, starting=1), deficit=0)
    assert isinstance(next_move(full), Reached)


def test_rule_4_what_has_long_been_broken_makes_room_first():
    now = situation(ready(3, unready=7), Counts(size=1, ready=1, proven=1), deficit=7)
    move = next_move(now)
    assert (move.count, move.which, move.from_target) == (7, Which.BROKEN, False)


def test_rule_4_a_starting_member_is_not_broken_for_starting():
    now = situation(ready(8, starting=2), Counts(size=1, starting=1), deficit=0)
    assert isinstance(next_move(now), Reached)


def test_rule_4_before_the_probe_passes_one_broken_member_may_go_and_only_without_room():
    with_room = situation(ready(7, unready=3), Counts(), deficit=3, probing=True)
    assert next_move(with_room) == Raise(1, next_move(with_room).why)
    without = situation(
        ready(7, unready=3), Counts(), surge=0, unavailable=1, deficit=3, probing=True
    )
    assert (next_move(without).count, next_move(without).which) == (1, Which.BROKEN)


def test_rule_4_a_stable_group_that_is_kept_whole_keeps_its_broken_members_too():
    now = situation(
        ready(7, unready=3), Counts(), surge=10, deficit=3, source_goal=10, target_goal=1
    )
    assert isinstance(next_move(now), Raise)


def test_rule_7_more_candidates_than_wanted_are_trimmed_down_to_the_floor():
    now = situation(ready(10), ready(3), target_goal=1, source_goal=9)
    assert (next_move(now).count, next_move(now).which) == (2, Which.SURPLUS)
    needed = situation(ready(8), ready(3), target_goal=1, source_goal=8)
    assert (next_move(needed).count, next_move(needed).from_target) == (1, True)


def test_rule_7_a_step_does_not_end_while_a_call_without_an_answer_may_still_take_effect():
    done = situation(Counts(), ready(10))
    assert next_move(done).yes
    assert not next_move(evolve(done, unsure=True)).yes


def test_rule_9_a_fleet_that_was_sick_at_the_start_can_come_back():
    # 4 of 10 were READY. Going back with 3 in stable and 2 candidates READY, one candidate may go.
    back = situation(ready(2), ready(3, unready=6), forward=False, floor=4)
    assert (next_move(back).count, next_move(back).from_target) == (1, False)
    assert next_move(back).which is Which.ANY


def test_rule_9_a_candidate_that_is_not_ready_goes_at_once_on_the_way_back():
    back = situation(ready(1, starting=3), ready(9), forward=False)
    assert (next_move(back).count, next_move(back).which) == (3, Which.BROKEN)


def test_rule_10_surge_one_is_serial_while_a_member_drains_and_not_a_deadlock():
    draining = situation(ready(9, leaving=1), ready(1))
    assert isinstance(next_move(draining), Reached)
    gone = situation(ready(9), ready(1))
    assert next_move(gone).by == 1


def test_rule_10_a_launch_that_was_asked_for_counts_before_it_shows():
    now = situation(ready(10), Counts(size=1))
    assert isinstance(next_move(now), Reached)


def test_rule_11_percentages_are_resolved_again_when_the_size_changes():
    limits = Limits("10%", "10%")
    assert (window(limits, 10).surge, window(limits, 30).surge) == (1, 3)
    assert window(Limits(0, "10%"), 5) == Window(5, 1, 0)


def test_rule_12_a_candidate_that_hangs_is_retired_and_grown_again():
    hangs = situation(ready(10), Counts(size=1, starting=1), overdue=1)
    assert (next_move(hangs).count, next_move(hangs).which) == (1, Which.OVERDUE)
    assert next_move(hangs).from_target
    again = situation(ready(10), Counts())
    assert next_move(again).by == 1


def test_rule_13_members_that_died_and_cannot_come_back_are_given_up():
    dead = situation(Counts(size=2), ready(10), surge=2)
    assert isinstance(next_move(dead), Shrink)
    lasting = situation(Counts(size=5, ready=3, proven=3), ready(7), deficit=2)
    assert isinstance(next_move(lasting), Shrink)
    a_moment = situation(Counts(size=5, ready=3, proven=3), ready(7), deficit=0)
    assert isinstance(next_move(a_moment), Reached)


def test_rule_13_nothing_is_given_up_that_the_step_keeps():
    kept = situation(
        Counts(size=9, ready=7, proven=7), ready(1), source_goal=9, target_goal=1, deficit=2
    )
    assert isinstance(next_move(kept), Reached)


def test_rule_13_on_the_way_back_missing_candidates_are_called_off_at_once():
    back = situation(Counts(size=4, starting=0), ready(10), forward=False)
    assert isinstance(next_move(back), Shrink)


def test_rule_16_one_member_that_is_down_at_the_last_moment_does_not_keep_a_rollout_from_ending():
    churn = situation(Counts(), Counts(size=10, ready=9, proven=9, starting=1), witnessed=11)
    assert next_move(churn).yes
    never_seen = situation(Counts(), Counts(size=10, ready=9, proven=9, starting=1), witnessed=9)
    assert not next_move(never_seen).yes
    sick = situation(Counts(), Counts(size=10, ready=7, proven=7, unready=3), witnessed=11)
    assert not next_move(sick).yes


def test_rule_17_without_surge_one_stable_member_makes_room_for_the_probe_and_no_second_one():
    start = situation(ready(10), Counts(), surge=0, unavailable=3, probing=True)
    assert (next_move(start).count, next_move(start).from_target) == (1, False)
    leaving = situation(ready(9, leaving=1), Counts(), surge=0, unavailable=3, probing=True)
    assert isinstance(next_move(leaving), Reached)
    gone = situation(ready(9), Counts(), surge=0, unavailable=3, probing=True)
    assert next_move(gone).by == 1
    booting = situation(ready(9), Counts(size=1, starting=1), surge=0, unavailable=3, probing=True)
    assert isinstance(next_move(booting), Reached)
    failed = situation(ready(9), Counts(leaving=1), surge=0, unavailable=3, probing=True)
    assert isinstance(next_move(failed), Reached)


def test_rule_18_a_held_stage_keeps_the_rest_in_stable():
    assert goals((Shift(candidate=20, stable=80), Bake(60)), 10).stable == 8
    assert goals((Shift(candidate=5, stable=95), Bake(60)), 10).stable == 9
    assert goals((Shift(candidate=5, stable=100), Route(5)), 10).stable == 10


def test_rule_19_what_uses_no_slack_is_allowed_in_a_fleet_that_others_have_hurt():
    sizes = Window(10, 2, 2)
    hurt = Standing(sizes, floor=8, available=6, total=13)
    assert breaches(hurt, evolve(hurt, total=12)) == ()
    assert breaches(hurt, evolve(hurt, available=5)) != ()
    assert breaches(hurt, evolve(hurt, total=14)) != ()
    well = Standing(sizes, floor=8, available=10, total=11)
    assert breaches(well, evolve(well, available=8, total=12)) == ()
    assert breaches(well, evolve(well, available=7)) != ()
    assert breaches(well, evolve(well, total=13)) != ()
    assert breaches(well, evolve(well, can_return=False)) == ("stable could not be brought back",)


def test_the_candidate_never_gets_more_than_its_stage():
    staged = Standing(Window(10, 10, 0), floor=10, available=20, total=20, share=5, stage=25)
    assert breaches(staged, evolve(staged, share=25)) == ()
    assert breaches(staged, evolve(staged, share=26)) != ()
    # On the way back the stage is less than what it has: it may only fall.
    falling = evolve(staged, share=50, stage=10)
    assert breaches(falling, evolve(falling, share=10)) == ()
    assert breaches(falling, evolve(falling, share=51)) != ()


def test_rule_1_a_group_with_traffic_keeps_the_servers_that_its_share_needs():
    sizes = Window(10, 10, 0)
    switched = Standing.of(sizes, 10, ready(10), ready(10), share=100)
    assert breaches(switched, Standing.of(sizes, 10, ready(0), ready(10), share=100)) == ()
    halved = Standing.of(sizes, 10, ready(10), ready(10), share=50)
    assert breaches(halved, Standing.of(sizes, 10, ready(4), ready(10), share=50)) != ()
    assert breaches(halved, Standing.of(sizes, 10, ready(5), ready(10), share=50)) == ()
    # One that has 1 % of the traffic has a server.
    assert needed(1, 10) == 1
    assert needed(0, 10) == 0
    assert needed(50, 0) == 0


def test_rule_22_a_stage_without_weights_never_takes_more_than_its_share_rounded_up():
    for size in range(1, 60):
        for share in (1, 5, 10, 25, 50, 75, 99):
            assert goals((Shift(share, 100 - share),), size).candidate <= max(
                1, -(-share * size // 100)
            )


def test_the_brake_closes_the_window_while_candidates_fail_to_become_ready():
    now = situation(ready(10), Counts(size=3, starting=3), surge=3)
    assert isinstance(next_move(now), Reached)


def test_a_broken_stable_does_not_veto_a_good_candidate():
    now = situation(ready(8, unready=2), ready(2), surge=2, deficit=2)
    assert isinstance(next_move(now), Give)


def test_launches_wait_while_there_is_no_room_in_the_cloud():
    now = situation(ready(10), Counts(), surge=3)
    assert isinstance(next_move(now), Raise)
    assert isinstance(next_move(evolve(now, short=True)), Reached)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_rolling_compiles_to_one_shift_and_the_point_of_no_return(size):
    state = FleetState("web", 0.0, (Group(revision(), size),))
    assert Rolling().steps(state, Capabilities()) == (Shift(100, 0, probe=True), Commit())
    assert Rolling(probe=False).steps(state, Capabilities())[0] == Shift(100, 0)
