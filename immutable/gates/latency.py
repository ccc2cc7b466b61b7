"""Scores for latencies, from what stable did before: never from the look that is judged.

Two kinds. *Ranks* see a shift of the whole distribution, *slow shares* see a tail: requests slower
than stable's past median, 90th and 99th percentile. Both are centred on stable's past, so that what
is expected scores 0: uncentred ranks lose nearly all power, since the chance in how many requests
the canary gets drowns the effect.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["QUANTILES", "rank_scores", "slow_bucket"]

QUANTILES = (0.5, 0.9, 0.99)
"""The parts of stable's past requests beyond which one counts as slow."""


# baseline (2, 4, 2): middles at 1/8, 4/8 and 7/8, less a half: (-3/8, 0, 3/8).
# baseline (8, 0, 0): (0, 1/2, 1/2). What stable never did before is slower than all it did.
def rank_scores(baseline: Sequence[int]) -> tuple[float, ...]:
    """Return each bucket's middle rank among past requests less a half, from -1/2 to 1/2.

    Args:
        baseline: Past requests by bucket; at least one.
    """
    scores, below, count = [], 0, sum(baseline)
    for each in baseline:
        scores.append((below + each / 2) / count - 0.5)
        below += each
    return tuple(scores)


# baseline (50, 40, 9, 1), 0.9: buckets 0 and 1 hold 90 %, so those slower than bucket 1 are slow,
# and 10 % were.    baseline (50, 50), 0.99: nothing is slower than bucket 1, the last: None.
def slow_bucket(baseline: Sequence[int], quantile: float) -> tuple[int, float] | None:
    """Return the bucket beyond which a request is slow, and the share of past ones that were.

    Args:
        baseline: Past requests by bucket; at least one.
        quantile: The part of them that is not slow, at least.

    Returns:
        None when no bucket is slower.
    """
    below, count = 0, sum(baseline)
    for bucket, each in enumerate(baseline[:-1]):
        below += each
        if below >= quantile * count:
            return bucket, 1 - below / count
    return None
