"""Orders from the command line: who takes them up, what they do, how that is said."""

from __future__ import annotations

import json

import pytest

from immutable import BlueGreen, Canary, Status
from immutable.gates import Approval, Health

URL = "sim://web"
LONG = BlueGreen(bake=10_000)
HEALTHY = (Health(),)


def test_pause_and_resume_reach_the_process_that_drives_the_rollout(lab):
    driven = lab.begin(after=30)
    paused = lab.run("pause", URL, "--reason", "lunch").stdout
    assert "took it up; it stays where it is until: immutable resume sim://web" in paused
    sizes = lab.sizes
    lab.wait(5_000)
    assert lab.sizes == sizes
    assert driven.result is None
    assert "took it up; it goes on" in lab.run("resume", URL).stdout
    assert driven.end().status is Status.SUCCEEDED


def test_promote_gives_the_approval_that_a_rollout_waits_for(lab):
    driven = lab.begin(BlueGreen(preview=(Health(), Approval("ada")), bake=10), after=5_000)
    assert lab.cloud.fleets["web"].groups[2].shown.weight == 0
    assert "took it up" in lab.run("promote", URL, "--reason", "seen").stdout
    assert driven.end().status is Status.SUCCEEDED


def test_abort_brings_the_fleet_back_and_says_who_does_it(lab):
    driven = lab.begin(LONG, after=200)
    said = lab.run("abort", URL, "--reason", "no").stdout
    assert "took it up; it goes back; see how: immutable watch sim://web" in said
    end = driven.end()
    assert (end.status, end.reason) == (Status.ROLLED_BACK, "abort by ada: no")
    assert lab.sizes == {1: 4}


def test_abort_takes_a_rollout_over_whose_controller_stopped(lab):
    lab.begin(LONG, after=200).stop()
    said = lab.run("abort", URL, "--reason", "it is dead").stdout
    assert "no controller is alive: this process takes over" in said
    assert "route r1 100 %, r2 0 %" in said
    assert "rolled back: abort by ada: it is dead" in said
    assert "started with" not in said
    assert lab.sizes == {1: 4}


def test_abort_takes_over_from_a_controller_that_was_killed_a_moment_ago(lab):
    lab.begin(LONG, after=200).kill()
    assert "this process takes over" in lab.run("abort", URL).stdout
    assert lab.sizes == {1: 4}


def test_an_abort_that_ends_otherwise_has_that_ends_exit_code(lab):
    lab.begin(LONG, after=200).stop()
    lab.cloud.change("web", 1, settings={"policy": "somebody changed it meanwhile"})
    failed = lab.run("abort", URL, code=4)
    assert "failed" in failed.stderr
    assert "policy" in failed.stderr


def test_abort_after_the_point_of_no_return_is_refused_with_the_way_out(lab):
    lab.begin(BlueGreen(bake=0, keep_stable=10_000), after=300)
    refused = lab.run("abort", URL, code=5)
    assert "past the point of no return" in refused.stderr
    assert "use: immutable rollback sim://web" in refused.stderr
    lab.run("rollback", URL)
    assert lab.sizes == {1: 4}


def test_cancel_leaves_everything_and_says_how_to_go_on(lab):
    driven = lab.begin(LONG, after=200)
    said = lab.run("cancel", URL).stdout
    assert "took it up; it stops; bring the fleet whole again with: immutable rollback" in said
    assert driven.end().status is Status.CANCELLED
    assert lab.sizes == {1: 4, 2: 4}
    assert "cancelled" in lab.run("watch", URL, code=6).output
    lab.run("rollback", URL, "--to", 2)
    assert lab.sizes == {2: 4}


def test_cancel_takes_a_rollout_over_whose_controller_stopped(lab):
    lab.begin(LONG, after=200).stop()
    said = lab.run("cancel", URL).stdout
    assert "this process takes over" in said
    assert "left: " in said
    assert lab.sizes == {1: 4, 2: 4}


@pytest.mark.parametrize("order", ["pause", "resume", "promote"])
def test_an_order_that_no_controller_can_hear_waits_for_the_next_one(lab, order):
    lab.begin(LONG, after=200).stop()
    said = lab.run(order, URL).stdout
    assert "no controller is alive; the order waits for one" in said
    assert "carry on with: immutable recover sim://web" in said


@pytest.mark.parametrize("order", ["pause", "resume", "promote", "abort", "cancel"])
def test_an_order_without_a_rollout_is_refused(lab, order):
    assert "no unfinished rollout on sim://web" in lab.run(order, URL, code=1).stderr
    lab.begin(after=0).end()
    refused = lab.run(order, URL, code=5).stderr
    assert "no rollout runs on sim://web" in refused
    assert "succeeded" in refused
    assert ("use: immutable rollback" in refused) == (order in ("abort", "cancel"))


@pytest.mark.parametrize(
    ("strategy", "after", "first", "order", "why"),
    [
        (LONG, 200, None, "resume", "it was not paused"),
        (BlueGreen(bake=0, keep_stable=10_000), 300, None, "pause", "nothing is paused any more"),
        (LONG, 200, "abort", "pause", "it is going back already"),
    ],
)
def test_an_order_that_changes_nothing_says_so(lab, strategy, after, first, order, why):
    lab.begin(strategy, after=after)
    if first is not None:
        lab.run(first, URL)
    assert why in lab.run(order, URL).stdout


def test_orders_as_json_say_who_took_them_up(lab):
    driven = lab.begin(LONG, after=200)
    paused = json.loads(lab.run("pause", URL, "--reason", "a", "--json").stdout)
    assert (paused["order"], paused["reason"]) == ("pause", "a")
    assert paused["taken_up_by"] == paused["status"]["controller"]
    assert (paused["taken_over"], paused["result"]) == (False, None)
    assert paused["status"]["status"] == "paused"
    driven.stop()
    waits = json.loads(lab.run("resume", URL, "--json").stdout)
    assert waits["taken_up_by"] is None
    *events, aborted = map(json.loads, lab.run("abort", URL, "--json").stdout.splitlines())
    assert events[0]["words"] == "resume by ada"
    assert aborted["taken_over"]
    assert aborted["result"]["status"] == aborted["status"]["status"] == "rolled_back"


def test_a_canary_is_promoted_from_share_to_share(lab):
    gates = (Health(), Approval())
    driven = lab.begin(Canary(("25%",), bake=10, gates=gates), after=1_000)
    for share in (25, 100):
        assert lab.cloud.fleets["web"].groups[2].shown.weight == share
        lab.run("promote", URL)
        lab.wait(200)
    assert driven.end().status is Status.SUCCEEDED
