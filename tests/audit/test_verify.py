"""Who vouches for a log, and what is said when their words are worth little or contradict it."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from attrs import define

from immutable import InvalidValue, open_journal
from immutable.audit.checkpoint import ORIGIN
from immutable.audit.finding import Finding, Report
from immutable.audit.keys import PublicKey
from immutable.audit.verify import verify
from immutable.journal.merkle import Frontier, leaf_hash
from immutable.testing import run
from tests.support.record import KEYS, OTHER_KEYS, Book, checkpoint, honest, signed
from tests.support.world import LIMITS, world

KEY, OTHER_KEY = PublicKey.from_pem(KEYS.public), PublicKey.from_pem(OTHER_KEYS.public)


def hashes(size: int | None = None) -> list[bytes]:
    return [leaf.hash for leaf in honest().rows[:size]]


def report(book: Book, *, key: PublicKey | None = None, origin=ORIGIN, **given: str) -> Report:
    return run(verify(book, checkpoints=given, key=key, origin=origin))


def test_an_honest_log_says_how_far_it_is_confirmed_and_by_whom():
    size = len(honest().rows)
    alone = report(honest())
    assert (alone.size, alone.root, alone.findings) == (size, honest().tip.root(), ())
    assert (alone.confirmed, alone.by) == (0, "")
    assert any("rewritten all of it" in warning for warning in alone.warnings)
    kept = report(honest(), key=KEY)
    assert (kept.confirmed, kept.by) == (30, "checkpoint 2 in the journal")
    assert any(f"records 30 to {size - 1} are newer" in each for each in kept.warnings)
    whole = report(honest(), key=KEY, outside=signed(hashes()))
    assert (whole.confirmed, whole.by) == (size, "checkpoint outside")
    assert (whole.findings, whole.warnings) == ((), ())


def test_without_a_key_a_checkpoint_from_outside_counts_and_it_is_said_that_nobody_checked_it():
    found = report(honest(), outside=signed(hashes(40), OTHER_KEYS))
    assert (found.findings, found.confirmed) == ((), 40)
    assert any("was not checked: no key" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (str(checkpoint(hashes(40))), "is not signed"),
        (signed(hashes(40), OTHER_KEYS), "is not signed with this key"),
        (signed(hashes(40)).replace("\n40\n", "\n41\n"), "was changed after it was signed"),
        (signed(hashes(40), origin="other/log"), "is of the log 'other/log'"),
        ("garbage", "is not a checkpoint"),
    ],
    ids=["unsigned", "another key", "changed", "another log", "garbage"],
)
def test_a_checkpoint_from_outside_that_can_not_be_relied_on_is_a_finding(text, what):
    found = report(honest(), key=KEY, outside=text)
    assert [what in finding.what for finding in found.findings] == [True]
    assert found.confirmed == 30, "it counts for nothing"
    assert str(found.findings[0]).startswith("checkpoint outside is") or "changed" in what


def test_keys_that_were_mixed_up_are_told():
    found = report(honest(), key=OTHER_KEY, outside=signed(hashes(40)))
    assert [f.what for f in found.findings] == ["checkpoint outside is not signed with this key"]
    assert sum("is not signed with this key" in warning for warning in found.warnings) == 2
    assert found.confirmed == 0


def test_checkpoints_in_the_journal_that_can_not_be_relied_on():
    book = honest()
    book.kept = [
        str(checkpoint(hashes(10))),
        signed(hashes(20)).replace("\n20\n", "\n21\n"),
        "garbage",
        signed(hashes(20), origin="other/log"),
    ]
    found = report(book, key=KEY)
    assert [str(finding) for finding in found.findings] == [
        "checkpoint 2 in the journal was changed after it was signed, or its signature was",
        "checkpoint 3 in the journal is not a checkpoint",
        "checkpoint 4 in the journal is of the log 'other/log', not of 'immutable/journal'",
    ]
    assert found.warnings[0] == "checkpoint 1 in the journal is not signed"


def test_a_log_with_a_name_of_its_own():
    book = honest()
    book.kept = []
    outside = signed(hashes(), origin="example.com/log")
    assert report(book, key=KEY, origin="example.com/log", outside=outside).findings == ()
    assert report(book, key=KEY, outside=outside).findings


def test_a_checkpoint_that_a_later_and_better_one_contradicts_is_at_fault_itself():
    wrong = [leaf_hash(b"other"), *hashes(19)]
    book = honest()
    book.kept = [str(checkpoint(wrong))]
    found = report(book, key=KEY, outside=signed(hashes(40)))
    name = "checkpoint 1 in the journal"
    assert found.findings == (Finding(f"{name} was never the root of this log at 20 records"),)
    assert found.confirmed == 40


def test_what_lies_in_the_journal_does_not_excuse_a_change_that_a_signed_checkpoint_shows():
    book = honest().edit(5, lambda record: record.update(at=1)).recomputed()
    found = report(book, key=KEY, outside=signed(hashes(40)))
    (finding,) = found.findings
    assert (finding.first, finding.last, found.confirmed) == (0, 39, 0)
    assert "changed along with its hash" in finding.what


def test_a_fault_says_which_record_of_which_rollout_it_is():
    book = honest()
    rollout = json.loads(book.rows[28].text)["rollout"]
    (finding,) = report(book.edit(28, lambda record: record.update(at=1))).findings
    assert str(finding) == (
        f"record 28 (rollout {rollout}, seq 1): changed: it does not have the hash with which it"
        " was written"
    )
    assert str(Finding("x", 1, 3)) == "records 1 to 3: x"


def test_a_record_that_can_not_follow_is_found_though_all_was_reckoned_anew():
    fenced = honest().edit(20, lambda record: record.update(fence=0)).recomputed(forget=True)
    assert "under lease 0, when there was lease 1" in report(fenced).findings[0].what
    asked = honest().edit(20, lambda record: record["record"].update(type="asked"))
    assert "and no other does" in report(asked.recomputed(forget=True)).findings[0].what
    nothing = honest().edit(20, lambda record: record.pop("record")).recomputed(forget=True)
    assert "it is not a record" in report(nothing).findings[0].what


def test_an_empty_log_is_sound():
    empty = report(Book([], Frontier(), []))
    assert (empty.size, empty.findings) == (0, ())
    assert report(Book([], Frontier(), []), key=KEY, o=signed([])).findings == ()
    assert report(honest(), key=KEY, o=signed([])).findings == ()


@define
class Growing(Book):
    """A log that grows by a record whenever its frontier is asked for, a few times."""

    later: list = None

    async def frontier(self):
        if self.later:
            self.rows.append(self.later.pop(0))
            self.tip = self.tip.extended([self.rows[-1].hash])
        return self.tip


def test_a_log_may_grow_while_it_is_checked():
    rows = honest().rows
    book = Growing(rows[:80], Frontier().extended(hashes(80)), honest().kept, rows[80:])
    found = report(book, key=KEY)
    assert (found.size, found.findings) == (len(rows), ())


def test_a_frontier_that_can_not_be_read_is_a_finding():
    class Broken(Book):
        async def frontier(self):
            raise InvalidValue("size", 3, "1 subtrees don't make a tree of that size")

    (finding,) = report(Broken(honest().rows, honest().tip, honest().kept)).findings
    assert "the journal's own frontier can't be read" in finding.what


def test_a_real_file_that_was_tampered_with(tmp_path):
    path = tmp_path / "journal.db"

    async def live() -> Report:
        async with world(3, journal=str(path)) as w:
            driven = asyncio.ensure_future(w.fleet.replace("v2", limits=LIMITS).end())
            await asyncio.sleep(40)
            during = await verify(w.journal)
            await driven
            return during

    during = run(live())
    assert during.size > 5
    assert during.findings == ()

    async def check(file: Path) -> tuple[Finding, ...]:
        journal = await open_journal(file)
        try:
            return (await verify(journal)).findings
        finally:
            await journal.close()

    assert asyncio.run(check(path)) == ()
    for statement, first, last in (
        ("UPDATE records SET text = replace(text, 'v2', 'v3') WHERE leaf = 0", 0, 0),
        ("UPDATE records SET hash = zeroblob(32) WHERE leaf = 4", 4, 4),
        ("UPDATE records SET hash = zeroblob(3) WHERE leaf = 4", 4, 4),
        ("UPDATE records SET rollout = 'elsewhere' WHERE leaf = 5", 5, 5),
        ("UPDATE records SET seq = 99 WHERE leaf = 6", 6, 6),
        ("DELETE FROM records WHERE leaf = 7", 7, 7),
        ("UPDATE records SET leaf = 1000 WHERE leaf = 9", 9, 9),
        ("UPDATE log SET frontier = zeroblob(8)", 0, None),
        ("UPDATE log SET frontier = zeroblob(9)", None, None),
    ):
        file = Path(shutil.copy(path, tmp_path / "tampered.db"))
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute(statement)
        connection.close()
        found = asyncio.run(check(file))
        assert found[0].first == first, (statement, found)
        assert last in (None, found[0].last)
