"""What a rollout never does. One set of predicates for the engine, the tests and the simulator.

An action is allowed if the invariants hold after it, or if it doesn't use up any of their slack:
a guard that forbade everything in a fleet that others have hurt would forbid the cure.

A breach that the cloud causes by itself (a death, a scale-out) is recorded and not fought.
"""

from __future__ import annotations

from attrs import frozen

from immutable.planning.arithmetic import Counts, Window

__all__ = ["Standing", "breaches"]


@frozen
class Standing:
    """A fleet as the invariants see it.

    Attributes:
        window: The limits in absolute numbers.
        floor: How many must stay available.
        available: How many are.
        total: How many servers exist or will.
        can_return: Whether stable's group exists, as long as it isn't given up.
    """

    window: Window
    floor: int
    available: int
    total: int
    can_return: bool = True

    @classmethod
    def of(cls, window: Window, floor: int, source: Counts, target: Counts) -> Standing:
        """Return how a fleet of two groups stands."""
        total = source.exists + source.leaving + target.exists + target.leaving
        return cls(window, floor, source.ready + target.proven, total)

    @property
    def ceiling(self) -> int:
        """How many servers may exist."""
        return self.window.wanted + self.window.surge


# N = 10, S = 2, U = 2, F = 8.
# available 8, total 12; retiring a READY one: 7 < 8, and it was 8: refused.
# available 6 (three died), retiring a broken one: still 6, no slack used: allowed.
# available 9, total 13 (the cloud healed), asking for one more: 14 > 12, and it was 13: refused.
def breaches(before: Standing, after: Standing) -> tuple[str, ...]:
    """Return what an action that leads from *before* to *after* would break; empty when allowed."""
    found = []
    if after.available < min(after.floor, before.available):
        found.append(
            f"available would fall from {before.available} to {after.available},"
            f" below {after.floor}"
        )
    if after.total > max(after.ceiling, before.total):
        found.append(
            f"servers would rise from {before.total} to {after.total}, above {after.ceiling}"
        )
    if before.can_return and not after.can_return:
        found.append("stable could not be brought back")
    return tuple(found)
