"""What rollouts write on scale sets, as tags: whose they are, who holds them, who drains. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from immutable.backend import Hold, Origin
from immutable.toolkit.marks import hold_of, hold_text, last_of, last_text, origin_of, origin_text
from immutable.toolkit.packing import pack, packed_keys, unpack

__all__ = [
    "FLEET",
    "HOLD",
    "LAST",
    "MOST_TAGS",
    "ORIGIN",
    "PREFIX",
    "RETIRED",
    "Marks",
    "Saved",
    "birth_tags",
    "drain_tags",
    "first_tags",
    "fits",
    "hold_tags",
    "last_tag",
    "owners_tags",
    "without",
    "without_hold",
]

PREFIX = "immutable:"
FLEET = f"{PREFIX}fleet"
REVISION = f"{PREFIX}revision"
ROLLOUT = f"{PREFIX}rollout"
PLAN = f"{PREFIX}plan"
ORIGIN = f"{PREFIX}origin"
MAXIMUM = f"{PREFIX}maximum"
LAST = f"{PREFIX}last"
HOLD = f"{PREFIX}hold"
RETIRED = f"{PREFIX}retired"
SAVED = f"{PREFIX}saved"
DRAINING = f"{PREFIX}draining"
WHAT = f"{PREFIX}what"
POOL = f"{PREFIX}pool"
_OWN = "own"

MOST_TAGS = 50
""""Use tags to organize your Azure resources", limitations: 50 tags, 256 characters a value."""


@frozen
class Saved:
    """How a set was before it was first held.

    Attributes:
        minimum: The minimum of its autoscale setting; 0 without one.
        enabled: Whether the hold disabled that.
        repairs: Whether the hold suspended automatic repairs.
    """

    minimum: int = 0
    enabled: bool = False
    repairs: bool = False

    def text(self) -> str:
        """Return it as a tag's value."""
        return f"{self.minimum}/{int(self.enabled)}/{int(self.repairs)}"

    @classmethod
    def of(cls, text: str) -> Saved | None:
        """Return what `text` wrote; None for anything else."""
        parts = text.split("/")
        if len(parts) != 3 or not all(part.isdigit() for part in parts):
            return None
        return cls(int(parts[0]), parts[1] == "1", parts[2] == "1")


@frozen
class Marks:
    """What is written on one set.

    Attributes:
        fleet: The fleet that it is of; empty for none.
        revision: Its revision's number; 0 for none.
        rollout: Which rollout made it.
        plan: The digest of that rollout's plan.
        origin: Whether it was made by a rollout.
        deletable: Whether it may be deleted: ours, or adopted so.
        maximum: The most members that it may have; None for no bound.
        last: The highest number given out, and to which rollout.
        hold: The hold on it, over or not.
        saved: What to restore when that ends.
        draining: Members that were sent to retire, and since when.
        own: Whether the pool that it is in was made for a revision, and not by the owner.
        what: Its revision as plain data, without the values of its configuration.
    """

    fleet: str = ""
    revision: int = 0
    rollout: str = ""
    plan: str = ""
    origin: Origin = Origin.OURS
    deletable: bool = True
    maximum: int | None = None
    last: tuple[int, str] = (0, "")
    hold: Hold | None = None
    saved: Saved | None = None
    draining: Mapping[str, float] = field(factory=dict)
    own: bool = False
    what: Any = None

    @classmethod
    def read(cls, tags: Mapping[str, str]) -> Marks:
        """Return what a set's tags say."""
        saved = Saved.of(tags.get(SAVED, ""))
        origin, deletable = origin_of(tags.get(ORIGIN, Origin.OURS.value))
        revision, maximum = tags.get(REVISION, ""), tags.get(MAXIMUM, "")
        return cls(
            fleet=tags.get(FLEET, ""),
            revision=int(revision) if revision.isdigit() else 0,
            rollout=tags.get(ROLLOUT, ""),
            plan=tags.get(PLAN, ""),
            origin=origin,
            deletable=deletable,
            maximum=int(maximum) if maximum.isdigit() else None,
            last=last_of(tags.get(LAST, "")),
            hold=hold_of(tags.get(HOLD, ""), saved.minimum if saved else None),
            saved=saved,
            draining=_drains(unpack(DRAINING, tags)),
            own=tags.get(POOL) == _OWN,
            what=unpack(WHAT, tags),
        )


def _drains(data: Any) -> dict[str, float]:
    if not isinstance(data, list):
        return {}
    return {name: float(since) for since, names in data for name in names}


def birth_tags(marks: Marks, hold: Hold) -> dict[str, str]:
    """Return the tags that a set is made with, held from the start."""
    return {
        FLEET: marks.fleet,
        REVISION: str(marks.revision),
        ROLLOUT: marks.rollout,
        PLAN: marks.plan,
        ORIGIN: Origin.OURS.value,
        **_maximum(marks),
        **({POOL: _OWN} if marks.own else {}),
        **last_tag(marks.revision, marks.rollout),
        **hold_tags(hold, Saved()),
        **pack(WHAT, marks.what),
    }


def first_tags(marks: Marks) -> dict[str, str]:
    """Return the tags of a fleet's first set: nobody's rollout, and not held."""
    return {
        FLEET: marks.fleet,
        REVISION: str(marks.revision),
        ORIGIN: origin_text(marks.origin, marks.deletable),
        **_maximum(marks),
        **last_tag(marks.revision, ""),
        **pack(WHAT, marks.what),
    }


def _maximum(marks: Marks) -> dict[str, str]:
    return {} if marks.maximum is None else {MAXIMUM: str(marks.maximum)}


def last_tag(number: int, rollout: str) -> dict[str, str]:
    """Return the tag that says that a number was given out."""
    return {LAST: last_text(number, rollout)}


def hold_tags(hold: Hold, saved: Saved) -> dict[str, str]:
    """Return the tags of a hold and of what to restore after it."""
    return {HOLD: hold_text(hold), SAVED: saved.text()}


# {"4": 10.0, "7": 10.0, "9": 12.5}: [[10.0, ["4", "7"]], [12.5, ["9"]]], compressed.
def drain_tags(tags: Mapping[str, str], draining: Mapping[str, float]) -> dict[str, str]:
    """Return all tags of a set, with these members as the ones that drain."""
    kept = without(tags, packed_keys(DRAINING, tags))
    if not draining:
        return kept
    by_time: dict[float, list[str]] = {}
    for name, since in sorted(draining.items()):
        by_time.setdefault(since, []).append(name)
    return {**kept, **pack(DRAINING, [[since, by_time[since]] for since in sorted(by_time)])}


def fits(tags: Mapping[str, str]) -> bool:
    """Return whether a resource can have so many tags."""
    return len(tags) <= MOST_TAGS


def without(tags: Mapping[str, str], keys: list[str]) -> dict[str, str]:
    """Return *tags* without some."""
    return {key: value for key, value in tags.items() if key not in keys}


def without_hold(tags: Mapping[str, str]) -> dict[str, str]:
    """Return *tags* without what a hold has left."""
    return without(tags, [HOLD, SAVED])


def owners_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return those of *tags* that aren't ours."""
    return {key: value for key, value in tags.items() if not key.startswith(PREFIX)}
