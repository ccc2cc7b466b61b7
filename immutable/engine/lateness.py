"""How long boots took, and which of those that are under way take longer."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from math import inf

from immutable.model import Instance, InstanceState
from immutable.planning.hedging import ENOUGH, Late, threshold

__all__ = ["Lateness", "Median"]


class Median:
    """The median of values that come in one by one: the lower half and the upper, as heaps."""

    def __init__(self) -> None:
        self._lower: list[float] = []  # Negative: the greatest comes first.
        self._upper: list[float] = []

    def __len__(self) -> int:
        return len(self._lower) + len(self._upper)

    def add(self, value: float) -> None:
        """Take a value in."""
        if len(self._lower) > len(self._upper):
            heapq.heappush(self._upper, -heapq.heappushpop(self._lower, -value))
        else:
            heapq.heappush(self._lower, -heapq.heappushpop(self._upper, value))

    @property
    def value(self) -> float:
        """The median, of an even number the lower of the two; there must be a value."""
        return -self._lower[0]


class Lateness:
    """The boots of one revision.

    Everything is told from what is seen of its members, so that who takes over tells the same.

    Args:
        revision: Which; None for none, which costs nothing.
        longest: Seconds that a boot may take: what took longer wasn't one.
    """

    def __init__(self, revision: int | None, longest: float) -> None:
        self._revision = revision
        self._longest = longest
        self._taken = Median()

    def notice(self, old: Instance | None, new: Instance) -> None:
        """Note how long a boot took that has ended between two looks."""
        if new.revision != self._revision or new.ready_since is None:
            return
        ended = new.state is InstanceState.READY
        if ended and (old is None or old.state is InstanceState.STARTING):
            seconds = new.ready_since - new.launched_at
            if 0 < seconds <= self._longest:
                self._taken.add(seconds)

    def late(self, starting: Iterable[Iterable[Instance]], boots: int, at: float) -> Late:
        """Return how many boots are late; none as long as nobody can tell.

        While fewer have ended than are under way, those that have are the quick ones.

        Args:
            starting: Those that boot, in each zone in the order of their launch.
            boots: How many that are.
            at: The present time, by the backend's clock.
        """
        if len(self._taken) < max(ENOUGH, boots):
            return Late()
        median = self._taken.value
        after, count, soonest = threshold(median), 0, inf
        for zone in starting:
            for each in zone:
                left = each.launched_at + after - at
                if left > 0:
                    soonest = min(soonest, left)
                    break
                count += 1
        return Late(count, median, after, None if soonest == inf else soonest)
