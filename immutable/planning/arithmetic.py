"""The numbers of a rollout: how many may start, how many may go. Pure.

Words used throughout, each a count of instances:

size    what a group was last asked to have
live    members that exist and aren't leaving: STARTING, READY or UNREADY
exists  max(size, live): a launch that was asked for will exist, whether or not it does yet
leaving draining or terminating: still holds quota, addresses and money
proven  READY for at least ``min_ready``
N S U   the wanted size, the surge above it, the unavailable below it
F       the floor: what must stay available
"""

from __future__ import annotations

from attrs import frozen

from immutable.model import Limits
from immutable.model.quantities import rounded_down, rounded_up

__all__ = [
    "Counts",
    "Window",
    "done_tolerance",
    "floor",
    "growth",
    "removable",
    "room",
    "wanted_after",
    "window",
]


@frozen
class Counts:
    """One group, counted.

    Attributes:
        size: What it was last asked to have.
        starting: Launched and never READY so far.
        ready: READY.
        proven: READY for at least ``min_ready``; part of *ready*.
        unready: Was READY, isn't now.
        leaving: Draining or terminating.
    """

    size: int = 0
    starting: int = 0
    ready: int = 0
    proven: int = 0
    unready: int = 0
    leaving: int = 0

    @property
    def live(self) -> int:
        """Members that exist and aren't leaving."""
        return self.starting + self.ready + self.unready

    @property
    def exists(self) -> int:
        """Members that exist or will, by what was asked for."""
        return max(self.size, self.live)

    @property
    def broken(self) -> int:
        """Members short of READY: not READY yet, not READY any more, or missing."""
        return max(self.size, self.live) - self.ready


@frozen
class Window:
    """Limits in absolute numbers for one size of fleet.

    Attributes:
        wanted: The wanted size, N.
        surge: How many may exist above it, S.
        unavailable: How many may be missing from service below it, U.
    """

    wanted: int
    surge: int
    unavailable: int


# 10 instances, "25%" and "25%": surge 2.5 rounds up to 3, unavailable 2.5 down to 2.
# 2 instances, "1%" and "1%":     surge 1, unavailable 0.
# 3 instances, 0 and "25%":       unavailable 0.75 rounds down to 0; both are 0 and nothing could
#                                 move, so surge is 1.
# 0 instances:                    nothing to move, 0 and 0 stay.
def window(limits: Limits, wanted: int) -> Window:
    """Return *limits* in absolute numbers for a fleet of *wanted* instances."""
    surge = rounded_up(limits.max_surge, wanted)
    unavailable = min(rounded_down(limits.max_unavailable, wanted), wanted)
    if surge == 0 and unavailable == 0 and wanted > 0:
        surge = 1
    return Window(wanted, surge, unavailable)


# N = 10, U = 2, all 10 READY at the start: 8 must stay available.
# N = 10, U = 2, only 5 READY at the start: 5; the rollout must not make it worse, and needs not
# repair it before it may begin.
def floor(limits: Window, ready_at_start: int) -> int:
    """Return how many instances must stay available: min(N - U, READY at the start)."""
    return min(limits.wanted - limits.unavailable, ready_at_start)


# N = 10, S = 2; stable has 8 live of size 8, one more is draining; the candidate was asked for 2
# and shows 1: exists = 8 + max(2, 1) = 10, leaving = 1, so 10 + 2 - 10 - 1 = 1 may start.
# A healing cloud made 14 exist: room is -2, nothing starts, and nothing is torn down for it.
def room(limits: Window, *groups: Counts) -> int:
    """Return how many more servers may exist: N + S less all that exist or will."""
    total = sum(group.exists + group.leaving for group in groups)
    return limits.wanted + limits.surge - total


# goal 10, size 4, room 3: 3.     goal 10, size 9, room 3: 1.     goal 3, size 4, room 3: 0.
def growth(goal: int, size: int, free: int) -> int:
    """Return by how many a group may grow towards *goal* with room for *free* more."""
    return max(0, min(goal - size, free))


# available 11, floor 10, 4 live, goal 0: one may go.
# available 11, floor 10, 4 live, goal 4: none has to.
# available 7, floor 8: none; servers that the rollout didn't take are missing.
def removable(available: int, least: int, live: int, goal: int) -> int:
    """Return how many members of a group may go, each counted as if it were READY."""
    return max(0, min(available - least, live - goal))


# 10 servers: our last action left stable at 5 and the candidate at 5. An autoscaler makes stable
# 6: a fifth more was wanted, so N = round(10 * 6 / 5) = 12, within the scaling bounds.
# stable alone of size 4, then found at 2: N = 2, and a candidate of 2 will do.
# expected 0, found 3 (a fleet of none was scaled out): N = 0 + 3.
def wanted_after(wanted: int, expected: int, found: int, least: int, most: int | None) -> int:
    """Return N after somebody else changed a group from size *expected* to *found*."""
    rounded = (2 * wanted * found + expected) // (2 * expected) if expected else wanted + found
    scaled = max(least, rounded)
    return scaled if most is None else min(scaled, most)


# A member may be down at the moment when all others are done, and under churn one always is: with
# deaths at rate r and W to heal one, N * r * W are down at any time. So the end asks for all to
# have been proven at some time, and for all but a tolerance to be READY at once: U, which the user
# granted for the whole way; or 1; or 10 % of ten and more, above which a fleet isn't churning but
# sick. A fleet of one has no tolerance: its one server serves.
#
# goal 1, U = 1: 0.      goal 4, U = 0: 1.      goal 20, U = 0: 2.      goal 20, U = 5: 5.
def done_tolerance(goal: int, unavailable: int) -> int:
    """Return how many of *goal* proven members may be short of READY when a step is reached."""
    least = goal // 10 if goal >= 10 else 1
    return max(0, min(goal - 1, max(unavailable, least)))
