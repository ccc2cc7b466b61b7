"""A verdict on a canary, and what led to it: values."""

from __future__ import annotations

from attrs import frozen

from immutable.gates.interval import Interval
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

    Attributes:
        verdict: What is to be made of the canary.
        reason: Why, in sentences.
        log_e: log E of all metrics together, against "no worse than the margin".
        findings: What each metric says.
        interval: Between which ratios the canary's error rate is to stable's, at all times but
            for a chance of alpha, if it stays the same.
        canary: Requests that the canary answered.
        stable: Requests that stable answered.
        culprit: The metric that is worse by itself, for a FAIL; None if only all together are.
        tempered: Whether the noise between servers could be measured and was allowed for.
    """

    verdict: Verdict
    reason: str
    log_e: float = 0.0
    findings: tuple[Finding, ...] = ()
    interval: Interval = Interval()
    canary: int = 0
    stable: int = 0
    culprit: str | None = None
    tempered: bool = False
