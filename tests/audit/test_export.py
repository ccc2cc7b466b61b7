"""An export in its format, and the verifier in docs/ as an auditor runs it: without this SDK."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from immutable.audit.checkpoint import ORIGIN, Checkpoint
from immutable.audit.export import export
from immutable.audit.stream import portions
from immutable.journal.merkle import Frontier, leaf_hash, verify_inclusion
from immutable.testing import run
from tests.support.record import KEYS, OTHER_KEYS, Book, honest, signed

SCRIPT = Path(__file__).parents[2] / "docs" / "verify.py"


def exported(book: Book) -> list[dict]:
    async def lines() -> list[dict]:
        return [json.loads(line) async for line in export(book)]

    return run(lines())


def test_each_line_proves_itself_against_the_last_checkpoint_of_the_header():
    header, *rows = exported(honest())
    assert (header["format"], header["version"]) == ("immutable-log", 1)
    *kept, now = map(Checkpoint.parse, header["checkpoints"])
    assert [each.size for each in kept] == [10, 30]
    assert (now.origin, now.size, now.root) == (ORIGIN, len(rows), honest().tip.root())
    for leaf, row in zip(honest().rows, rows, strict=True):
        assert (row["index"], row["leaf"]) == (leaf.index, leaf.text)
        hashed = leaf_hash(row["leaf"].encode())
        assert b64decode(row["hash"]) == hashed
        proof = [b64decode(each) for each in row["proof"]]
        assert verify_inclusion(hashed, leaf.index, now.size, proof, now.root)


def test_a_signed_checkpoint_of_the_whole_log_is_the_last_one():
    book = honest()
    book.kept.append(signed([leaf.hash for leaf in book.rows]))
    header, *_ = exported(book)
    assert header["checkpoints"][-1] == book.kept[-1]


def test_what_is_added_meanwhile_is_left_out():
    before, later = honest().rows[:50], honest().rows[50:]

    class Busy(Book):
        """One to which records are added between the first reading and the second."""

        async def checkpoints(self):
            self.rows.extend(later)
            return await super().checkpoints()

    book = Busy(list(before), Frontier().extended(leaf.hash for leaf in before), [])
    header, *rows = exported(book)
    assert len(rows) == Checkpoint.parse(header["checkpoints"][-1]).size == 50
    assert len(book.rows) == len(honest().rows)


def test_an_empty_log_has_a_header():
    (header,) = exported(Book([], Frontier(), []))
    assert Checkpoint.parse(header["checkpoints"][0]).size == 0


def test_leaves_come_in_portions(monkeypatch):
    monkeypatch.setattr("immutable.audit.stream._PORTION", 40)

    async def sizes() -> list[int]:
        return [len(portion) async for portion in portions(honest())]

    assert sum(run(sizes())) == len(honest().rows)
    assert run(sizes())[:2] == [40, 40]
    assert len(exported(honest())) == len(honest().rows) + 1


# -- the verifier in docs/ -------------------------------------------------------------------------


@pytest.fixture
def auditor(tmp_path):
    """Runs the script as a process of its own, in a directory with what an auditor was given."""
    hashes = [leaf.hash for leaf in honest().rows]
    (tmp_path / "public.pem").write_bytes(KEYS.public)
    (tmp_path / "outside.txt").write_text(signed(hashes[:50]), encoding="utf-8")

    def go(book: Book, *words: str, code: int = 0) -> list[str]:
        lines = [json.dumps(each) + "\n" for each in exported(book)]
        (tmp_path / "export.jsonl").write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-I", str(SCRIPT), "export.jsonl", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr.splitlines() if code else done.stdout.splitlines()

    go.folder = tmp_path
    return go


def test_the_script_is_short_and_imports_nothing_of_ours():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def test_an_honest_export_passes_with_and_without_a_key(auditor):
    size = len(honest().rows)
    said = "of {} records are as a checkpoint from outside, or a signed one, has them"
    assert auditor(honest()) == [f"0 {said.format(size)}"]
    assert auditor(honest(), "outside.txt") == [f"50 {said.format(size)}"]
    assert auditor(honest(), "--key", "public.pem") == [f"30 {said.format(size)}"]
    assert auditor(honest(), "outside.txt", "--key", "public.pem") == [f"50 {said.format(size)}"]


def test_a_fault_is_said_with_its_place(auditor):
    book = honest().edit(28, lambda record: record.update(at=1))
    found = auditor(book, "outside.txt", "--key", "public.pem", code=1)
    assert found == [
        "record 28 (line 30): changed: it does not have the hash with which it was written",
        "record 28 (line 30): its proof does not lead to the export's own checkpoint",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (signed([], OTHER_KEYS), "is not signed with this key"),
        (str(Checkpoint(ORIGIN, 0, Frontier().root())), "is not signed with this key"),
        (signed([], origin="other/log"), "is of the log other/log, not of immutable/journal"),
        (signed([]).replace("\n0\n", "\n7\n"), "InvalidSignature"),
        ("garbage", "ValueError"),
    ],
)
def test_a_checkpoint_that_can_not_be_relied_on_is_told(auditor, text, what):
    (auditor.folder / "wrong.txt").write_text(text, encoding="utf-8")
    (found,) = auditor(honest(), "wrong.txt", "--key", "public.pem", code=1)
    assert found.startswith("wrong.txt: ")
    assert what in found


def test_the_wrong_key_is_told(auditor):
    (auditor.folder / "public.pem").write_bytes(OTHER_KEYS.public)
    (found,) = auditor(honest(), "outside.txt", "--key", "public.pem", code=1)
    assert "outside.txt" in found
