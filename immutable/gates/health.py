"""Whether the candidate's instances stay READY. Pure."""

from __future__ import annotations

from attrs import frozen

from immutable.model import Health, Verdict
from immutable.model.quantities import rounded_up

__all__ = ["Streak"]


@frozen
class Streak:
    """How many looks in a row said the same. Nothing is latched: a fall after a pass counts.

    Attributes:
        good: Whether they said that enough are READY.
        looks: How many they are.
        detail: What the last one saw.
    """

    good: bool = True
    looks: int = 0
    detail: str = "nothing to see so far"

    # 90 % of 10: 9 must be READY. 90 % of 2 is 1.8, so 2; but one of two may be missing: 1.
    # Of one, one. Nobody has been READY so far: nothing is known.
    def after(self, gate: Health, ready: int, of: int) -> Streak:
        """Return the streak after a look that saw *ready* of *of* that should be."""
        if of <= 0:
            return Streak()
        least = max(1, min(rounded_up(gate.ready, of), of - 1))
        good, detail = ready >= least, f"{ready} of {of} READY, {least} needed"
        return Streak(good, self.looks + 1 if good is self.good else 1, detail)

    def verdict(self, gate: Health) -> Verdict:
        """Return what it comes to."""
        if self.looks < gate.dwell:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS if self.good else Verdict.FAIL
