"""Tests of canaries, each for thousands of canaries at once (rows of arrays).

`Scores` and `Histograms` are the tests of `immutable.gates`; ``tests/gates/test_figures.py`` shows
that they come to the same numbers. The others are what is used elsewhere, by their published rules.
"""

from __future__ import annotations

from math import log, sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from immutable.gates.evidence import ERROR_TILTS, LATENCY_TILTS, TOLERABLE_TILTS
from immutable.gates.latency import QUANTILES

__all__ = ["Histograms", "Kayenta", "Noisy", "Scores", "SequentialTest", "Threshold", "Z"]

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


class SequentialTest(Protocol):
    """A test that is asked after every look.

    Attributes:
        canaries: How many canaries it judges.
    """

    canaries: int

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Take stable's halves at a look before the canary serves."""

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look, of the canary and stable's halves; return who is rejected now."""


def log_factor(share: Numbers, exponent: Numbers) -> Numbers:
    """Return log(1 - share + share * exp(exponent)); arrays are broadcast."""
    above = np.maximum(exponent, 0.0)
    rest = np.where(exponent > 0, 1 - share, share)
    return np.asarray(above + np.log1p(rest * np.expm1(-np.abs(exponent))))


def shifted(share: Numbers, ratio: float) -> Numbers:
    """Return the canary's share of outcomes that are *ratio* times as frequent in it."""
    return share * ratio / (1 - share + share * ratio)


def log_mean(logs: Numbers) -> Numbers:
    """Return the logarithm of the mean along the last axis."""
    top = logs.max(axis=-1)
    mean = np.exp(logs - top[..., None]).mean(axis=-1)
    return np.asarray(top + np.log(mean))


@define
class Noisy:
    """The noise between stable's halves, as `immutable.gates.noise.Noise`."""

    pairs: Numbers
    total: Numbers

    def take(self, first: Numbers, both: Numbers, squares: Numbers, share: Numbers) -> None:
        """Add one look: sums of scores, in the first half and in both, and of their squares."""
        chance = share * (1 - share) * squares
        told = chance > 0
        self.pairs += told
        apart = (first - share * both) ** 2
        self.total += np.divide(apart, chance, out=np.zeros_like(apart), where=told)

    @property
    def temper(self) -> Numbers:
        """What exponents are divided by, for each canary."""
        pairs = np.maximum(self.pairs, 1)
        return np.asarray(np.maximum(1.0, self.total / pairs * (1 + np.sqrt(2 / pairs))))


def quiet(canaries: int) -> Noisy:
    """Return the noise of stables nothing was seen of."""
    return Noisy(np.zeros(canaries), np.zeros(canaries))


@define
class Scores:
    """Errors against the hypothesis that the canary is no worse, or not tolerable.

    Attributes:
        canaries: How many.
        alpha: The chance of a wrong rejection.
        tempered: Whether noise is allowed for.
        ratio: The ratio that is bet against.
        tolerable: Whether the bet is that the canary is better than *ratio*, not worse.
    """

    canaries: int
    alpha: float = 0.05
    tempered: bool = True
    ratio: float = 1.0
    tolerable: bool = False
    exponents: Numbers = field(init=False)
    noise: Noisy = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.exponents = np.zeros((self.canaries, len(ERROR_TILTS)))
        self.noise = quiet(self.canaries)

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Learn the noise."""
        both = first + second
        self.noise.take(first, both, both, np.full(len(first), 0.5))

    def take(self, errors: Numbers, both: Numbers, share: Numbers) -> None:
        """Add one look with any share."""
        tilts = np.array(TOLERABLE_TILTS if self.tolerable else ERROR_TILTS)
        null = shifted(share, self.ratio)[:, None]
        self.exponents += errors[:, None] * tilts - both[:, None] * log_factor(null, tilts)

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look."""
        self.warm(first, second)
        self.take(canary, canary + first + second, np.full(len(canary), 0.5))
        return np.asarray(self.log_e() >= -log(self.alpha))

    def log_e(self) -> Numbers:
        """Return log E for each canary."""
        temper = self.noise.temper if self.tempered else np.ones(self.canaries)
        return log_mean(self.exponents / temper[:, None])


@define
class Histograms:
    """Latencies against the hypothesis that the canary is no slower: ranks and slow shares."""

    canaries: int
    buckets: int
    alpha: float = 0.05
    baseline: Numbers = field(init=False)
    exponents: list[Numbers] = field(init=False)
    noise: list[Noisy] = field(init=False)

    def __attrs_post_init__(self) -> None:
        kinds = range(1 + len(QUANTILES))
        self.baseline = np.zeros((self.canaries, self.buckets))
        self.exponents = [np.zeros((self.canaries, len(LATENCY_TILTS))) for _ in kinds]
        self.noise = [quiet(self.canaries) for _ in kinds]

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Learn the noise and the baseline."""
        self._look(None, first, second)

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look."""
        self._look(canary, first, second)
        return np.asarray(self.log_e() >= -log(self.alpha))

    def log_e(self) -> Numbers:
        """Return log E for each canary."""
        ranks, *slow = [
            log_mean(exponents / noise.temper[:, None])
            for exponents, noise in zip(self.exponents, self.noise, strict=True)
        ]
        return log_mean(np.stack([ranks, log_mean(np.stack(slow, axis=-1))], axis=-1))

    def _look(self, canary: Numbers | None, first: Numbers, second: Numbers) -> None:
        stable = first + second
        if self.baseline.any():
            below = self.baseline.cumsum(axis=1)
            count = below[:, -1:]
            arms = (canary, first, stable)
            self._score(0, (below - self.baseline / 2) / count - 0.5, arms)
            for kind, quantile in enumerate(QUANTILES, 1):
                # The first bucket with so many up to it; what comes after it is slow.
                bucket = (below < quantile * count).sum(axis=1)
                slow = np.arange(self.buckets) > bucket[:, None]
                usual = 1 - np.take_along_axis(below, bucket[:, None], axis=1)[:, 0] / count[:, 0]
                scores = np.stack([1 - usual, -usual], axis=1)
                self._score(kind, scores, tuple(_halved(each, slow) for each in arms))
        self.baseline = self.baseline + stable

    def _score(self, kind: int, scores: Numbers, arms: tuple[Numbers | None, ...]) -> None:
        canary, first, stable = arms
        assert first is not None
        assert stable is not None
        half = first.sum(axis=1) / stable.sum(axis=1)
        self.noise[kind].take(
            (scores * first).sum(axis=1),
            (scores * stable).sum(axis=1),
            (scores**2 * stable).sum(axis=1),
            half,
        )
        if canary is None:
            return
        both = canary + stable
        share = (canary.sum(axis=1) / both.sum(axis=1))[:, None]
        reached = (scores * canary).sum(axis=1)
        for place, tilt in enumerate(LATENCY_TILTS):
            expected = (both * log_factor(share, tilt * scores)).sum(axis=1)
            self.exponents[kind][:, place] += tilt * reached - expected


def _halved(counts: Numbers | None, slow: Flags) -> Numbers | None:
    if counts is None:
        return None
    slower = (counts * slow).sum(axis=1)
    return np.stack([slower, counts.sum(axis=1) - slower], axis=1)


@define
class Z:
    """Two proportions compared at every look, as if it were the only one; one-sided.

    With *looks*, alpha is shared among them (Bonferroni).
    """

    canaries: int
    requests: int = 1000
    alpha: float = 0.05
    looks: int = 1
    _seen: list[Numbers] = field(factory=list)

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Learn nothing."""

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look."""
        before = self._seen or [np.zeros(self.canaries), np.zeros(self.canaries), np.zeros(1)]
        failed, usual = before[0] + canary, before[1] + first + second
        each = before[2] + self.requests
        self._seen = [failed, usual, each]
        pooled = (failed + usual) / (2 * each)
        deviation = np.sqrt(2 * pooled * (1 - pooled) / each)
        limit = NormalDist().inv_cdf(1 - self.alpha / self.looks)
        return np.asarray((failed - usual) / each > limit * deviation)


@define
class Threshold:
    """More than *times* the usual errors in a check, in *failures* checks: rejected.

    As Flagger and Argo Rollouts count: failed checks add up, and good ones don't clear them. It is
    given the true usual rate, which nobody has.
    """

    canaries: int
    failures: int
    requests: int = 1000
    usual: float = 0.01
    times: float = 1.5
    failed: Numbers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.failed = np.zeros(self.canaries)

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Learn nothing."""

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look."""
        self.failed += canary > self.times * self.usual * self.requests
        return np.asarray(self.failed >= self.failures)


@define
class Kayenta:
    """The rule of Kayenta's judge for one metric, a value a check, judged every *every* checks.

    Mann-Whitney's 98 % interval of the shift between the arms' values: "High" if its lower end is
    above a quarter of the shift's estimate (Hodges & Lehmann). Ends by order statistics.
    """

    canaries: int
    every: int = 5
    _values: list[tuple[Numbers, Numbers]] = field(factory=list)
    rejected: Flags = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rejected = np.zeros(self.canaries, dtype=bool)

    def warm(self, first: Numbers, second: Numbers) -> None:
        """Learn nothing."""

    def after(self, canary: Numbers, first: Numbers, second: Numbers) -> Flags:
        """Take one more look."""
        self._values.append((canary, first + second))
        if len(self._values) % self.every == 0:
            left = np.flatnonzero(~self.rejected)
            for part in np.array_split(left, max(1, len(left) // 500)):
                self.rejected[part] = self._high(part)
        return self.rejected

    # 5 values in each arm: 25 differences, 12.5 - 2.33 * 4.79 = 1.36, so the first of them.
    def _high(self, part: NDArray[np.intp]) -> Flags:
        mine = np.array([each[0][part] for each in self._values], dtype=np.int32).T
        others = np.array([each[1][part] for each in self._values], dtype=np.int32).T
        shifts = (mine[:, :, None] - others[:, None, :]).reshape(len(part), -1)
        count, pairs = len(self._values), shifts.shape[1]
        spread = sqrt(pairs * (2 * count + 1) / 12)
        place = max(1, int(pairs / 2 - NormalDist().inv_cdf(0.99) * spread)) - 1
        middle = ((pairs - 1) // 2, pairs // 2)
        ordered = np.partition(shifts, sorted({place, *middle}), axis=1)
        estimate = (ordered[:, middle[0]] + ordered[:, middle[1]]) / 2
        return np.asarray(ordered[:, place] > 0.25 * np.abs(estimate))
