"""Duplicates of boots that take long: when they help, and how many there may be. Pure.

Once nothing is left to launch, the surge is idle, and a few slow boots decide when all is over. As
servers are interchangeable, any N of them will do: for each boot that is late another server may be
launched in the room that is left, and whoever is not READY when N are proven goes again. This is
the hedged request of "The Tail at Scale" (Dean and Barroso, 2013), with servers for requests.
"""

from __future__ import annotations

from attrs import frozen

from immutable.model import Limits
from immutable.model.quantities import duration

__all__ = ["ENOUGH", "Late", "duplicates", "threshold"]

FACTOR = 1.5
LEAST = 10.0
"""Seconds by which a boot must be slower than most: what would save less isn't worth a server."""
ENOUGH = 3
"""Boots that must have ended before anybody can tell what is usual."""


@frozen
class Late:
    """Boots that take longer than usual.

    Attributes:
        count: How many.
        median: How many seconds the others took.
        after: After how many seconds a boot counts as late.
        soonest: In how many seconds the next one will; None if none is under way.
    """

    count: int = 0
    median: float = 0.0
    after: float = 0.0
    soonest: float | None = None

    def __str__(self) -> str:
        many = "boot is" if self.count == 1 else "boots are"
        usual = f"the median is {duration(round(self.median))}"
        return f"{self.count} {many} late, over {duration(round(self.after))}; {usual}"


# A median of 90 s: 135 s.     Of 4 s: 14 s.
def threshold(median: float) -> float:
    """Return after how many seconds a boot counts as late."""
    return max(FACTOR * median, median + LEAST)


# 20 of 100 may fail, none has: 19 may before it turns, so 9 of those that are late have duplicates,
# which may fail with them. 3 of 10 may: 1. A group of 10 that may have 12 members: 2 at most.
def duplicates(late: int, limits: Limits, wanted: int, failed: int, maximum: int | None) -> int:
    """Return how many duplicates there may be.

    So few that all of them and as many others may fail without turning the rollout: where servers
    hang because of the image, more of them would only fail sooner.

    Args:
        late: How many boots are late.
        limits: The limits of the rollout.
        wanted: The fleet's size, N.
        failed: How many have failed so far.
        maximum: The most members that the group may have; None for any number.
    """
    bearable = (limits.failures(wanted) - failed - 1) // 2
    most = bearable if maximum is None else min(bearable, maximum - wanted)
    return max(0, min(late, most))
