"""``immutable rehearse``: what it prints, draws and refuses."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET


def test_help_says_what_it_is_for(run):
    said = run("rehearse", "--help").stdout
    assert "Touches nothing" in said
    for option in ("--trials", "--fault", "--against", "--svg", "--json", "--table"):
        assert option in said


def test_a_table_a_picture_and_the_same_in_words(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    drawn = tmp_path / "web.svg"
    said = run("rehearse", "sim://web", "v2", "--trials", 4, "--table", "--svg", drawn).stdout
    for word in ("length", "(p95)", "extra capacity", "availability", "calls", "succeeded 4"):
        assert word in said
    assert "share of the traffic" in said
    tree = ET.parse(drawn).getroot()
    assert [each.tag.rpartition("}")[2] for each in tree][:3] == ["title", "desc", "style"]
    assert run("fleet", "status", "sim://web", "--json")
    state = json.loads(run("fleet", "status", "sim://web", "--json").stdout)
    assert [group["revision"]["number"] for group in state["groups"]] == [1]


def test_json_has_what_the_documentation_says(run):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    words = ("rehearse", "sim://web", "v2", "--trials", 3, "--json", "--traffic", 50)
    made = json.loads(run(*words, "--fault", "bad-image:never_ready=yes").stdout)
    assert made["ends"] == {"rolled_back": 3}
    assert made["faults"][0]["fault"] == "BadImage"
    assert set(made["seconds"]) == {"p50", "p95", "worst"}
    assert made["lowest_ready"] == 3
    assert len(made["lengths"]) == 3
    assert made["course"][0]["at"] == 0


def test_strategies_side_by_side(run):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    words = ("rehearse", "sim://web", "v2", "--trials", 2, "--against", "rolling")
    words = (*words, "--strategy", "canary", "--bake", "1s")
    said = run(*words).stdout.splitlines()
    (head,) = (line for line in said if "Canary(" in line and "Rolling(" in line)
    (lengths,) = (line for line in said if line.startswith("length, p50"))
    assert len(head.split()) >= 2
    assert len(lengths.split("  ")) >= 3
    listed = json.loads(run(*words, "--json").stdout)
    assert [each["strategy"].partition("(")[0] for each in listed] == ["Canary", "Rolling"]


def test_wrong_usage(run):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    assert "trials" in run("rehearse", "sim://web", "v2", "--trials", 0, code=2).stderr
    said = run("rehearse", "sim://web", "v2", "--fault", "meteor", code=2).stderr
    assert "one of: bad-image" in said
