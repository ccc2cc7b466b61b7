"""The compliance pack: complete, of one piece, and checked by who has nothing of ours."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from immutable import JournalError
from immutable.audit.changes import NOT_RECORDED, changes
from immutable.audit.completeness import FIELDS, REQUIRED, lacks
from immutable.audit.controls import CONTROLS
from immutable.audit.inventory import told
from immutable.audit.pack import manifest, pack
from immutable.audit.tabulating import COLUMNS, cells, table
from immutable.backend import FleetState, Group, Origin
from immutable.model.drift import (
    DriftCode,
    DriftReason,
    DriftReport,
    DriftVerdict,
    Evidence,
    Finding,
    Stray,
)
from immutable.report import evidence
from immutable.testing import run
from tests.support.record import KEYS, honest, signed
from tests.support.world import revision

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_pack.py"
CHANGES = run(changes(honest()))


def complete():
    """Change records that lack nothing: those of the honest log, with a reason each."""
    found = deepcopy(CHANGES)
    for each in found:
        each["reason"] = each["reason"].replace(NOT_RECORDED, "said by mouth")
    return found


# -- completeness ----------------------------------------------------------------------------------


def test_a_complete_record_lacks_nothing_and_a_reason_that_nobody_gave_is_named():
    assert lacks(complete()) == ()
    without = [each["change"] for each in CHANGES if each["reason"] == NOT_RECORDED]
    assert without
    assert [(each.change, each.field) for each in lacks(CHANGES)] == [
        (change, "reason") for change in without
    ]
    assert str(lacks(CHANGES)[0]) == f"change {without[0]}: reason is not recorded"


@pytest.mark.parametrize("place", range(len(CHANGES)))
@pytest.mark.parametrize("field", FIELDS)
def test_any_field_that_is_missing_is_named_with_its_change(place, field):
    found = complete()
    name = found[place]["change"]
    del found[place][field]
    named = lacks(found)
    assert {each.place for each in named} == {place}
    assert field in {each.field for each in named}
    assert {each.change for each in named} == {"" if field == "change" else name}


@pytest.mark.parametrize("path", REQUIRED)
@pytest.mark.parametrize("value", [None, "", NOT_RECORDED])
def test_any_required_field_that_says_nothing_is_named(path, value):
    found = complete()
    *way, last = path.split(".")
    inner = found[0]
    for name in way:
        inner = inner[name]
    inner[last] = value
    assert [each.field for each in lacks(found)] == [path]


def test_what_a_change_has_only_at_its_end_is_not_asked_of_one_that_has_none():
    found = complete()
    found[-1]["outcome"]["status"] = "unfinished"
    found[-1]["finished_at"] = "not yet"
    assert lacks(found) == ()
    found[-1]["outcome"]["status"] = "succeeded"
    assert [each.field for each in lacks(found)] == ["finished_at"]


def test_an_approval_that_was_wanted_and_not_given_is_named():
    found = complete()
    place = next(n for n, each in enumerate(found) if each["approved_by"]["wanted"])
    found[place]["approved_by"]["given"] = []
    assert [each.field for each in lacks(found)] == ["approved_by.given"]


# -- the table -------------------------------------------------------------------------------------


def test_the_table_says_what_the_records_say():
    rows = list(csv.DictReader(io.StringIO(table(CHANGES), newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["change"] for row in rows] == [each["change"] for each in CHANGES]
    assert [row["outcome.status"] for row in rows] == [e["outcome"]["status"] for e in CHANGES]
    assert "grace" in {row["approved_by.given"] for row in rows}
    assert {row["approved_by.wanted"] for row in rows} == {"yes", "no"}


@given(st.text())
def test_whatever_a_reason_is_it_comes_back_and_is_no_formula(text):
    change = deepcopy(CHANGES[0]) | {"reason": text}
    ((_, row),) = enumerate(csv.DictReader(io.StringIO(table([change]), newline="")))
    cell = row["reason"]
    assert cell in (text, f"'{text}")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cells(change)[COLUMNS.index("reason")] == cell


# -- the share -------------------------------------------------------------------------------------


def finding(name, number=2, verdict=DriftVerdict.OK, reasons=(), unknown=()):
    assurance = Evidence.CONTROL_PLANE
    return Finding(name, number, 0.0, verdict, assurance, tuple(reasons), tuple(unknown))


def state(*groups):
    return FleetState(fleet="web", groups=groups, instances=(), at=0.0, cursor=0)


def test_the_share_counts_what_is_seen_to_be_immutable_and_names_the_rest():
    drifted = finding("i-1", verdict=DriftVerdict.DRIFTED, reasons=[DriftReason(DriftCode.DISK)])
    touched = finding("i-2", verdict=DriftVerdict.DRIFTED, reasons=[DriftReason(DriftCode.TAINTED)])
    unknown = finding("i-3", verdict=DriftVerdict.UNKNOWN, unknown=["no right to see it"])
    adopted = finding("i-4", number=1)
    findings = (drifted, touched, unknown, adopted, finding("i-5"), finding("i-6"))
    report = DriftReport("memory://web", 0.0, findings, (Stray("i-9", "a stranger"),))
    groups = Group(revision(1), 1, origin=Origin.ADOPTED), Group(revision(2, "v2"), 5)
    said = told("memory://web", state(*groups), report)
    assert (said["instances"], said["immutable"]) == (7, 2)
    assert {each["instance"]: each["kind"] for each in said["exceptions"]} == {
        "i-1": "drifted", "i-2": "touched", "i-3": "unknown", "i-4": "adopted",
        "i-9": "not managed",
    }  # fmt: skip
    assert said["exceptions"][2]["why"] == ["no right to see it"]


@given(st.lists(st.sampled_from(DriftVerdict), max_size=20), st.integers(0, 3), st.booleans())
def test_every_instance_is_immutable_or_an_exception_and_never_both(verdicts, strays, adopted):
    found = tuple(finding(f"i-{n}", 1, each) for n, each in enumerate(verdicts))
    report = DriftReport("a", 0.0, found, tuple(Stray(f"s-{n}", "x") for n in range(strays)))
    origin = Origin.ADOPTED if adopted else Origin.OURS
    said = told("a", state(Group(revision(1), 1, origin=origin)), report)
    assert said["immutable"] + len(said["exceptions"]) == said["instances"]
    assert said["immutable"] == (0 if adopted else verdicts.count(DriftVerdict.OK))


# -- controls --------------------------------------------------------------------------------------


def test_what_answers_a_control_exists():
    files = {"inventory.json", "log.jsonl"}
    for control in CONTROLS:
        for each in control.answered_by:
            top, *rest = each.split(".")
            assert each in files or top in FIELDS, control
            inner = CHANGES[0].get(top, {})
            for name in rest if each not in files else ():
                assert name in inner, control
        assert control.not_answered, control
    numbers = [(each.framework, each.number) for each in CONTROLS]
    assert len(set(numbers)) == len(numbers)


# -- all of it -------------------------------------------------------------------------------------


@pytest.fixture
def packed(tmp_path):
    """A pack on disk, and what checks it as a process of its own."""
    made = run(pack(honest()))
    said = [asdict(each) for each in CONTROLS]
    html = evidence.page(made.changes, [str(e) for e in made.lacks], said, None, "today")
    files = {**made.files, "index.html": html}
    place = tmp_path / "pack"
    place.mkdir()
    for name, text in {**files, "manifest.json": manifest(files)}.items():
        (place / name).write_bytes(text.encode())
    hashes = [leaf.hash for leaf in honest().rows]
    (tmp_path / "public.pem").write_bytes(KEYS.public)
    (tmp_path / "outside.txt").write_text(signed(hashes), encoding="utf-8")

    def check(*words: str, code: int = 0) -> str:
        command = [sys.executable, str(SCRIPT), "pack", *words]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    check.place = place
    return check


def resum(place):
    """Make the manifest anew, as whoever changed a file can."""
    files = {p.name: p.read_bytes() for p in place.iterdir() if p.name != "manifest.json"}
    sums = {name: sha256(data).hexdigest() for name, data in files.items()}
    (place / "manifest.json").write_text(json.dumps({"files": sums}))


def test_an_honest_pack_passes(packed):
    assert "are as a checkpoint from outside" in packed("outside.txt", "--key", "public.pem")


def test_a_change_record_says_what_the_command_says(packed):
    lines = (packed.place / "changes.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == CHANGES
    complete = json.loads((packed.place / "completeness.json").read_text())
    assert complete["complete"] is False
    assert {each["field"] for each in complete["lacks"]} == {"reason"}


def test_every_file_that_is_changed_removed_or_added_is_named(packed):
    names = sorted(path.name for path in packed.place.iterdir() if path.name != "manifest.json")
    assert len(names) == 7
    for name in ("README.txt", "controls.json", "completeness.json", "index.html"):
        file = packed.place / name
        before = file.read_bytes()
        file.write_bytes(before + b" ")
        assert f"{name}: changed" in packed(code=1)
        file.write_bytes(before)
    (packed.place / "inventory.json").write_text("{}")
    assert "inventory.json: the manifest does not know" in packed(code=1)
    (packed.place / "inventory.json").unlink()
    (packed.place / "README.txt").unlink()
    assert "README.txt: missing" in packed(code=1)


def edited(place, change):
    file = place / "changes.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    change(found)
    file.write_text("".join(json.dumps(each) + "\n" for each in found))
    resum(place)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda found: found[0].update(requested_by="somebody"), "requested_by is 'somebody'"),
        (lambda found: found[0].update(reason="none"), "reason is 'none'"),
        (lambda found: found[1]["outcome"].update(status="succeeded"), "outcome is 'succeeded'"),
        (lambda found: found[1]["to"].update(revision=9), "to is 9"),
        (lambda found: found[0]["log"]["first"].update(index=3), "does not lead to"),
        (lambda found: found[2]["log"]["last"]["proof"].pop(), "does not lead to"),
        (lambda found: found.pop(), "not the changes of the log"),
        (lambda found: found.append(found[0]), "not the changes of the log"),
        (lambda found: found.reverse(), "not the changes of the log"),
        (lambda found: found[0].pop("outcome"), "makes no sense"),
    ],
)
def test_who_changes_a_record_and_the_manifest_too_is_found_by_the_log(packed, change, what):
    edited(packed.place, change)
    assert what in packed(code=1)


def test_who_changes_the_table_and_the_manifest_too_is_found(packed):
    file = packed.place / "changes.csv"
    text = file.read_bytes().decode().replace("rolled_back", "succeeded")
    file.write_bytes(text.encode())
    resum(packed.place)
    assert "changes.csv: not the changes of changes.jsonl" in packed(code=1)


def test_who_changes_the_log_and_everything_else_is_found_by_a_checkpoint_from_elsewhere(packed):
    book = honest().edit(0, lambda leaf: leaf["record"].update(actor="mallory"), along=True)
    forged = run(pack(book.recomputed()))
    for name, text in forged.files.items():
        (packed.place / name).write_bytes(text.encode())
    html = evidence.page(forged.changes, [], [], None, "today")
    (packed.place / "index.html").write_text(html)
    resum(packed.place)
    packed()  # By itself it is of one piece …
    said = packed("outside.txt", "--key", "public.pem", code=1)
    assert "not those that outside.txt stands for" in said


def test_the_script_is_short_and_imports_nothing_of_ours():
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported - set(sys.stdlib_module_names) == {"verify"}


class Growing:
    """A journal that has one record more after each look at its size, up to a size."""

    def __init__(self, size, most):
        self.size, self.most = size, most

    def _now(self):
        book = honest().copy()
        book.rows = book.rows[: self.size]
        return book.recomputed(forget=True)

    async def leaves(self, *, after=-1, limit=10_000):
        return await self._now().leaves(after=after, limit=limit)

    async def frontier(self):
        tip = self._now().tip
        self.size = min(self.most, self.size + 1)
        return tip

    async def checkpoints(self):
        return []


def test_a_journal_that_is_written_to_meanwhile_is_read_again():
    size = len(honest().rows)
    made = run(pack(Growing(size - 3, size)))
    head = json.loads(made.files["log.jsonl"].partition("\n")[0])["checkpoints"][-1]
    assert {each["log"]["checkpoint"] for each in made.changes} == {head}
    assert head.split("\n")[1] == str(size)


def test_a_journal_that_never_rests_is_said_so():
    with pytest.raises(JournalError, match="copy"):
        run(pack(Growing(10, 40)))


def test_the_page_shows_every_change_and_what_is_lacking_and_texts_do_nothing():
    found = complete()
    found[0]["reason"] = "<script>alert(1)</script>"
    html = evidence.page(found, ["change x: reason is missing"], [], None, "today")
    assert all(each["change"] in html for each in found)
    assert "<script>" not in html
    assert "reason is missing" in html
    assert "no fleet was looked at" in html


def test_the_docs_say_which_controls_there_are_and_what_is_required():
    text = (SCRIPT.parent / "compliance.md").read_text(encoding="utf-8")
    for each in CONTROLS:
        answered = ", ".join(f"`{name}`" for name in each.answered_by)
        row = f"| {each.framework} {each.number} | {each.asks} | {answered} | {each.not_answered} |"
        assert row in text
        assert (text.index(row) < text.index("*not read:*")) is each.read
    assert all(f"`{path}`" in text for path in REQUIRED)
