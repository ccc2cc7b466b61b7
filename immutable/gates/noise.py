"""How much noisier servers are than chance: stable's halves against each other.

Errors come in bursts, and servers differ from minute to minute. Tests that count every request as a
coin flip of its own then see differences that are not the canary's doing. Stable's halves run the
same image, so what they differ by is noise. All exponents are divided by it (tempering).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from operator import mul

from attrs import frozen

from immutable.gates.samples import Sample

__all__ = ["Noise"]


@frozen
class Noise:
    """What stable's halves differed by so far.

    If servers are alike and each one's rate moves on its own, one server's noise shows as the same
    factor however many servers an arm has: two halves tell what the canary against stable does.
    What moves a whole arm over many looks, a slow zone for instance, can't be told from its image.

    Attributes:
        pairs: How many looks showed anything.
        total: The sum of squared differences, each in units of what chance makes of it.
    """

    pairs: int = 0
    total: float = 0.0

    # Halves of the same traffic with 12 and 4 errors: (12 - 8)^2 / (1/4 * 16) = 4, which is
    # (12 - 4)^2 / (12 + 4). No errors in either: nothing to learn.
    def after(self, scores: Sequence[float], halves: Sample) -> Noise:
        """Return the noise after one more look.

        Args:
            scores: As for `immutable.gates.eprocess.exponents`.
            halves: The first half as if it were the canary, beside all of stable.
        """
        share = halves.share
        first = fsum(map(mul, scores, halves.canary))
        scored = list(map(mul, scores, halves.both))
        both = fsum(scored)
        chance = share * (1 - share) * fsum(map(mul, scores, scored))
        if chance <= 0:
            return self
        return Noise(self.pairs + 1, self.total + (first - share * both) ** 2 / chance)

    # 2 pairs, total 3: 1.5 * (1 + 1) = 3.    200 pairs, total 300: 1.5 * 1.1 = 1.65.    None: 1.
    @property
    def temper(self) -> float:
        """What exponents are divided by, phi: mean * (1 + sqrt(2 / pairs)), at least 1.

        The second factor is one standard deviation of a mean of so many squared normal deviates:
        few pairs are not trusted.
        """
        if self.pairs == 0:
            return 1.0
        return max(1.0, self.total / self.pairs * (1 + sqrt(2 / self.pairs)))
