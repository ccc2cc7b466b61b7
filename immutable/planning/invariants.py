"""What a rollout never does. One set of predicates for the engine, the tests and the simulator.

An action is allowed if the invariants hold after it, or if it doesn't use up any of their slack:
a guard that forbade everything in a fleet that others have hurt would forbid the cure.

A breach that the cloud causes by itself (a death, a scale-out) is recorded and not fought.
"""

from __future__ import annotations

from math import ceil

from attrs import frozen

from immutable.planning.arithmetic import Counts, Window

__all__ = ["Standing", "breaches", "left_over", "needed"]


# 10 % of the traffic, F = 8: 0.8 servers, and a group with traffic has at least one.
# 50 %, F = 8: 4.     0 %: none.     A fleet of none needs none.
def needed(share: float, floor: int) -> int:
    """Return how many READY servers a group needs for *share* percent of the traffic."""
    return min(floor, max(1, int(share * floor // 100))) if share > 0 else 0


# F = 8, 6 READY, weights by 1 %: they can take 75 %, so 25 % stay.     8 READY: none stay.
# F = 9, 6 READY: 33.3 % stay, rounded up to 34 %.     Nobody READY here, but elsewhere: all stay.
def left_over(ready: int, elsewhere: int, floor: int, step: float) -> float:
    """Return the percentage of the traffic that *ready* servers can't take.

    Args:
        ready: How many are READY where the traffic is to go.
        elsewhere: How many are where it is now.
        floor: How many must stay available.
        step: The finest difference between two weights, in percent.
    """
    if ready == 0:
        return 100.0 if elsewhere else 0.0
    rest = max(0.0, 100 - 100 * ready / floor) if floor > 0 else 0.0
    return min(100.0, ceil(round(rest / step, 9)) * step)


@frozen
class Standing:
    """A fleet as the invariants see it.

    Attributes:
        window: The limits in absolute numbers.
        floor: How many must stay available.
        available: How many are.
        total: How many servers exist or will.
        hungry: How many READY servers the groups lack for the traffic that they get.
        share: The candidate's percentage of the traffic.
        stage: The percentage that it may have now.
        can_return: Whether stable's group exists, as long as it isn't given up.
        slots: How many slots there are for them; None for a fleet without volumes.
    """

    window: Window
    floor: int
    available: int
    total: int
    hungry: int = 0
    share: float = 0.0
    stage: float = 100.0
    can_return: bool = True
    slots: int | None = None

    @classmethod
    def of(
        cls, window: Window, floor: int, source: Counts, target: Counts, share: float | None = None
    ) -> Standing:
        """Return how a fleet of two groups stands; *share* is the target's part of the traffic."""
        total = source.exists + source.leaving + target.exists + target.leaving
        hungry = 0
        if share is not None:
            hungry = max(0, needed(share, floor) - target.ready)
            hungry += max(0, needed(100 - share, floor) - source.ready)
        return cls(window, floor, source.ready + target.proven, total, hungry)

    @property
    def ceiling(self) -> int:
        """How many servers may exist."""
        return self.window.wanted + self.window.surge


# N = 10, S = 2, U = 2, F = 8.
# available 8, total 12; retiring a READY one: 7 < 8, and it was 8: refused.
# available 6 (three died), retiring a broken one: still 6, no slack used: allowed.
# available 9, total 13 (the cloud healed), asking for one more: 14 > 12, and it was 13: refused.
# 3 slots, one of 3 drains still, asking for its successor: 4 > 3, whatever the surge: refused.
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
    if after.slots is not None and after.total > max(after.slots, before.total):
        found.append(
            f"{after.total} servers would exist for {after.slots} slots: a volume would get two"
            " writers"
        )
    if after.hungry > before.hungry:
        found.append(f"{after.hungry} READY servers would be missing where the traffic goes")
    if after.share > max(after.stage, before.share):
        found.append(
            f"the candidate would get {after.share:g} %, and {after.stage:g} % is its stage"
        )
    if before.can_return and not after.can_return:
        found.append("stable could not be brought back")
    return tuple(found)
