"""Whatever is done to a log, both verifiers find it and say where; an honest one passes both.

The log is that of real rollouts. `verify` reads the journal; the verifier in docs/, which has
nothing of ours, reads an export of it.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from immutable.audit.export import export
from immutable.audit.finding import Finding
from immutable.audit.keys import PublicKey
from immutable.audit.verify import verify
from immutable.journal.merkle import Frontier, leaf_hash
from immutable.testing import run
from tests.support.record import KEYS, MARKS, Book, honest, signed

SCRIPT = Path(__file__).parents[2] / "docs" / "verify.py"
OUTSIDE = 50
"""The size of the log when its checkpoint was kept elsewhere."""


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("stand_alone_verifier", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()


@frozen
class Auditor:
    """Somebody with a checkpoint from outside and the public key."""

    folder: Path
    outside: str
    patch: pytest.MonkeyPatch

    def by_journal(self, book: Book) -> list[Finding]:
        """What our own verifier finds."""
        key = PublicKey.from_pem(KEYS.public)
        report = run(verify(book, checkpoints={"outside": self.outside}, key=key))
        return list(report.findings)

    def export(self, book: Book) -> Path:
        async def lines() -> list[str]:
            return [line async for line in export(book)]

        path = self.folder / "export.jsonl"
        path.write_text("".join(run(lines())), encoding="utf-8")
        return path

    def by_script(self, export: Path) -> list[tuple[int, int, str]]:
        """What the verifier in docs/ finds: from which record to which, and what."""
        (self.folder / "outside").write_text(self.outside, encoding="utf-8")
        (self.folder / "public.pem").write_bytes(KEYS.public)
        outside, key = self.folder / "outside", self.folder / "public.pem"
        words = ["verify.py", export, outside, "--key", key]
        self.patch.setattr(sys, "argv", list(map(str, words)))
        found = []
        for line in (script.main() or "").splitlines():
            place = re.match(r"records? (\d+)(?: to (\d+))?", line)
            first = int(place[1]) if place else -1
            found.append((first, int(place[2] or first) if place else -1, line))
        return found

    def places(self, book: Book) -> list[set[tuple[int, int]]]:
        """Where each verifier finds something."""
        ours = {(f.first, f.last) for f in self.by_journal(book) if f.first is not None}
        theirs = {found[:2] for found in self.by_script(self.export(book))}
        return [ours, theirs]


@pytest.fixture
def auditor(tmp_path, monkeypatch) -> Auditor:
    outside = signed([leaf.hash for leaf in honest().rows[:OUTSIDE]])
    return Auditor(tmp_path, outside, monkeypatch)


def test_an_honest_log_passes_both(auditor, capsys):
    book = honest()
    assert auditor.by_journal(book) == []
    assert auditor.by_script(auditor.export(book)) == []
    confirmed = f"{OUTSIDE} of {len(book.rows)} records are as a checkpoint from outside"
    assert confirmed in capsys.readouterr().out


def paths(value: object, path: tuple = ()) -> Iterator[tuple]:
    """Every place in a document where there is a value that is no container, or an empty one."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value or ())
        if isinstance(value, list)
        else ()
    )
    inside = list(inside)
    for key, each in inside:
        yield from paths(each, (*path, key))
    if not inside:
        yield path


def other(value: object) -> object:
    match value:
        case bool() | None:
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
    return [1]


def changed(*path: object) -> Callable[[dict], None]:
    def change(document: dict) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = other(document[path[-1]])

    return change


EDITS = [(leaf.index, path) for leaf in honest().rows for path in paths(json.loads(leaf.text))]


def test_every_edit_of_any_field_of_any_record_is_found_in_its_place_by_verify(auditor):
    assert len(EDITS) > 1_000
    for index, path in EDITS:
        found = auditor.by_journal(honest().edit(index, changed(*path)))
        assert (index, index) in {(f.first, f.last) for f in found}, (index, path)
        assert all(f.first >= index for f in found)


@pytest.mark.parametrize(
    "edits", [EDITS[::9], pytest.param(EDITS, marks=pytest.mark.slow)], ids=["some", "every"]
)
def test_an_edit_of_any_field_of_any_record_is_found_in_its_place_by_the_script(auditor, edits):
    for index, path in edits:
        found = auditor.by_script(auditor.export(honest().edit(index, changed(*path))))
        assert (index, index) in {each[:2] for each in found}, (index, path)
        assert all(each[0] >= index for each in found)


def between(index: int, size: int) -> tuple[int, int]:
    """The records between the two checkpoints around one."""
    ends = [0, *MARKS, OUTSIDE, size]
    after = next(end for end in ends if end > index)
    return ends[ends.index(after) - 1], after - 1


def test_an_edit_along_with_its_hash_is_found_between_two_checkpoints(auditor):
    size = len(honest().rows)
    for index in range(size):
        for places in auditor.places(honest().edit(index, changed("at"), along=True)):
            assert between(index, size) in places, (index, places)


def test_a_changed_hash_is_found(auditor):
    for index in range(len(honest().rows)):
        book = honest()
        for forged in (leaf_hash(b"forged"), b""):
            book.rows[index] = evolve(book.rows[index], hash=forged)
            for places in auditor.places(book):
                assert (index, index) in places


def test_a_record_that_was_taken_out_is_found(auditor):
    size = len(honest().rows)
    for index in range(size - 1):
        ours, theirs = auditor.places(honest().without(index))
        assert (index, index) in ours
        assert (index + 1, index + 1) in theirs  # "record n was to come"


def test_a_record_that_was_taken_out_and_the_others_renumbered_is_found(auditor):
    for index in range(len(honest().rows) - 1):
        last = json.loads(honest().rows[index].text)["record"]["type"] == "ended"
        taken = honest().without(index, renumbered=True)
        for book in (taken, taken.copy().recomputed(forget=True)):
            ours, theirs = auditor.places(book)
            assert (index, index) in ours
            # The script knows nothing of fleets: who takes the end of a rollout away after the
            # newest checkpoint from outside, and reckons all anew, gets away with it.
            assert (index, index) in theirs or last
            assert theirs or index >= OUTSIDE


def test_two_records_that_changed_places_are_found(auditor):
    size = len(honest().rows)
    for one in range(size - 1):
        for two in {one + 1, (one * 7 + 3) % size} - {one}:
            for places in auditor.places(honest().swapped(one, two)):
                assert any(first <= min(one, two) <= last for first, last in places)


def test_a_tail_that_was_cut_off_is_found(auditor):
    size = len(honest().rows)
    for left in range(size):
        cut = honest().without(*range(left, size))
        for places in auditor.places(cut):
            assert (left, size - 1) in places
        if left < OUTSIDE:  # What the journal says of itself was cut to fit.
            for places in auditor.places(cut.recomputed()):
                assert (left, OUTSIDE - 1) in places


def test_a_record_that_the_journal_did_not_add_is_found(auditor):
    book = honest()
    text = book.rows[-1].text.replace('"seq":9', '"seq":10')
    assert text != book.rows[-1].text
    size = len(book.rows)
    book.rows.append(evolve(book.rows[-1], index=size, text=text, hash=leaf_hash(text.encode())))
    for places in auditor.places(book):
        assert (size, size) in places


def test_a_tree_that_was_reckoned_anew_is_found_by_the_checkpoint_from_outside(auditor):
    for index in range(OUTSIDE):
        for forget in (True, False):
            book = honest().edit(index, changed("at")).recomputed(forget=forget)
            for places in auditor.places(book):
                assert (0, OUTSIDE - 1) in places


def test_after_the_newest_checkpoint_from_outside_an_administrator_can_rewrite_all(auditor):
    for index in range(OUTSIDE, len(honest().rows)):
        book = honest().edit(index, changed("at"))
        hashes = [leaf_hash(leaf.text.encode()) for leaf in book.rows]
        book.rows = [evolve(leaf, hash=h) for leaf, h in zip(book.rows, hashes, strict=True)]
        book.tip = Frontier().extended(hashes)
        assert auditor.places(book) == [set(), set()], "docs/audit.md says otherwise"


def test_lines_of_an_export_that_were_edited_are_found(auditor):
    path = auditor.export(honest())
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for index in range(0, len(lines) - 1, 3):
        row = json.loads(lines[index + 1])
        for wrong in (
            row | {"proof": row["proof"][:-1]},
            row | {"proof": [row["hash"], *row["proof"][1:]]},
            row | {"proof": None},
            row | {"leaf": row["leaf"].replace('"at":1', '"at":2')},
            row | {"hash": "AAAA"},
            row | {"leaf": "{}"},
            {"index": index},
            [],
        ):
            path.write_text(
                "".join([*lines[: index + 1], json.dumps(wrong) + "\n", *lines[index + 2 :]]),
                encoding="utf-8",
            )
            assert (index, index) in {each[:2] for each in auditor.by_script(path)}, wrong
    for number in range(1, len(lines) - 1, 5):
        moved = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        path.write_text("".join(moved), encoding="utf-8")
        assert (number, number) in {each[:2] for each in auditor.by_script(path)}
        path.write_text("".join(lines[:number]), encoding="utf-8")
        last = len(lines) - 2
        assert (number - 1, last) in {each[:2] for each in auditor.by_script(path)}
