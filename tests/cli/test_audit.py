"""`immutable audit` as it is typed, on the record of real rollouts."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from immutable.audit.checkpoint import Checkpoint

pytest.importorskip("cryptography")
from tests.support.record import KEYS, OTHER_KEYS

SCRIPT = Path(__file__).parents[2] / "docs" / "verify.py"


@pytest.fixture
def place(tmp_path):
    for name, pem in (
        ("key.pem", KEYS.private),
        ("public.pem", KEYS.public),
        ("other.pem", OTHER_KEYS.public),
    ):
        (tmp_path / name).write_bytes(pem)
    return tmp_path


@pytest.fixture
def audit(run, place):
    """The command, in a place with keys and the journal of a fleet that was replaced twice."""
    run("fleet", "create", "sim://web", "v1", "--size", 2)
    run("replace", "sim://web", "v2", "--reason", "CVE-1")
    run("replace", "sim://web", "v3")
    return lambda *words, code=0: run("audit", *words, code=code)


def tamper(place: Path, statement: str) -> None:
    connection = sqlite3.connect(place / "journal.db", isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_from_a_checkpoint_to_a_record_that_is_confirmed(audit, run, place):
    kept = place / "kept.txt"
    made = audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    assert f"records written to {kept}" in made.stdout
    assert made.stderr == ""
    whole = audit("verify", "--checkpoint", kept, "--key", place / "public.pem")
    assert "all as they were written; the first" in whole.stdout
    assert whole.stderr == ""
    run("fleet", "scale", "sim://web", 1)
    newer = audit("verify", "--checkpoint", kept, "--key", place / "public.pem")
    assert "are newer than checkpoint" in newer.stderr
    again = audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    assert again.exit_code == 0
    said = json.loads(audit("verify", "--key", place / "public.pem", "--json").stdout)
    assert said["confirmed"] == said["size"] == Checkpoint.parse(kept.read_text("utf-8")).size
    assert (said["findings"], said["warnings"]) == ([], [])


def test_a_record_that_was_changed_is_said_on_a_line_and_ends_with_1(audit, place):
    kept = place / "kept.txt"
    audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    tamper(place, "UPDATE records SET text = replace(text, 'CVE-1', 'CVE-2') WHERE seq = 0")
    found = audit("verify", "--checkpoint", kept, "--key", place / "public.pem", code=1)
    first, last = found.stdout.splitlines()
    assert "(rollout " in first
    assert "seq 0): changed" in first
    assert "1 finding;" in last
    found = audit("verify", "--json", code=1)
    (finding,) = json.loads(found.stdout)["findings"]
    assert (finding["seq"], finding["first"]) == (0, finding["last"])
    refused = audit("checkpoint", "--key", place / "key.pem", code=1)
    assert "no checkpoint was made" in refused.stderr
    assert "seq 0): changed" in refused.stdout


def test_a_tail_that_was_cut_off_is_not_certified_over_an_earlier_checkpoint(audit, place):
    kept = place / "kept.txt"
    audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    before = kept.read_bytes()
    for statement in (
        "DELETE FROM records",
        "UPDATE log SET frontier = zeroblob(8)",
        "DELETE FROM checkpoints",
    ):
        tamper(place, statement)
    found = audit("checkpoint", "--key", place / "key.pem", "--out", kept, code=1)
    assert "missing" in found.stdout
    assert kept.read_bytes() == before


def test_an_unsigned_checkpoint_says_so_loudly(audit, place):
    made = audit("checkpoint")
    assert "NOT SIGNED" in made.stderr
    checkpoint = Checkpoint.parse(made.stdout)
    assert checkpoint.signatures == ()
    (place / "bare.txt").write_text(made.stdout, "utf-8")
    words = ("verify", "--checkpoint", place / "bare.txt", "--key", place / "public.pem")
    assert "bare.txt is not signed" in audit(*words, code=1).stdout
    assert "was not checked" in audit(*words[:3]).stderr


def test_the_wrong_key_and_the_wrong_log_are_told(audit, place):
    kept = place / "kept.txt"
    audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    words = ("verify", "--checkpoint", kept, "--key")
    assert "not signed with this key" in audit(*words, place / "other.pem", code=1).stdout
    other = audit(*words, place / "public.pem", "--origin", "other/log", code=1)
    assert "is of the log 'immutable/journal', not of 'other/log'" in other.stdout
    assert "public Ed25519 key" in audit(*words, place / "key.pem", code=2).stderr
    wrong = audit("checkpoint", "--key", place / "public.pem", code=2)
    assert "private Ed25519 key" in wrong.stderr


def test_a_checkpoint_as_json_names_the_key_as_other_tools_want_it(audit, place):
    made = audit("checkpoint", "--key", place / "key.pem", "--origin", "example.com/log", "--json")
    said = json.loads(made.stdout)
    assert said["key"].startswith("example.com/log+")
    assert Checkpoint.parse(said["checkpoint"]).size == said["size"]


def test_an_export_is_checked_by_the_script_alone(audit, place):
    kept, out = place / "kept.txt", place / "export.jsonl"
    audit("checkpoint", "--key", place / "key.pem", "--out", kept)
    audit("export", "--out", out)
    assert audit("export").stdout == out.read_text("utf-8")
    words = [sys.executable, "-I", SCRIPT, out, kept, "--key", place / "public.pem"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    size = Checkpoint.parse(kept.read_text("utf-8")).size
    assert f"{size} of {size} records are as a checkpoint from outside" in done.stdout


def test_changes_are_listed(audit):
    table = audit("changes").stdout
    assert table.count("succeeded") == 3
    assert "nobody" in table
    changes = json.loads(audit("changes", "--json").stdout)
    assert [change["reason"] for change in changes] == ["created", "CVE-1", "not recorded"]
    assert {change["requested_by"] for change in changes} == {"ada"}


def test_a_journal_that_does_not_exist_is_not_made(run, place):
    for words in (["verify"], ["export"], ["changes"], ["checkpoint"]):
        said = run("audit", *words, "--journal", place / "no.db", code=1)
        assert "there is no journal" in said.stderr
    assert not (place / "no.db").exists()
