"""Evidence that may be looked at as often as one likes: score e-processes.

An *e-process* E is what a bettor owns who started with 1 and bets against the hypothesis that the
canary is no worse: while that is true, E at any time chosen is 1 at most on average, and the chance
that it *ever* reaches 1/alpha is alpha at most (Ville, Étude critique de la notion de collectif,
1939). So there is no penalty for looking again. Per tilt lam (the bet), over looks i and classes b
of outcomes, with a score s_b for each class, x_ib outcomes of the canary's, k_ib of both arms' and
the chance rho_i that a request was the canary's::

    log E(lam) = lam * sum s_b x_ib - sum k_ib * log(1 - rho_i + rho_i * exp(lam * s_b))
    E          = the mean of E(lam) over a few tilts

"Given an outcome, was it the canary's?" Traffic and error rates that change with time cancel.

When it holds, exactly:

* Requests go to the canary by chance with a known rho: given the outcomes, the arms are coin flips,
  and each factor has mean 1. Scores may depend on the past, not on the look itself.
* rho is the share that was seen, and requests fail (or take their time) independently, with the
  same distribution in both arms at the look: with the denominator d_b = 1 - rho + rho*exp(lam*s_b)
  the mean of the look's factor is (sum p_b exp(lam*s_b)/d_b)^n_c * (sum p_b/d_b)^n_s; since
  log(1+z) <= z, its logarithm is at most (n_c + n_s) * (sum p_b - 1) = 0.
* With a margin, rho becomes rho(1+m)/(1-rho+rho(1+m)), the canary's share of errors that are
  1 + m times as frequent; the same lines hold for a ratio of 1 + m, and are monotone in it.

Sources: mixtures over tilts, Robbins, Statistical Methods Related to the Law of the Iterated
Logarithm, 1970. Counts of errors in canaries, Lindon & Malek, Anytime-Valid Inference for
Multinomial Count Data, NeurIPS 2022, arXiv 2011.03567. The factor of one event, ter Schure,
Pérez-Ortiz, Ly & Grünwald, The Safe Logrank Test, arXiv 2011.06931. Sequential tests in
deployments, Lindon, Sanden & Shirikian, KDD 2022, arXiv 2205.14762. What peeking costs
otherwise, Johari, Pekelis & Walsh, Peeking at A/B Tests, KDD 2017. Drawing without replacement
has the smaller exponential moments, Hoeffding, JASA 58, 1963.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, expm1, fsum, log, log1p
from operator import add, mul

from immutable.gates.samples import Sample

__all__ = ["added", "exponents", "log_e", "log_factor", "log_mean", "shifted"]


# A share of 1/2 and a ratio of 1: 1/2.    A share of 1/2 and a ratio of 3: 3/4.
def shifted(share: float, ratio: float) -> float:
    """Return the canary's share of outcomes that are *ratio* times as frequent in it."""
    return share * ratio / (1 - share + share * ratio)


# share 1/2, exponent log 3: log(1/2 + 3/2) = log 2.    Any share, exponent 0: 0.
def log_factor(share: float, exponent: float) -> float:
    """Return log(1 - share + share * exp(exponent)), exact near 0 and without overflow."""
    if exponent > 0:
        return exponent + log1p((1 - share) * expm1(-exponent))
    return log1p(share * expm1(exponent))


# One error, the canary's, share 1/2, tilt log 3: log 3 - log 2, so E is 3/2.
# One error, stable's: -log 2, so E is 1/2. Either is as likely as the other: 1 on average.
def exponents(
    tilts: Sequence[float], scores: Sequence[float], sample: Sample, ratio: float = 1.0
) -> tuple[float, ...]:
    """Return the logarithm of one look's factor for each tilt.

    Args:
        tilts: The bets; positive ones win when the canary has more of what scores high.
        scores: One for each class; fixed before the look.
        sample: The outcomes.
        ratio: The hypothesis that is bet against. Positive tilts: classes that score above 0 are
            at most *ratio* times as frequent in the canary, those below 0 at least 1/*ratio*
            times. Negative tilts: the other way round.
    """
    up, down = shifted(sample.share, ratio), shifted(sample.share, 1 / ratio)
    classes = [
        (score, both, up if score > 0 else down)
        for score, both in zip(scores, sample.both, strict=True)
        if both and score
    ]
    if not classes:  # Nothing happened that was bet on, such as an error: all bets stand.
        return (0.0,) * len(tilts)
    reached = fsum(map(mul, scores, sample.canary))
    return tuple(
        [
            tilt * reached
            - fsum([both * log_factor(share, tilt * s) for s, both, share in classes])
            for tilt in tilts
        ]
    )


def added(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """Return the sums of two looks' exponents: factors multiply."""
    assert len(one) == len(other), "exponents of the same tilts"
    return tuple(map(add, one, other))


# log 1 and log 3: log 2.
def log_mean(logs: Iterable[float]) -> float:
    """Return the logarithm of the mean of what *logs* are the logarithms of.

    The mean of e-processes is an e-process, whatever ties them together.
    """
    listed = list(logs)
    top = max(listed)
    return top + log(fsum([exp(each - top) for each in listed]) / len(listed))


def log_e(totals: Iterable[float], temper: float = 1.0) -> float:
    """Return log E of the mixture over tilts, each exponent divided by *temper*.

    With a temper of 1 or more E is still at most 1 on average: a power between 0 and 1 is concave.
    """
    return log_mean([each / temper for each in totals])
