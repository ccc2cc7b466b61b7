"""What the marks on a fleet's groups tell of a rollout that no journal knows. Pure.

Every hold says whose it is, and every group who made it, so the cloud itself knows which rollout
was at work, which of the groups is stable, and how many members that had before.
"""

from __future__ import annotations

from attrs import frozen

from immutable.model import FleetState, Group, Hold
from immutable.planning.script import HOLD

__all__ = ["Remnant", "find", "mark"]


@frozen
class Remnant:
    """What is left of a rollout.

    Attributes:
        rollout: The rollout's identifier.
        plan: The digest of its plan; empty where no mark tells it.
        fence: The highest lease number that the marks name.
        renewed_at: When it last renewed a hold, by the backend's clock; None when none is left.
        stable: The group that it comes from; None when it is gone, or can't be told.
        candidate: The group that it made; None when there is none.
        committed: Whether it is past the point of no return, as far as can be seen.
    """

    rollout: str
    plan: str
    fence: int
    renewed_at: float | None
    stable: Group | None
    candidate: Group | None
    committed: bool

    def silence(self, at: float) -> float | None:
        """Return for how many seconds it has given no sign of life; None when nobody can tell."""
        return None if self.renewed_at is None else at - self.renewed_at

    @property
    def home(self) -> Group | None:
        """The group that can be returned to; None when there is no way back."""
        return None if self.committed else self.stable


def mark(group: Group, rollout: str) -> Hold | None:
    """Return the hold of a rollout on a group, whether or not its time is over."""
    hold = group.mark
    return hold if hold is not None and hold.rollout == rollout else None


# r1 and r2, both held by A, r2 made by A: A moves the fleet from r1 to r2.
# r1 alone, held by A: A has not made r2 yet, or has removed it again, or changes the size.
# r2 alone, made by A, without a hold: A is done, there is no remnant.
# r1 and r2, r2 made by A, no hold on either: A was cancelled, or nobody tells of expired holds.
def find(state: FleetState) -> Remnant | None:
    """Return what is left of the rollout that was at work last; None when the fleet is whole."""
    rollout = _last_at_work(state)
    if not rollout:
        return None
    marks = [found for group in state.groups if (found := mark(group, rollout)) is not None]
    made = next((group for group in state.groups if group.rollout == rollout), None)
    stable = _stable(state, made, rollout)
    plans = [hold.plan for hold in marks] + ([made.plan] if made is not None else [])
    return Remnant(
        rollout=rollout,
        plan=next((plan for plan in plans if plan), ""),
        fence=max((hold.fence for hold in marks), default=0),
        renewed_at=max((hold.until - HOLD for hold in marks), default=None),
        stable=stable,
        candidate=made,
        committed=made is not None and _committed(state, made, stable, rollout),
    )


def _last_at_work(state: FleetState) -> str:
    holds = [group.mark for group in state.groups if group.mark is not None]
    if holds:
        return max(holds, key=lambda hold: hold.until).rollout
    newest = max(state.groups, key=lambda group: group.number, default=None)
    return newest.rollout if newest is not None and len(state.groups) > 1 else ""


def _stable(state: FleetState, made: Group | None, rollout: str) -> Group | None:
    """Return the group that a rollout comes from, if that can be told.

    One that goes back to a group that was kept has made none of two, and only its plan tells.
    """
    others = [group for group in state.groups if group is not made]
    held = [group for group in others if mark(group, rollout) is not None]
    for found in (held, others):
        if len(found) == 1:
            return found[0]
    return None


# The candidate is released when it is the fleet: before that it is held as long as stable is. So
# one that isn't, beside a stable that is, or that is alone, is past the point of no return. A mark
# without a size is of a backend that hides expired holds: there it may only have expired first.
def _committed(state: FleetState, made: Group, stable: Group | None, rollout: str) -> bool:
    if len(state.groups) == 1:
        return True
    kept = mark(stable, rollout) if stable is not None else None
    return kept is not None and kept.size is not None and mark(made, rollout) is None
