"""Between which ratios the canary's error rate is to stable's, at any time one looks.

For a ratio r of error rates that stays the same, the likelihood of the errors' owners at another
ratio over that at r is an e-process while r is true, and so is its mean over other ratios (the
mixture of Robbins, 1970). The ratios at which that mean stays below 1/alpha are a confidence
sequence: the chance that it *ever* leaves out the true ratio is alpha at most (Ville). It is the
e-process inverted over a grid of null ratios. The likelihood is concave in log r, so what is
kept is an interval, and ends that are rounded outwards to the grid leave out nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from attrs import frozen

from immutable.gates.eprocess import log_mean

__all__ = ["Interval", "ratios_between"]


@frozen
class Interval:
    """Bounds of the ratio of the canary's error rate to stable's.

    Attributes:
        low: At least this; 0 when there is no bound.
        high: At most this; None when there is no bound.
    """

    low: float = 0.0
    high: float | None = None


# No errors: every ratio explains them equally well, so there is no bound on either side.
# Likelihoods all rejected but at 1.0, of 0.92, 1.0 and 1.08: from 0.92 to 1.08.
def ratios_between(
    ratios: Sequence[float], likelihoods: Sequence[float], alpha: float, temper: float = 1.0
) -> Interval:
    """Return the interval that holds the true ratio, at all times, but for a chance of *alpha*.

    Args:
        ratios: The grid, ascending.
        likelihoods: The logarithm of the likelihood at each, up to a constant.
        alpha: The chance that the interval ever leaves out the true ratio.
        temper: What likelihoods are divided by.
    """
    logs = [each / temper for each in likelihoods]
    least = log_mean(logs) + log(alpha)
    # When the truth falls between two points of the grid, even the likeliest may be rejected.
    likeliest = logs.index(max(logs))
    kept = [place for place, each in enumerate(logs) if each > least] or [likeliest]
    first, last = kept[0], kept[-1]
    return Interval(
        0.0 if first == 0 else ratios[first - 1],
        None if last == len(ratios) - 1 else ratios[last + 1],
    )
