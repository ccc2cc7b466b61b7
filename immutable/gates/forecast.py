"""How many more requests it would take to know."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from immutable.gates.eprocess import log_factor, shifted

__all__ = ["Expected", "rounded", "still_needed"]


@frozen
class Expected:
    """What requests are expected to do from now on.

    Attributes:
        share: The canary's share of requests.
        rate: How often a request to stable fails (or is slow).
        ratio: How many times as often one to the canary does.
        null: The ratio that is to be disproved.
    """

    share: float
    rate: float
    ratio: float
    null: float

    # share 1/2, rate 1 %, ratio 2, null 1, tilt log 2: of 1000 requests 10 fail in the canary and 5
    # in stable, so 10 * 0.693 - 15 * log 1.5 = 0.85 more per 1000.
    def growth(self, tilt: float) -> float:
        """Return by how much one more request, to either arm, lets the exponent of *tilt* grow."""
        canary = self.share * self.rate * self.ratio
        both = canary + (1 - self.share) * self.rate
        return canary * tilt - both * log_factor(shifted(self.share, self.null), tilt)


# Exponents 0, wanted 3.0, growth at best 0.85 per 1000 requests: 3529 more, 1765 of them canary's
# at a share of 1/2.
def still_needed(
    tilts: Sequence[float], exponents: Sequence[float], wanted: float, expected: Expected
) -> float | None:
    """Return how many more requests to the canary one exponent needs to become *wanted*.

    Returns:
        None when no number of requests is enough.
    """
    waits = []
    for tilt, exponent in zip(tilts, exponents, strict=True):
        growth = expected.growth(tilt)
        if growth > 0:
            waits.append(max(0.0, wanted - exponent) / growth)
    return min(waits) * expected.share if waits else None


# 1765: "1,800".    12: "12".    0.4: "1".    2,345,678: "2,300,000".
def rounded(count: float) -> str:
    """Return *count* with two digits that mean something."""
    whole = max(1, round(count))
    unit = 10 ** max(0, len(str(whole)) - 2)
    return f"{round(whole / unit) * unit:,}"
