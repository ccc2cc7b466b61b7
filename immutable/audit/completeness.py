"""Whether change records say what auditors ask for, and which field of which does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from immutable.audit.changes import NOT_RECORDED

__all__ = ["FIELDS", "REQUIRED", "Lack", "lacks"]

FIELDS = (
    "change", "type", "fleet", "where", "from", "to", "plan", "strategy", "instances", "reason",
    "requested_by", "approved_by", "executed_by", "requested_at", "started_at", "finished_at",
    "orders", "policy", "security_impact", "tests", "outcome", "way_back", "emergency", "log",
)  # fmt: skip
"""What every change record has, whatever it says there."""

REQUIRED = (
    "change",
    "type",
    "fleet",
    "from.artifact",
    "to.artifact",
    "plan",
    "reason",
    "requested_by",
    "executed_by.controllers",
    "requested_at",
    "started_at",
    "finished_at",
    "outcome.status",
    "way_back.planned",
    "log.first.proof",
    "log.last.proof",
    "log.checkpoint",
)
"""What has to be known of every change that has ended. The rest may be, as its value, not recorded:
the log can't know it, and says so."""

_LATER = ("executed_by.controllers", "started_at", "finished_at")
"""What only a change that has ended has."""

_ABSENT = object()


@frozen
class Lack:
    """A field that a change record has to have, and has not.

    Attributes:
        change: The change; empty when it does not even say that.
        place: Its place among the change records, from 0.
        field: The field, with dots between the names on the way to it.
        why: What is wrong with it.
    """

    change: str
    place: int
    field: str
    why: str

    def __str__(self) -> str:
        return f"change {self.change or f'number {self.place}'}: {self.field} {self.why}"


def lacks(changes: Sequence[dict[str, Any]]) -> tuple[Lack, ...]:
    """Return what change records lack; empty when they are complete."""
    return tuple(
        Lack(str(change.get("change") or ""), place, name, why)
        for place, change in enumerate(changes)
        for name, why in _lacking(change)
    )


def _lacking(change: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in FIELDS:
        if name not in change:
            yield name, "is missing"
    ended = _at(change, "outcome.status") not in ("unfinished", _ABSENT)
    for path in REQUIRED:
        if path.partition(".")[0] not in change or (path in _LATER and not ended):
            continue
        value = _at(change, path)
        # A log of one record has an empty proof.
        if value is _ABSENT or value is None:
            yield path, "is missing"
        elif value in ("", "not yet") or (value == [] and not path.endswith(".proof")):
            yield path, "is empty"
        elif value == NOT_RECORDED:
            yield path, "is not recorded"
    if ended and _at(change, "approved_by.wanted") is True and not _approved(change):
        yield "approved_by.given", "is empty, and an approval was wanted"


def _approved(change: dict[str, Any]) -> bool:
    """Whether somebody approved, or the change did not come through for want of it."""
    failed = _at(change, "outcome.status") != "succeeded"
    return failed or bool(_at(change, "approved_by.given"))


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _ABSENT
        document = document[name]
    return document
