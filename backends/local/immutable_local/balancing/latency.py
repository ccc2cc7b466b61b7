"""How long answers took, counted in fixed buckets."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, Self

from attrs import field, frozen

from immutable.errors import InvalidValue

__all__ = ["BOUNDS", "Latency", "bucket"]

BOUNDS: Final = (*(0.001 * math.pow(60_000, step / 31) for step in range(31)), 60.0)
"""Upper bounds of the buckets in seconds: 32 of them, each 1.43 times the one before.

1 ms, 1.43 ms, 2.03 ms, 2.90 ms … 42.1 s, 60 s. A bucket holds what is above the bound before its
own and not above its own; a 33rd bucket holds what is above 60 s. The bounds never change, so
that counts of different members, revisions and days can be added.
"""


def bucket(seconds: float) -> int:
    """Return the number of the bucket for a duration.

    ``bucket(0.0005) == 0``; ``bucket(0.001) == 0``; ``bucket(0.0011) == 1``; ``bucket(61) == 32``.
    """
    return bisect_left(BOUNDS, seconds)


def _counts(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(values)


@frozen
class Latency:
    """A histogram of durations over `BOUNDS`.

    Attributes:
        counts: How many fell into each bucket, ``len(BOUNDS) + 1`` of them.
    """

    counts: tuple[int, ...] = field(default=(0,) * (len(BOUNDS) + 1), converter=_counts)

    def __attrs_post_init__(self) -> None:
        if len(self.counts) != len(BOUNDS) + 1:
            raise InvalidValue("counts", self.counts, f"not {len(BOUNDS) + 1} buckets")

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Return a bound in seconds that *share* of the durations don't exceed.

        It is the upper bound of a bucket, so at most 1.43 times the true quantile, and 60 s for
        all that is longer. None when nothing was counted.

        Args:
            share: From 0 to 1; 0.99 for the 99th percentile.
        """
        left = share * self.total
        for bound, count in zip((*BOUNDS, BOUNDS[-1]), self.counts, strict=True):
            left -= count
            if count and left <= 0:
                return bound
        return None

    def __add__(self, other: Self) -> Latency:
        return Latency(a + b for a, b in zip(self.counts, other.counts, strict=True))
