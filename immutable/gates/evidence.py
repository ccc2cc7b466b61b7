"""What is known about a canary so far: a value that each look makes into the next.

It holds numbers and tuples only, so that it goes into a journal and a successor carries on from
there. It is kept across stages: when the canary's share changes, rho changes, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

from attrs import Attribute, evolve, field, frozen

from immutable.errors import InvalidValue
from immutable.gates.counts import Arm, Look, total
from immutable.gates.eprocess import added, exponents
from immutable.gates.latency import QUANTILES, rank_scores, slow_bucket
from immutable.gates.noise import Noise
from immutable.gates.samples import Sample, contradicted, error_sample, latency_sample

__all__ = ["ERROR_TILTS", "LATENCY_TILTS", "RATIOS", "TOLERABLE_TILTS", "Evidence", "Strand"]

ERROR_TILTS = tuple(log(ratio) for ratio in (1.15, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0))
"""Bets on errors: each wins most at its ratio of error rates, and something around it."""

TOLERABLE_TILTS = tuple(-tilt for tilt in ERROR_TILTS)
"""Bets that errors, or slow requests, are less frequent than what is not tolerated."""

LATENCY_TILTS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Bets on latencies, from a slight shift to five times as many slow requests."""

RATIOS = tuple(10 ** (step / 30) for step in range(-30, 31))
"""Ratios of error rates between which an interval is told, 8 % apart."""

_LOG_RATIOS = tuple(log(ratio) for ratio in RATIOS)


def _flat(tilts: Sequence[float]) -> tuple[float, ...]:
    return (0.0,) * len(tilts)


@frozen
class Strand:
    """The evidence from one way of scoring requests.

    Attributes:
        worse: For each tilt the exponent against "no worse than the margin", not tempered.
        tolerable: For each negative tilt the exponent against "worse than is tolerated", not
            tempered; empty where that isn't asked.
        noise: What these scores differ by between stable's halves.
    """

    worse: tuple[float, ...]
    tolerable: tuple[float, ...] = ()
    noise: Noise = Noise()


def _margin(_: object, attribute: Attribute[Any], value: float) -> None:
    if not 0 <= value < float("inf"):
        raise InvalidValue(attribute.name, value, "a margin is not negative", "0.25 is 25 %")


@frozen
class Evidence:
    """What all looks at a canary have shown.

    Attributes:
        margin: By how much errors and slow requests may be more frequent before it counts as
            worse: with 0.25, five in the canary for four in stable.
        tolerance: By how much they may be for it to count as good; above 0, at least the margin.
            Nobody can prove that the canary is not worse at all.
        latency: Whether latencies are judged. Said in advance: a metric that joins later would
            change what the others' evidence is worth.
        looks: How many looks there were.
        canary: All that the canary answered.
        stable: All that stable answered; its latencies are the baseline of the next look.
        errors: The evidence from errors.
        ranks: The evidence from ranks of latencies.
        slow: The evidence from requests slower than each of
            ``immutable.gates.latency.QUANTILES``.
        ratios: For each of ``RATIOS`` the log likelihood of the errors, not tempered.
        misrouted: How many looks had counts that the router's stated share can't explain; there
            the share that was seen is taken.

    Raises:
        InvalidValue: A negative margin, or a tolerance of 0 or below the margin.
    """

    margin: float = field(default=0.0, validator=_margin)
    tolerance: float = field(default=0.25, validator=_margin)
    latency: bool = True
    looks: int = 0
    canary: Arm = Arm()
    stable: Arm = Arm()
    errors: Strand = Strand(_flat(ERROR_TILTS), _flat(ERROR_TILTS))
    ranks: Strand = Strand(_flat(LATENCY_TILTS))
    slow: tuple[Strand, ...] = (Strand(_flat(LATENCY_TILTS), _flat(ERROR_TILTS)),) * len(QUANTILES)
    ratios: tuple[float, ...] = _flat(RATIOS)
    misrouted: int = 0

    def __attrs_post_init__(self) -> None:
        if self.tolerance <= 0 or self.tolerance < self.margin:
            raise InvalidValue(
                "tolerance",
                self.tolerance,
                f"must be above 0 and at least the margin, {self.margin}",
                "0.25 lets a canary pass that is proven to be less than 25 % worse",
            )

    def after(self, look: Look) -> Evidence:
        """Return what is known after one more *look*.

        The order of looks doesn't matter for errors while the share is the same. For latencies it
        does: each look is scored by those before it, and the first by none.

        Raises:
            InvalidValue: Its latencies have other buckets than the looks before.
        """
        known = evolve(
            self,
            looks=self.looks + 1,
            canary=total((self.canary, look.canary)),
            stable=total((self.stable, look.stable)),
            misrouted=self.misrouted + _misrouted(look),
            **_errors(self, look),
        )
        if not (self.latency and look.stable.latency and sum(self.stable.latency)):
            return known
        return evolve(known, **_latencies(self, look))


def _misrouted(look: Look) -> bool:
    if look.share is None or look.canary.requests == 0 or look.stable.requests == 0:
        return False
    return contradicted(look.share, look.canary.requests, look.stable.requests)


def _grown(
    strand: Strand,
    evidence: Evidence,
    tilts: Sequence[float],
    scores: Sequence[float],
    seen: Sample | None,
    pair: Sample | None,
) -> Strand:
    """Return *strand* with one more sample of the arms and one of stable's halves."""
    worse, tolerable, noise = strand.worse, strand.tolerable, strand.noise
    if seen is not None:
        worse = added(worse, exponents(tilts, scores, seen, 1 + evidence.margin))
    if seen is not None and tolerable:
        # Only the first class is at stake: requests that failed or were slow.
        events = Sample(seen.canary[:1], seen.both[:1], seen.share)
        against = exponents(TOLERABLE_TILTS, (1.0,), events, 1 + evidence.tolerance)
        tolerable = added(tolerable, against)
    if pair is not None:
        noise = noise.after(scores, pair)
    return Strand(worse, tolerable, noise)


def _errors(evidence: Evidence, look: Look) -> dict[str, Any]:
    seen = error_sample(look.canary, look.stable, look.share)
    pair = error_sample(*look.halves) if look.halves else None
    grown = _grown(evidence.errors, evidence, ERROR_TILTS, (1.0,), seen, pair)
    changed: dict[str, Any] = {"errors": grown}
    if seen is not None:
        likelihoods = exponents(_LOG_RATIOS, (1.0,), seen)
        changed["ratios"] = added(evidence.ratios, likelihoods)
    return changed


def _latencies(evidence: Evidence, look: Look) -> dict[str, Any]:
    baseline = evidence.stable.latency
    seen = latency_sample(look.canary, look.stable, look.share)
    pair = latency_sample(*look.halves) if look.halves else None
    ranks = _grown(evidence.ranks, evidence, LATENCY_TILTS, rank_scores(baseline), seen, pair)
    slow = []
    for strand, quantile in zip(evidence.slow, QUANTILES, strict=True):
        found = slow_bucket(baseline, quantile)
        if found is None:
            slow.append(strand)
            continue
        bucket, usual = found
        split = [None if each is None else each.split(bucket) for each in (seen, pair)]
        scores = (1 - usual, -usual)
        slow.append(_grown(strand, evidence, LATENCY_TILTS, scores, *split))
    return {"ranks": ranks, "slow": tuple(slow)}
