"""One look as the tests take it: what can happen to a request, and how often it did.

The outcomes of a request fall into classes (it failed; it took so long). Of each class a sample
counts the canary's and both arms' together, beside the chance that a request was the canary's.
"""

from __future__ import annotations

from math import sqrt
from operator import add

from attrs import frozen

from immutable.gates.counts import Arm

__all__ = ["Sample", "contradicted", "error_sample", "latency_sample"]


@frozen
class Sample:
    """The outcomes that one look counted.

    Attributes:
        canary: How many of the canary's requests, by class.
        both: How many of both arms' requests, by class.
        share: The chance that a request was the canary's, between 0 and 1.
    """

    canary: tuple[int, ...]
    both: tuple[int, ...]
    share: float

    # canary (5, 3, 2), both (10, 6, 4), slower than bucket 0: (5, 5) of (10, 10).
    def split(self, bucket: int) -> Sample:
        """Return this sample in two classes: slower than *bucket*, and not."""
        slower, slower_both = sum(self.canary[bucket + 1 :]), sum(self.both[bucket + 1 :])
        return Sample(
            (slower, sum(self.canary) - slower),
            (slower_both, sum(self.both) - slower_both),
            self.share,
        )


# 10 % of 1000 requests are 100, give or take 6 * 9.5 + 10 = 67: 160 may be, 180 can't.
def contradicted(stated: float, canary: int, stable: int) -> bool:
    """Return whether the router can't have sent requests by the *stated* share.

    By Bernstein's inequality that is wrong less than once in a million looks. Sessions that stick
    and connections that are kept make routers miss their weights by far more than chance.
    """
    both = canary + stable
    allowed = 6 * sqrt(both * stated * (1 - stated)) + 10
    return abs(canary - stated * both) > allowed


def _share(canary: int, stable: int, stated: float | None) -> float | None:
    if canary == 0 or stable == 0:
        return None
    if stated is None or contradicted(stated, canary, stable):
        return canary / (canary + stable)
    return stated


def error_sample(canary: Arm, stable: Arm, stated: float | None = None) -> Sample | None:
    """Return the errors of both arms, or None when one of them had no requests."""
    share = _share(canary.requests, stable.requests, stated)
    if share is None:
        return None
    return Sample((canary.errors,), (canary.errors + stable.errors,), share)


def latency_sample(canary: Arm, stable: Arm, stated: float | None = None) -> Sample | None:
    """Return the latencies of both arms, or None when one of them measured none."""
    share = _share(sum(canary.latency), sum(stable.latency), stated)
    if share is None:
        return None
    both = tuple(map(add, canary.latency, stable.latency))
    return Sample(canary.latency, both, share)
