"""Why a judgement is what it is, in sentences."""

from __future__ import annotations

from math import exp, log

from immutable.gates.counts import Arm
from immutable.gates.evidence import ERROR_TILTS, TOLERABLE_TILTS, Evidence, Strand
from immutable.gates.forecast import Expected, rounded, still_needed
from immutable.gates.latency import QUANTILES, slow_bucket

__all__ = ["failed", "passed", "undecided"]


def failed(evidence: Evidence, log_e: float, alpha: float, culprit: str | None) -> str:
    """Return why the canary fails."""
    odds = rounded(exp(min(log_e, 30.0)))
    limit = f"by more than {evidence.margin:.0%}" if evidence.margin else "at all"
    what = culprit or "errors and latency together, neither by itself"
    return (
        f"worse than stable: {what}. {_errors(evidence)}. Evidence is {odds} to 1 against a canary "
        f"that is not worse {limit}, and {1 / alpha:.3g} to 1 is asked for.{_caveats(evidence)}"
    )


def passed(evidence: Evidence, alpha: float) -> str:
    """Return why the canary passes."""
    what = "errors, and requests slower than stable's" if evidence.latency else "errors"
    tail = " median, 90th and 99th percentile," if evidence.latency else ""
    return (
        f"{what}{tail} are less than {evidence.tolerance:.0%} more frequent than in stable, "
        f"shown at {1 / alpha:.3g} to 1 or better. {_errors(evidence)}.{_caveats(evidence)}"
    )


def undecided(evidence: Evidence, alpha: float, least: int) -> str:
    """Return what is missing for a verdict."""
    for name, arm in (("the canary", evidence.canary), ("stable", evidence.stable)):
        if arm.requests == 0:
            return f"{name} had no requests: nothing can be said."
    for name, arm in (("the canary", evidence.canary), ("stable", evidence.stable)):
        if arm.requests < least:
            return (
                f"{name} had {arm.requests:,} requests, {least:,} are asked for before it may "
                f"pass. {_errors(evidence)}.{_caveats(evidence)}"
            )
    if evidence.latency and not (sum(evidence.canary.latency) and sum(evidence.stable.latency)):
        missing = "errors alone can't pass, and no latencies were measured"
        return f"{missing}. {_errors(evidence)}.{_caveats(evidence)}"
    needed = f"{_detecting(evidence, alpha)}. {_passing(evidence, alpha)}."
    return f"{_errors(evidence)}. {needed}{_caveats(evidence)}"


# 12 of 1,000 requests (1.20%) failed in the canary, 20 of 2,000 (1.00%) in stable
def _errors(evidence: Evidence) -> str:
    def told(arm: Arm, noun: str = "") -> str:
        share = f" ({arm.errors / arm.requests:.2%})" if arm.requests else ""
        return f"{arm.errors:,} of {arm.requests:,}{noun}{share}"

    canary, stable = told(evidence.canary, " requests"), told(evidence.stable)
    return f"{canary} failed in the canary, {stable} in stable"


def _caveats(evidence: Evidence) -> str:
    caveats = ""
    if evidence.errors.noise.pairs == 0:
        caveats += " Noise between servers is not allowed for: no two halves of stable had errors."
    if evidence.misrouted:
        caveats += (
            f" At {evidence.misrouted} of {evidence.looks} looks the router did not send what its "
            "weight says; the share that was seen was taken."
        )
    return caveats


def _share(evidence: Evidence) -> float:
    return evidence.canary.requests / (evidence.canary.requests + evidence.stable.requests)


# With no errors yet the rate is taken as half an error: it may be lower, so "at least".
def _rate(evidence: Evidence) -> float:
    return max(evidence.stable.errors, 0.5) / evidence.stable.requests


def _about(evidence: Evidence) -> str:
    return "about" if evidence.stable.errors else "at least"


def _wanted(strand: Strand, tilts: int, alpha: float, metrics: int = 1) -> float:
    return strand.noise.temper * log(tilts * metrics / alpha)


def _detecting(evidence: Evidence, alpha: float) -> str:
    ratio = max(2.0, 2 * (1 + evidence.margin))
    expected = Expected(_share(evidence), _rate(evidence), ratio, 1 + evidence.margin)
    wanted = _wanted(evidence.errors, len(ERROR_TILTS), alpha, 2 if evidence.latency else 1)
    more = still_needed(ERROR_TILTS, evidence.errors.worse, wanted, expected)
    needed = "no number of" if more is None else f"{_about(evidence)} {rounded(more)} more"
    return f"To notice {ratio:.3g} times the errors takes {needed} requests to the canary"


def _passing(evidence: Evidence, alpha: float) -> str:
    waits = [_until_tolerable(evidence, evidence.errors, _rate(evidence), alpha)]
    if evidence.latency:
        for strand, quantile in zip(evidence.slow, QUANTILES, strict=True):
            found = slow_bucket(evidence.stable.latency, quantile)
            # Where no bucket is slower there is nothing to count: it can't be shown.
            rate = found[1] if found else 0.0
            waits.append(_until_tolerable(evidence, strand, rate, alpha))
    what = f"that nothing is {evidence.tolerance:.0%} more frequent"
    if any(each is None for each in waits):
        return f"To show {what} can't be done with these buckets of latency"
    more = max(each for each in waits if each is not None)
    return f"To show {what} takes {_about(evidence)} {rounded(more)} more, if nothing is"


def _until_tolerable(evidence: Evidence, strand: Strand, rate: float, alpha: float) -> float | None:
    expected = Expected(_share(evidence), rate, 1.0, 1 + evidence.tolerance)
    wanted = _wanted(strand, len(TOLERABLE_TILTS), alpha)
    return still_needed(TOLERABLE_TILTS, strand.tolerable, wanted, expected)
