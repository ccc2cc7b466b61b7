"""Which temporary changes of a fleet are to be undone, and by what right. Pure.

A hold names its rollout and its end. One whose rollout has ended, or whose time is over, is
nobody's any more; what it changed stays changed until somebody undoes it.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from immutable.model import FleetState, Group, Hold, Status
from immutable.model.quantities import duration

__all__ = ["Leftover", "leftovers"]


@frozen
class Leftover:
    """A temporary change of a group.

    Attributes:
        revision: Whose group.
        hold: The hold that made it.
        sweep: Whether it is to be undone, or was.
        why: Why it is, or why it is not.
    """

    revision: int
    hold: Hold
    sweep: bool
    why: str

    def __str__(self) -> str:
        verb = "restored" if self.sweep else "left"
        return f"r{self.revision}, held by rollout {self.hold.rollout}: {verb}, {self.why}"


def leftovers(state: FleetState, known: Mapping[str, Status]) -> tuple[Leftover, ...]:
    """Return the holds on a fleet, each with what is to become of it.

    The group with the most members comes last: undoing a hold brings the fleet's scaling settings
    to its group, and they belong where the fleet serves from.

    Args:
        state: The fleet.
        known: How the rollouts that the journal knows stand, by identifier.
    """
    groups = sorted(state.groups, key=lambda group: (group.size, group.number))
    return tuple(
        _judged(group, hold, known.get(hold.rollout), state.at)
        for group in groups
        if (hold := group.hold or group.lapsed) is not None
    )


def _judged(group: Group, hold: Hold, status: Status | None, at: float) -> Leftover:
    if status is not None and not status.ended:
        return Leftover(group.number, hold, sweep=False, why="which has not ended: recover it")
    if status is not None:
        return Leftover(group.number, hold, sweep=True, why="which has ended")
    if group.hold is None:
        over = duration(max(0.0, at - hold.until))
        why = f"whose time was over {over} ago"
        return Leftover(group.number, hold, sweep=True, why=why)
    left = duration(max(0.0, hold.until - at))
    why = f"which this journal doesn't know and which may be alive: its time is over in {left}"
    return Leftover(group.number, hold, sweep=False, why=why)
