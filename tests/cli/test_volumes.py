"""Fleets with volumes, by the command."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from immutable.cli.volumes import volumes_from
from immutable.errors import InvalidValue
from immutable.model import Volume
from tests.cli.conftest import URL, SimBackend


@pytest.fixture(autouse=True)
def able(monkeypatch):
    able = evolve(SimBackend.capabilities, volumes=True, snapshots=True)
    monkeypatch.setattr(SimBackend, "capabilities", able)


def slots(run, *words):
    told = json.loads(run("fleet", "slots", URL, "--json", *words).stdout)
    return {each["name"]: each for each in told}


def test_volumes_go_from_one_image_to_the_next_and_outlive_the_fleet(run):
    made = run("fleet", "create", URL, "v1", "--size", 2, "--volume", "data=/data").stdout
    assert "held by" in made
    before = slots(run)
    assert before.keys() == {"0", "1"}
    told = run("plan", URL, "v2", "--snapshot").stdout
    assert "a snapshot of each slot before its new instance starts" in told
    run("replace", URL, "v2", "--snapshot", "--min-ready", 0)
    after = slots(run)
    assert {n: each["volumes"] for n, each in after.items()} == {
        n: each["volumes"] for n, each in before.items()
    }
    assert all(after[name]["holder"] != before[name]["holder"] for name in before)
    run("fleet", "slots", URL, "--remove", 0, "--yes", code=1)
    run("fleet", "delete", URL, "--yes")
    assert slots(run)["0"]["holder"] == ""
    run("fleet", "slots", URL, "--remove", 0, code=1)  # Nobody answered.
    assert slots(run, "--remove", 0, "--yes").keys() == {"1"}
    assert "free" in run("fleet", "slots", URL).stdout
    assert run("fleet", "slots", URL, "--remove", 1, "--yes").stdout == "no slots\n"


def test_a_slot_that_nobody_has_is_brought_back(run):
    run("fleet", "create", URL, "v1", "--size", 1, "--volume", "data=/data")
    none = run("fleet", "restore-slot", URL, 0, code=2).stderr
    assert "there is none to restore" in none
    run("replace", URL, "v2", "--snapshot", "--min-ready", 0)
    told = run("fleet", "restore-slot", URL, 0, code=2).stderr
    assert "--from one of" in told
    (saved,) = [word for word in told.split() if word.startswith("snap-")]
    held = run("fleet", "restore-slot", URL, 0, "--from", saved, "--yes", code=1).stderr
    assert "is held by" in held
    run("fleet", "scale", URL, 0)
    run("fleet", "restore-slot", URL, 0, "--from", saved, code=1)  # Nobody answered.
    done = run("fleet", "restore-slot", URL, 0, "--from", saved, "--yes").stdout
    assert done.replace("\n", " ").strip() == f"slot 0 of {URL} is as {saved} has it"
    assert slots(run)["0"]["saved"] == saved
    told = json.loads(
        run("fleet", "restore-slot", URL, 0, "--from", saved, "--yes", "--json").stdout
    )
    assert told == {"fleet": URL, "slot": "0", "snapshot": saved}
    assert (
        "no snapshot x"
        in run("fleet", "restore-slot", URL, 0, "--from", "x", "--yes", code=1).stderr
    )


def test_what_cannot_go_back_says_so_and_a_fleet_without_volumes_refuses_it(run):
    run("fleet", "create", URL, "v1", "--size", 1, "--volume", "data=/data")
    told = run("plan", URL, "v2", "--irreversible").stdout
    assert "under approval by whoever may let the data change for good" in told
    run("fleet", "create", "sim://other", "v1", "--size", 1)
    assert "has no volumes" in run("plan", "sim://other", "v2", "--snapshot", code=5).stderr
    assert run("fleet", "slots", "sim://other").stdout == "no slots\n"


def test_words_for_volumes():
    assert volumes_from(["data=/var/lib/db,size=20", "log=/log"]) == (
        Volume("data", "/var/lib/db", "20"),
        Volume("log", "/log"),
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data"], "not a volume"),
        (["data=/d,size="], "not a volume"),
        (["data=/d,speed=9"], "not a volume"),
        (["data=d"], "nowhere to mount"),
        (["Data=/d"], "not a volume's name"),
        (["data=/d", "data=/e"], "named twice"),
    ],
)
def test_words_that_are_no_volumes(words, said):
    with pytest.raises(InvalidValue, match=said):
        volumes_from(words)
