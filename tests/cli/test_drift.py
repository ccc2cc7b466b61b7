"""`immutable drift` as its users type it: what it prints, and how it ends."""

from __future__ import annotations

import json

from immutable.backend import DriftCode


def first_of(cloud) -> str:
    return next(iter(cloud.fleets["web"].servers))


def test_what_is_as_it_should_be_ends_with_0_and_says_what_nobody_can_see(run):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    told = run("drift", "sim://web").stdout
    assert told.count("control-plane") == 2
    assert "can't be seen: what a server does" in told


def test_a_difference_ends_with_7_and_what_could_not_be_seen_with_8(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    cloud.altered.alter(first_of(cloud), DriftCode.DISK, None)
    assert "unknown: disk" in run("drift", "sim://web", code=8).stdout
    cloud.altered.alter(first_of(cloud), DriftCode.NETWORK, "sg-9")
    told = run("drift", "sim://web", code=7).stdout
    assert "network: sg-9, expected as launched; unknown: disk" in told


def test_age_and_json(run):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    young = json.loads(run("drift", "sim://web", "--max-age", "1h", "--json").stdout)
    assert young["verdict"] == "ok"
    told = json.loads(run("drift", "sim://web", "--max-age", "0s", "--json", code=7).stdout)
    assert (told["verdict"], told["max_age"], len(told["instances"])) == ("drifted", 0.0, 2)
    (reason,) = told["instances"][0]["reasons"]
    assert reason["code"] == "over-age"
    assert told["instances"][0]["assurance"] == "control-plane"


def test_what_a_server_is_told_is_in_no_report(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    cloud.altered.alter(first_of(cloud), DriftCode.CONFIG, "hunter2-hunter2")
    told = run("drift", "sim://web", code=7).output
    told += run("drift", "sim://web", "--json", code=7).output
    assert "config" in told
    assert "hunter2" not in told


def test_a_fleet_that_is_not_there_is_an_error(run):
    assert "sim://gone" in run("drift", "sim://gone", code=1).output


def test_repair_replaces_what_has_drifted_and_says_what_it_does(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    victim = first_of(cloud)
    cloud.altered.alter(victim, DriftCode.DISK, "snap-9")
    told = run("repair", "sim://web", "--reason", "found open").output
    assert f"{victim}" in told
    assert "succeeded in" in told
    assert victim not in cloud.fleets["web"].servers
    assert run("drift", "sim://web").exit_code == 0
    history = run("history", "sim://web").stdout
    assert "found open" in history
    assert "r1" in history


def test_a_repair_can_be_reviewed_first(run, cloud, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 4)
    file = tmp_path / "repair.json"
    names = list(cloud.fleets["web"].servers)
    told = run("repair", "sim://web", "--max-age", "0s", "--budget", "50%", "--out", file).stdout
    assert "2 instances by new ones of the same revision" in told
    assert "2 more have drifted, and are beyond the budget" in told
    assert list(cloud.fleets["web"].servers) == names
    assert "succeeded in" in run("apply", file).output
    assert names[:2] != list(cloud.fleets["web"].servers)[:2]
    assert set(names[2:]) < set(cloud.fleets["web"].servers)
    nothing = json.loads(run("repair", "sim://web", "--json", "--out", file).stdout)
    assert nothing["plan"]["steps"] == []
