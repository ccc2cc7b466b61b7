"""A change record answers what auditors ask, and says of the rest that it was not recorded."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from immutable import JournalError
from immutable.audit.changes import NOT_RECORDED, changes
from immutable.audit.checkpoint import Checkpoint
from immutable.journal.merkle import leaf_hash, verify_inclusion
from immutable.testing import run
from tests.support.record import Book, honest

FIELDS = {
    "change", "type", "fleet", "where", "from", "to", "plan", "strategy", "instances", "reason",
    "requested_by", "approved_by", "executed_by", "requested_at", "started_at", "finished_at",
    "orders", "policy", "security_impact", "tests", "outcome", "way_back", "emergency", "log",
}  # fmt: skip


def of(book: Book) -> list[dict]:
    return run(changes(book))


def test_each_rollout_has_one_with_every_field():
    found = of(honest())
    assert [each["outcome"]["status"] for each in found] == [
        "succeeded", "rolled_back", "succeeded", "succeeded",
    ]  # fmt: skip
    assert [each["type"] for each in found] == ["replace"] * 3 + ["scale"]
    assert all(set(each) == FIELDS for each in found)
    assert json.loads(json.dumps(found)) == found


def test_it_says_what_changed_from_what_to_what_when_and_by_whom():
    first, second, *_ = of(honest())
    assert first["fleet"] == "memory://web"
    assert first["where"] == {"backend": "memory", "location": "", "account": NOT_RECORDED}
    assert (first["from"]["revision"], first["to"]["revision"]) == (1, 2)
    assert (first["from"]["artifact"], first["to"]["artifact"]) == ("v1", "v2")
    assert first["to"]["digest"].startswith("sha256:")
    assert first["to"]["assurance"] == "artifact"
    assert first["to"]["commit"] == NOT_RECORDED
    assert first["way_back"]["digest"] == first["from"]["digest"]
    assert first["instances"] == {"planned": 3, "wanted": 3, "ready_before": 3}
    assert (first["reason"], second["reason"]) == ("CVE-1", NOT_RECORDED)
    assert first["requested_at"] == "2027-01-15T08:00:00+00:00"
    assert first["started_at"] == first["requested_at"] < first["finished_at"]
    assert len(first["executed_by"]["controllers"]) == 1
    assert (first["policy"], first["emergency"]) == ("no policy", "no")
    assert first["approved_by"] == {"wanted": False, "given": []}
    assert first["way_back"]["used"] == "no"
    assert "failed" in second["way_back"]["used"]
    assert "failed" in second["outcome"]["reason"]


def test_it_says_who_approved_and_whether_that_was_somebody_else():
    third = of(honest())[2]
    assert third["requested_by"] != "grace"
    assert third["approved_by"]["wanted"]
    (approval,) = third["approved_by"]["given"]
    assert (approval["by"], approval["reason"]) == ("grace", "tried it")
    assert approval["distinct"]
    assert approval["at"] > third["started_at"]
    gates = {each["gate"]: each["verdict"] for each in third["tests"]["gates"]}
    assert gates["approval by two people"] in ("pass", "none", "inconclusive")
    own = honest()
    for index in range(len(own.rows)):
        document = json.loads(own.rows[index].text)
        if document["record"]["type"] == "ordered":
            asked = third["requested_by"]
            own = own.edit(index, lambda each, by=asked: each["record"].update(actor=by))
    assert [each["distinct"] for each in of(own)[2]["approved_by"]["given"]] == [False]


def test_it_proves_where_it_is_in_the_log():
    for change in of(honest()):
        log = change["log"]
        now = Checkpoint.parse(log["checkpoint"])
        assert (now.size, now.root) == (len(honest().rows), honest().tip.root())
        for end, kind in (("first", "asked"), ("last", "ended")):
            index, proof = log[end]["index"], [b64decode(each) for each in log[end]["proof"]]
            text = honest().rows[index].text
            document = json.loads(text)
            assert (document["rollout"], document["record"]["type"]) == (change["change"], kind)
            assert verify_inclusion(leaf_hash(text.encode()), index, now.size, proof, now.root)


def test_one_that_goes_on_says_so():
    book = honest()
    book.rows = book.rows[:20]
    (change,) = of(book)
    assert change["outcome"] == {"status": "unfinished", "reason": "", "left": []}
    assert change["finished_at"] == "not yet"
    book.rows = book.rows[:1]
    (change,) = of(book)
    assert change["started_at"] == "not yet"
    assert change["instances"]["wanted"] == NOT_RECORDED


@pytest.mark.parametrize("taken", [0, 1])
def test_a_log_that_makes_no_sense_is_refused_with_the_way_on(taken):
    book = honest().edit(1, lambda record: record["record"].pop("groups"))
    with pytest.raises(JournalError, match=r"record 1 .*immutable audit verify"):
        of(book if taken else honest().without(0))
