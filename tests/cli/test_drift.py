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
