"""What rollouts write on groups: whose they are, who holds them, what to restore. Pure.

A managed instance group has neither labels nor tags. It has a description, which ``patch`` changes
under a fingerprint (so of two that write at once one is told), and which ``gcloud compute
instance-groups managed update --description`` changes too. Marks are one line at its end; what the
owner has written stays before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from immutable.backend import Hold, Origin, Pool
from immutable.toolkit.marks import origin_of, origin_text

__all__ = ["Marks", "Saved", "described", "read"]

_BEGIN = "immutable:"


@frozen
class Saved:
    """How a group was before it was first held.

    Attributes:
        minimum: Its autoscaler's minimum; 0 without one.
        mode: Its autoscaler's mode; empty when the hold didn't change it.
        redistribution: ``instanceRedistributionType``, if the hold changed it.
    """

    minimum: int = 0
    mode: str = ""
    redistribution: str = ""


@frozen
class Marks:
    """What is written on one group.

    Attributes:
        fleet: The fleet that it is of; empty for none.
        revision: Its revision's number; 0 for none.
        rollout: Which rollout made it.
        plan: The digest of that rollout's plan.
        origin: Whether it was made by a rollout.
        deletable: Whether it may be deleted: ours, or adopted so.
        pool: How it gets traffic.
        maximum: The most members that it may have, where no autoscaler says that; None for any.
        last: The highest number given out, and to which rollout.
        hold: The hold on it, over or not.
        saved: What to restore when that ends.
        image: The revision of an adopted group, as plain data.
        retired: The fleet that it was of, and the rollout that replaced it.
    """

    fleet: str = ""
    revision: int = 0
    rollout: str = ""
    plan: str = ""
    origin: Origin = Origin.OURS
    deletable: bool = True
    pool: Pool = Pool.SHARED
    maximum: int | None = None
    last: tuple[int, str] = (0, "")
    hold: Hold | None = None
    saved: Saved | None = None
    image: Any = field(default=None)
    retired: str = ""

    def without_hold(self) -> Marks:
        """Return them with no hold and nothing to restore."""
        return evolve(self, hold=None, saved=None)


# "Owner's words\nimmutable:{…}": what comes before the line is theirs.
def read(description: str) -> Marks:
    """Return the marks that a description has."""
    at = _found(description)
    if at < 0:
        return Marks()
    try:
        data = json.loads(description[at + len(_BEGIN) :])
        return _of(data) if isinstance(data, dict) else Marks()
    except (ValueError, KeyError, TypeError):
        return Marks()


def described(description: str, marks: Marks) -> str:
    """Return a description with these marks instead of those that it had; the rest stays."""
    at = _found(description)
    theirs = description if at < 0 else description[:at].removesuffix("\n")
    told = _plain(marks)
    if not told:
        return theirs
    ours = _BEGIN + json.dumps(told, separators=(",", ":"), sort_keys=True)
    return f"{theirs}\n{ours}" if theirs else ours


def _found(description: str) -> int:
    if description.startswith(_BEGIN):
        return 0
    at = description.rfind(f"\n{_BEGIN}")
    return at + 1 if at >= 0 else -1


def _plain(marks: Marks) -> dict[str, Any]:
    origin = origin_text(marks.origin, marks.deletable)
    told: dict[str, Any] = {
        "fleet": marks.fleet,
        "revision": marks.revision,
        "rollout": marks.rollout,
        "plan": marks.plan,
        "origin": "" if origin == Origin.OURS.value else origin,
        "pool": "" if marks.pool is Pool.SHARED else marks.pool.value,
        "last": list(marks.last) if marks.last[0] else "",
        "image": marks.image or "",
        "retired": marks.retired,
    }
    if marks.hold is not None:
        hold = marks.hold
        told["hold"] = [hold.rollout, hold.fence, hold.until, hold.size, hold.plan]
    if marks.saved is not None:
        told["saved"] = [marks.saved.minimum, marks.saved.mode, marks.saved.redistribution]
    told = {name: value for name, value in told.items() if value}
    return told if marks.maximum is None else {**told, "maximum": marks.maximum}


def _of(data: Mapping[str, Any]) -> Marks:
    origin, deletable = origin_of(data.get("origin", Origin.OURS.value))
    saved = Saved(*data["saved"]) if data.get("saved") else None
    last = data.get("last") or (0, "")
    return Marks(
        fleet=data.get("fleet", ""),
        revision=int(data.get("revision", 0)),
        rollout=data.get("rollout", ""),
        plan=data.get("plan", ""),
        origin=origin,
        deletable=deletable,
        pool=Pool(data.get("pool", Pool.SHARED.value)),
        maximum=data.get("maximum"),
        last=(int(last[0]), str(last[1])),
        hold=_hold(data.get("hold"), saved),
        saved=saved,
        image=data.get("image"),
        retired=data.get("retired", ""),
    )


def _hold(told: Any, saved: Saved | None) -> Hold | None:
    if not told:
        return None
    rollout, fence, until, size, plan = told
    minimum = None if saved is None else saved.minimum
    return Hold(str(rollout), int(fence), float(until), str(plan), size=size, minimum=minimum)
