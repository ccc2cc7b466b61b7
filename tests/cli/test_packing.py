"""`immutable audit pack` as it is typed, and the check of what it wrote as an auditor types it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_pack.py"
FILES = {
    "README.txt", "changes.csv", "changes.jsonl", "completeness.json", "controls.json",
    "index.html", "inventory.json", "log.jsonl", "manifest.json",
}  # fmt: skip


@pytest.fixture
def replaced(run):
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    run("replace", "sim://web", "v2", "--reason", "CVE-1")
    return run


def checked(place: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_pack_is_written_complete_and_checked_without_us(replaced, tmp_path):
    place = tmp_path / "evidence" / "2026"
    done = replaced("audit", "pack", place)
    assert f"2 changes, complete; written to {place}" in done.stdout
    assert {path.name for path in place.iterdir()} == FILES
    share = json.loads((place / "inventory.json").read_text())
    assert (share["instances"], share["immutable"], share["percent"]) == (2, 2, 100.0)
    assert share["whole"] is True
    page = (place / "index.html").read_text()
    assert "100 % (2 of 2 instances)" in page
    assert checked(place).returncode == 0
    log = place / "log.jsonl"
    log.write_text(log.read_text().replace("CVE-1", "CVE-2"))
    assert checked(place).returncode == 1


def test_a_field_that_is_lacking_is_named_with_its_change_and_the_pack_is_there(replaced, tmp_path):
    replaced("replace", "sim://web", "v3")
    place = tmp_path / "pack"
    done = replaced("audit", "pack", place, "--no-fleets", code=1)
    changes = [json.loads(line) for line in (place / "changes.jsonl").read_text().splitlines()]
    assert f"change {changes[-1]['change']}: reason is not recorded" in done.stdout
    assert not (place / "inventory.json").exists()
    assert checked(place).returncode == 0
    again = replaced("audit", "pack", tmp_path / "again", "--no-fleets", "--json", code=1)
    (lack,) = json.loads(again.stdout)["lacks"]
    assert (lack["field"], lack["change"]) == ("reason", changes[-1]["change"])


def test_nothing_is_overwritten(replaced, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.txt").write_text("mine")
    done = replaced("audit", "pack", tmp_path / "there", code=2)
    assert "there is something in it" in done.stderr
    assert (tmp_path / "there" / "thesis.txt").read_text() == "mine"


def test_of_a_record_that_is_not_as_it_was_written_there_is_no_pack(replaced, tmp_path):
    connection = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    connection.execute("UPDATE records SET text = replace(text, 'CVE-1', 'CVE-2')")
    connection.close()
    done = replaced("audit", "pack", tmp_path / "pack", code=1)
    assert "no pack was made" in done.stderr
    assert not (tmp_path / "pack").exists()
