"""What the backend writes on the cloud, as tags: whose a group is, and who holds it. Pure.

A process may die at any time, and another one goes on: nothing that a later call needs is kept
anywhere else (E9).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from immutable.backend import Conflict, Context, Hold, Invalid, Revision, from_json, to_json
from immutable.errors import InvalidValue

__all__ = [
    "Mark",
    "born",
    "check",
    "group_name",
    "mark_of",
    "revision_of",
    "tags",
    "taken",
    "written",
]

_HOLD, _REVISION = "hold", "revision"


def group_name(fleet: str, number: int) -> str:
    """Return the one name that a revision's group can have (R1)."""
    return f"{fleet}-r{number}"


@frozen
class Mark:
    """A hold, and the originals of what it changed.

    Attributes:
        hold: Whose it is, until when, and the size and minimum that it found (H10).
        scale_in: Whether scale-in was allowed before it.
    """

    hold: Hold
    scale_in: bool


def mark_of(group: Mapping[str, Any]) -> Mark | None:
    """Return the mark on a group, over or not; None where there is none."""
    mark: Mark | None = _read(Mark, group, _HOLD) if group["tags"].get(_HOLD) else None
    return mark


def revision_of(group: Mapping[str, Any]) -> Revision:
    """Return the revision that a group was made for, equal to the last field (R4)."""
    revision: Revision = _read(Revision, group, _REVISION)
    return revision


def _read(kind: type, group: Mapping[str, Any], tag: str) -> Any:
    try:
        return from_json(kind, json.loads(group["tags"][tag]))
    except (InvalidValue, KeyError, ValueError):
        # Not chained: what the tag holds is nobody's business (E6).
        raise Invalid(f"{group['name']}: somebody has changed its tag {tag}") from None


def tags(revision: Revision, rollout: str = "", plan: str = "") -> dict[str, str]:
    """Return the tags that a group has for its whole life."""
    return {_REVISION: json.dumps(to_json(revision)), "rollout": rollout, "plan": plan}


def written(mark: Mark | None) -> dict[str, str | None]:
    """Return the change of tags that leaves *mark*; None removes a tag."""
    return {_HOLD: None if mark is None else json.dumps(to_json(mark))}


def born(until: float, ctx: Context) -> Mark:
    """Return the mark with which a new group is born held (R3)."""
    return Mark(Hold(ctx.rollout, ctx.fence, until, ctx.plan, size=0, minimum=0), scale_in=True)


# Held by A with minimum 3, lowered to 2; the hold ends unreleased; B takes it: 3 stays saved.
def taken(group: Mapping[str, Any], until: float, ctx: Context) -> Mark:
    """Return the mark after a hold: end and fence move, the first originals stay (H4, H5)."""
    new = Hold(ctx.rollout, ctx.fence, until, ctx.plan, group["size"], group["minimum"])
    old = mark_of(group)
    if old is None:
        return Mark(new, scale_in=group["scale_in"])
    size = old.hold.size if old.hold.rollout == ctx.rollout else group["size"]
    return Mark(evolve(new, size=size, minimum=old.hold.minimum), old.scale_in)


def check(group: Mapping[str, Any], ctx: Context, now: float) -> None:
    """Refuse a call of anybody but the holder (K5). Every mutating method asks this first.

    Raises:
        Conflict: Another rollout holds the group, or a later lease of the same one does.
    """
    mark = mark_of(group)
    if mark is None or mark.hold.until <= now:
        return
    owner, fence = mark.hold.rollout, mark.hold.fence
    if owner != ctx.rollout:
        raise Conflict(f"{group['name']} is held by rollout {owner}", owner=owner)
    if fence > ctx.fence:
        raise Conflict(f"{group['name']}: lease {ctx.fence} is older than {fence}", owner=owner)
