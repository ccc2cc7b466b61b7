"""`immutable plan`: all that whoever has to approve it may ask, as text and as JSON."""

from __future__ import annotations

import json

from immutable import load_plan
from immutable.model.serial import digest


def rows(text: str) -> dict[str, list[str]]:
    """Return what is shown, by the names of the rows."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        found.setdefault(line[:12].strip(), []).append(line[13:])
    return found


def test_a_plan_is_shown_with_what_it_comes_to(run):
    run("fleet", "create", "sim://web", "v1", "--size", 3, "--env", "MODE=quiet-one")
    shown = run("plan", "sim://web", "v2", "--env", "MODE=loud-one").stdout
    found = rows(shown)
    assert (found["from"], found["to"]) == (["r1 v1"], ["r2 v2"])
    assert found["config"] == ["setting MODE changes"]
    assert "-one" not in shown
    assert found["bounds"] == ["3 wanted: at least 3 available, at most 4 existing"]
    assert found["after 1"] == ["r1 0, r2 3"]
    assert "tried out 5 times on a twin" in found["expected"][0]
    assert "assumed" in found["boots"][0]
    assert "instance-minutes above the fleet's size" in found["cost"][0]
    assert "of the backend: create_revision 1" in found["calls"][0]
    assert found["digest"][0].startswith("sha256:")


def test_the_same_facts_as_json(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    file = tmp_path / "plan.json"
    told = json.loads(run("plan", "sim://web", "v2", "--out", file, "--json").stdout)
    assert told["digest"] == digest(load_plan(file.read_text()))
    assert told["plan"]["bounds"]["ceiling"] == 4
    assert [each["part"] for each in told["changes"]] == ["image"]
    assert [step["candidate"] for step in told["steps"]] == [3, 3]
    assert told["forecast"]["calls"]["create_revision"] == 1
    assert told["problems"] == []


def test_a_plan_that_something_stops_is_shown_and_refused_and_not_kept(run, cloud, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    cloud.withdrawn["v1"] = False
    file = tmp_path / "plan.json"
    refused = run("plan", "sim://web", "v2", "--out", file, code=5)
    assert "image v1 is withdrawn; restore it" in refused.stderr
    assert "r2 v2" in rows(refused.stdout)["to"]
    assert not file.exists()
    told = json.loads(run("plan", "sim://web", "v2", "--json", code=5).stdout)
    assert [each["what"] for each in told["problems"]] == ["image v1 is withdrawn"]


def test_what_can_not_be_foreseen_is_unknown(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert rows(run("plan", "sim://web").stdout)["expected"] == ["unknown: nothing is to be done"]
