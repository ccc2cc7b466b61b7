"""What a record says of itself, and whether it can follow what came before it."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field, frozen

__all__ = ["Courses", "Said"]


@frozen
class Said:
    """What a record says, as far as its place is concerned.

    Attributes:
        rollout: The rollout that it says it belongs to; empty when it says none.
        seq: Its number there; None when it says none.
        wrong: What is wrong with that; empty for nothing.
    """

    rollout: str = ""
    seq: int | None = None
    wrong: str = ""


_FIRST = ("asked", "build_asked", "catalog_opened")
"""The kinds of records that are the first ones."""

_SUBJECTS = {"build_asked": "spec"}
"""The field that says what it is about; of others it is the fleet."""


@define
class _Course:
    seq: int = -1
    fence: int = 0
    ended: bool = False


@define
class Courses:
    """How far each rollout has come, by the records that were read so far.

    The records of a rollout are numbered 0, 1, 2 …; the first says who asked for it, and no other
    does; each is written under a lease that is as new as that of the one before, or newer. A fleet
    has one rollout at a time.
    """

    _courses: dict[str, _Course] = field(factory=dict, init=False)
    _newest: dict[str, str] = field(factory=dict, init=False)

    def follow(self, text: str) -> Said:
        """Take a record in, and return what it says and what is wrong with it."""
        try:
            leaf = json.loads(text)
            rollout, seq, fence = str(leaf["rollout"]), int(leaf["seq"]), int(leaf["fence"])
            record = leaf["record"]
            kind = record["type"]
            subject = _subject(kind, record)
        except (ValueError, KeyError, TypeError, AttributeError):
            return Said(wrong="it is not a record")
        course = self._courses.setdefault(rollout, _Course())
        wrong = _misplaced(course, seq, fence, kind)
        if kind in _FIRST:
            wrong = wrong or self._early(subject)
            self._newest[subject] = rollout
        course.seq, course.fence = max(course.seq, seq), max(course.fence, fence)
        course.ended |= kind == "ended"
        return Said(rollout, seq, wrong)

    def _early(self, subject: str) -> str:
        """Return why no rollout of a fleet, or build of a specification, can begin."""
        before = self._newest.get(subject)
        if before is None or self._courses[before].ended:
            return ""
        return f"rollout {before} of the same fleet has no end: some of its records are missing"


def _subject(kind: str, record: dict[str, Any]) -> str:
    """Return what there is one course of: a fleet, what an image is made of, or the catalog."""
    return "catalog" if kind == "catalog_opened" else str(record.get(_SUBJECTS.get(kind, "fleet")))


def _misplaced(course: _Course, seq: int, fence: int, kind: str) -> str:
    if seq != course.seq + 1:
        before = f"seq {course.seq}" if course.seq >= 0 else "nothing"
        return f"out of order, or some are missing: in its rollout it follows {before}"
    if (kind in _FIRST) != (seq == 0):
        return "the first record of a rollout says who asked for it, and no other does"
    if fence < course.fence:
        return f"it was written under lease {fence}, when there was lease {course.fence}"
    return ""
