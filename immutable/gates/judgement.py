"""A verdict on a canary, and what led to it: values."""

from __future__ import annotations

from attrs import field, frozen

from immutable.gates.evidence import RATIOS, Evidence
from immutable.gates.interval import Interval, ratios_between
from immutable.gates.wording import failed, passed, undecided
from immutable.model import Verdict

__all__ = ["Finding", "Judgement", "Verdict"]


@frozen
class Finding:
    """What one metric says.

    Attributes:
        metric: Its name: ``"errors"`` or ``"latency"``.
        log_worse: log E against "no worse than the margin".
        log_tolerable: log E against "worse than is tolerated"; for latency the least of its
            percentiles'.
        temper: What exponents were divided by for noise; for latency the largest.
    """

    metric: str
    log_worse: float
    log_tolerable: float
    temper: float


@frozen
class Judgement:
    """A verdict and what led to it.

    Its `reason` and its `interval` are worked out when they are asked for: they take as long as all
    the rest, and most looks change nothing that somebody wants to read.

    Attributes:
        verdict: What is to be made of the canary.
        log_e: log E of all metrics together, against "no worse than the margin".
        findings: What each metric says.
        culprit: The metric that is worse by itself, for a FAIL; None if only all together are.
        evidence: What is known.
        alpha: The chance of a wrong verdict.
        least: The requests that each arm needs for a PASS.
    """

    verdict: Verdict
    log_e: float
    findings: tuple[Finding, ...]
    culprit: str | None
    evidence: Evidence = field(repr=False)
    alpha: float
    least: int

    @property
    def reason(self) -> str:
        """Why, in sentences."""
        match self.verdict:
            case Verdict.FAIL:
                return failed(self.evidence, self.log_e, self.alpha, self.culprit)
            case Verdict.PASS:
                return passed(self.evidence, self.alpha)
        return undecided(self.evidence, self.alpha, self.least)

    @property
    def interval(self) -> Interval:
        """Between which ratios the canary's error rate is to stable's.

        At all times but for a chance of alpha, if it stays the same.
        """
        temper = self.evidence.errors.noise.temper
        return ratios_between(RATIOS, self.evidence.ratios, self.alpha, temper)

    @property
    def canary(self) -> int:
        """Requests that the canary answered."""
        return self.evidence.canary.requests

    @property
    def stable(self) -> int:
        """Requests that stable answered."""
        return self.evidence.stable.requests

    @property
    def tempered(self) -> bool:
        """Whether the noise between servers could be measured and was allowed for."""
        return self.evidence.errors.noise.pairs > 0
