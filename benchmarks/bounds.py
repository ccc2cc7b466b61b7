"""The least that boot times leave, and what two other ways make of the same ones. Pure.

With H = ``min_ready``, D = drain, T = terminate, S and U what there may be more and fewer, the
makespan can't be below

* work: sum(B_j + H + D + T) / (S + U), since servers that exist and aren't available number at
  most (N + S) - (N - U), and each spends that long so
* chain: for U = 0 max(B_j + H) + D + T, since the last drain can't begin before the last boot is
  done; for S = 0 the same, since no launch can begin before an old one is gone; with both the
  longer of the two
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import ceil

__all__ = ["DRAIN", "MIN_READY", "SYNC", "TERMINATE", "barrier", "bound", "kubernetes"]

MIN_READY, DRAIN, TERMINATE = 30.0, 20.0, 30.0
_END = DRAIN + TERMINATE

SYNC = 10.0
"""Seconds between two looks of Kubernetes' arithmetic, as readiness probes are by default."""


def bound(boots: Sequence[float], surge: int, unavailable: int = 0) -> float:
    """Return the least possible makespan for these boot times."""
    work = sum(each + MIN_READY + _END for each in boots) / (surge + unavailable)
    start = max(boots) + MIN_READY
    return max(work, max(start, _END) if surge and unavailable else start + _END)


def barrier(boots: Sequence[float], surge: int, unavailable: int = 0) -> float:
    """Return the makespan of an ideal barrier roller for these boot times.

    It launches and drains as many at once as the limits allow, and waits for all of them.
    """
    many = surge + unavailable
    batches = [boots[start : start + many] for start in range(0, len(boots), many)]
    return sum(max(batch) + MIN_READY + _END for batch in batches)


# Boots of 1 and 12 s, a surge of 1, looks each 10 s, H = 30: available at 40; the next one starts
# then, while the first old one drains until 90: three exist where two and one were allowed.
# With one less instead of one more: an old one drains from 0 on, and the first boot begins at 0
# as well; it is available at 40, when the other old one goes and the next one starts, until 90.
def kubernetes(boots: Sequence[float], surge: int, unavailable: int = 0) -> tuple[float, int]:
    """Return the makespan of a Deployment's arithmetic, and the most that exist at once.

    An old one goes when a new one is available, *unavailable* of them at once, and for each the
    next one starts at once, for what terminates is not counted.
    """
    size, now = len(boots), 0.0
    gone = [0.0] * min(unavailable, size)
    waiting: list[float] = []
    changes: list[tuple[float, int]] = []
    for started, boot in enumerate(boots):
        if started >= surge + unavailable:
            now = heapq.heappop(waiting)
            gone.append(now)
        heapq.heappush(waiting, SYNC * ceil((now + boot + MIN_READY) / SYNC))
        changes.append((now, 1))
    gone += sorted(waiting)[: size - len(gone)]
    changes += [(each + _END, -1) for each in gone]
    there = peak = size
    for _, change in sorted(changes):
        there += change
        peak = max(peak, there)
    return max(*waiting, gone[-1] + _END), peak
