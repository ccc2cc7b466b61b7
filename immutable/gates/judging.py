"""From evidence to a verdict.

FAIL needs the mean of the metrics' e-processes to reach 1/alpha. A metric is named if its own
reaches K/alpha, of K metrics (Bonferroni: the chance ever to name a wrong one is alpha at most).
PASS needs each metric to show by itself that the canary is less than the tolerance worse: all are
needed, so none has to be corrected for the others. All else is INCONCLUSIVE, and says what is
missing. No data is no evidence, and never a PASS.
"""

from __future__ import annotations

from math import log

from immutable.errors import InvalidValue
from immutable.gates.eprocess import log_e, log_mean
from immutable.gates.evidence import Evidence
from immutable.gates.judgement import Finding, Judgement, Verdict

__all__ = ["judge"]


def judge(evidence: Evidence, *, alpha: float = 0.05, least: int = 100) -> Judgement:
    """Return what *evidence* says about the canary.

    It may be asked after every look: the chance that a canary which is no worse than the margin
    ever fails is *alpha* at most, and so is the chance that one which is worse than the tolerance
    ever passes. Noise that moves one arm alone is allowed for by tempering, which is an estimate;
    where nothing is said of halves of stable, it is not allowed for.

    Args:
        evidence: What is known.
        alpha: The chance of a wrong FAIL, and that of a wrong PASS, over all looks together.
        least: The requests that each arm needs for a PASS. A FAIL needs no least number.

    Raises:
        InvalidValue: Alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise InvalidValue("alpha", alpha, "a chance lies between 0 and 1", "0.05 is usual")
    findings = _findings(evidence)
    combined = log_mean(each.log_worse for each in findings)
    enough = min(evidence.canary.requests, evidence.stable.requests) >= least
    verdict, culprit = Verdict.INCONCLUSIVE, None
    if combined >= -log(alpha):
        verdict, culprit = Verdict.FAIL, _culprit(findings, alpha)
    elif enough and all(each.log_tolerable >= -log(alpha) for each in findings):
        verdict = Verdict.PASS
    return Judgement(verdict, combined, findings, culprit, evidence, alpha, least)


# Latency is the mean of two: of ranks, and of the mean of slow requests at three percentiles.
def _findings(evidence: Evidence) -> tuple[Finding, ...]:
    errors, ranks = evidence.errors, evidence.ranks
    temper = errors.noise.temper
    found = Finding("errors", log_e(errors.worse, temper), log_e(errors.tolerable, temper), temper)
    if not evidence.latency:
        return (found,)
    slow = log_mean(log_e(each.worse, each.noise.temper) for each in evidence.slow)
    latency = Finding(
        "latency",
        log_mean((log_e(ranks.worse, ranks.noise.temper), slow)),
        min(log_e(each.tolerable, each.noise.temper) for each in evidence.slow),
        max(each.noise.temper for each in (ranks, *evidence.slow)),
    )
    return found, latency


# Two metrics, alpha 0.05: one alone must reach 40. E of 39 and 3 fail together, and none is named.
def _culprit(findings: tuple[Finding, ...], alpha: float) -> str | None:
    worst = max(findings, key=lambda each: each.log_worse)
    return worst.metric if worst.log_worse >= log(len(findings) / alpha) else None
