"""``immutable report``: pages, tables, JSON, and what it refuses."""

from __future__ import annotations

import json

import pytest

from tests.support.pages import Parsed


def test_a_page_a_table_and_json_of_the_newest_rollout(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    run("replace", "sim://web", "v2", "--reason", "CVE-2026-1")
    file = tmp_path / "web.html"
    said = run("report", "sim://web", "--html", file).stdout
    for word in ("succeeded", "CVE-2026-1", "point of no return", "reached", f"written to {file}"):
        assert word in said
    page = Parsed(file.read_text(encoding="utf-8"))
    assert "CVE-2026-1" in page.text
    made = json.loads(run("report", "sim://web", "--json").stdout)
    assert made["status"] == "succeeded"
    assert made["end"]["status"] == "succeeded"
    assert made["sizes"][0] == {"at": 0.0, "stable": 3, "candidate": 0, "wanted": 3}
    assert made["sizes"][-1]["candidate"] == 3
    assert all(each["why"] for each in made["decisions"])
    named = json.loads(run("report", "sim://web", made["rollout"], "--json").stdout)
    assert named["plan"] == made["plan"]


def test_a_change_of_size_has_one_group(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    run("fleet", "scale", "sim://web", 4)
    file = tmp_path / "web.html"
    made = json.loads(run("report", "sim://web", "--html", file, "--json").stdout)
    assert made["sizes"][-1]["stable"] == 4
    assert {each["candidate"] for each in made["sizes"]} == {0}
    assert "4 instances" in Parsed(file.read_text(encoding="utf-8")).text


def test_the_fleet_as_a_page(run, tmp_path):
    run("fleet", "create", "sim://web", "v1", "--size", 3)
    file = tmp_path / "fleet.html"
    assert f"written to {file}" in run("report", "sim://web", "--fleet", "--html", file).stdout
    assert "3 READY of 3" in Parsed(file.read_text(encoding="utf-8")).text
    assert json.loads(run("report", "sim://web", "--fleet", "--json").stdout)["size"] == 3


def test_a_rollout_that_there_was_not_and_both_at_once(run):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    assert "immutable history" in run("report", "sim://web", "nothing", code=2).stderr
    said = run("report", "sim://web", "x", "--fleet", code=2).stderr
    assert "leave one of them out" in said


def test_a_journal_that_is_not_there_is_not_made(run, tmp_path):
    missing = tmp_path / "none.db"
    assert "no journal" in run("report", "sim://web", "--journal", missing, code=1).stderr
    assert not missing.exists()


def test_the_fleets_cloud_is_not_asked_for_a_rollout(run, cloud):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    run("replace", "sim://web", "v2")
    cloud.fleets.clear()
    assert "succeeded" in run("report", "sim://web").stdout


@pytest.mark.parametrize(
    "words", [("report", "sim://web", "--html"), ("plan", "sim://web", "v2", "--out")]
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(run, tmp_path, words):
    run("fleet", "create", "sim://web", "v1", "--size", 1)
    file = tmp_path / "nowhere" / "it"
    said = run(*words, file, code=1).stderr
    assert said == f"immutable: {file}: No such file or directory\n"
