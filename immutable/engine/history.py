"""What the journal tells of a fleet's past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from immutable.errors import InvalidValue
from immutable.journal import Entry
from immutable.model import PlanKind, Revision, Status

__all__ = ["earlier_revision", "last_that_left"]


def earlier_revision(entries: Iterable[Entry], current: int, wanted: int | None) -> Revision:
    """Return a revision that the fleet has run, to go back to.

    Args:
        entries: The fleet's rollouts, the oldest first.
        current: The number of the revision that it runs now.
        wanted: The number of the one to go back to; None for the one before.

    Raises:
        InvalidValue: The fleet is not known to have run it.
    """
    done = [
        entry.plan
        for entry in entries
        if entry.status is Status.SUCCEEDED and entry.plan.kind is PlanKind.REPLACE
    ]
    known = {rev.number: rev for plan in done for rev in (plan.stable, plan.candidate)}
    came_from = [plan.stable.number for plan in done if plan.candidate.number == current]
    number = wanted if wanted is not None else next(iter(came_from[::-1]), None)
    if number is None or number not in known or number == current:
        others = ", ".join(f"r{each}" for each in sorted(known.keys() - {current})) or "none"
        raise InvalidValue("to", wanted, f"the fleet is at r{current}; known are: {others}")
    return known[number]


def last_that_left(entries: Sequence[Entry], pair: set[int]) -> Entry | None:
    """Return the last rollout that has left the fleet with two revisions; None for none.

    One that was rolled back left nothing.

    Args:
        entries: The fleet's rollouts, the oldest first.
        pair: The numbers of the two.
    """
    for entry in reversed(entries):
        between = {entry.plan.stable.number, entry.plan.candidate.number}
        if between == pair and entry.status is not Status.ROLLED_BACK:
            return entry
    return None
