"""Simulated clients of a simulated fleet: requests, errors and latencies by the laws of images."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from operator import add
from random import Random

from attrs import define, field, frozen

from immutable.backend import Reading, Traffic
from immutable.memory.laws import Behaviour, Law

__all__ = ["BOUNDS", "Clients"]

BOUNDS = tuple(round(0.001 * 2 ** (step / 2), 6) for step in range(32))
"""Upper bounds of the latency buckets: 1 ms to 46 s, each 1.41 times the one before."""

_DRAWN = 20_000
_ONE_BY_ONE = 12
_FEW = 10.0
_NOTHING = Traffic(latency=(0,) * (len(BOUNDS) + 1))


@frozen
class _Buckets:
    """How likely requests fall into each bucket.

    Attributes:
        cumulated: The chance that one falls into a bucket or one before it.
        chances: Each bucket that is ever hit, and its chance once those before it were not.
    """

    cumulated: tuple[float, ...]
    chances: tuple[tuple[int, float], ...]


@lru_cache(maxsize=64)
def _buckets(law: Law) -> _Buckets:
    """Return how likely each bucket is under a latency law, from many draws."""
    random = Random(0)
    hits = Counter(bisect_left(BOUNDS, law(random)) for _ in range(_DRAWN))
    cumulated = tuple(accumulate(hits[bucket] / _DRAWN for bucket in range(len(BOUNDS) + 1)))
    edges = zip((0.0, *cumulated), cumulated, strict=False)
    chances = tuple(
        (bucket, min(1.0, (upto - before) / max(1e-12, 1 - before)))
        for bucket, (before, upto) in enumerate(edges)
        if upto > before
    )
    return _Buckets(cumulated, chances)


def _spread(count: int, law: Law, random: Random) -> list[int]:
    """Return how many of *count* requests fall into each bucket."""
    buckets = _buckets(law)
    cumulated = buckets.cumulated
    hits, left, gauss = [0] * len(cumulated), count, random.gauss
    for bucket, chance in buckets.chances:
        if left <= _ONE_BY_ONE:
            _scatter(hits, left, bucket, cumulated, random)
            return hits
        # Of those that are left: a binomial law, by what it comes close to.
        mean = left * chance
        if mean < _FEW:
            hit = _poisson(mean, random)
        else:
            hit = int(gauss(mean, math.sqrt(mean * (1 - chance))) + 0.5)
        hit = 0 if hit < 0 else min(hit, left)
        hits[bucket] = hit
        left -= hit
    hits[-1] += left
    return hits


def _scatter(
    hits: list[int], count: int, first: int, cumulated: tuple[float, ...], random: Random
) -> None:
    """Let *count* requests fall one by one into the buckets from the *first* on."""
    before = cumulated[first - 1] if first else 0.0
    for _ in range(count):
        place = before + random.random() * (cumulated[-1] - before)
        hits[min(bisect_left(cumulated, place, first), len(hits) - 1)] += 1


@define(eq=False)
class Clients:
    """Clients that ask a fleet at a steady rate.

    Attributes:
        rate: Requests per second, all together.
        at: Until when they have asked.
        counted: What came of it, by revision and series.
        by_zone: Whether there is a series for each zone, as balancers count; else for each server.
    """

    rate: float = 0.0
    at: float = 0.0
    by_zone: bool = False
    counted: dict[int, dict[str, Traffic]] = field(factory=dict)

    def ask(
        self,
        now: float,
        servers: Mapping[int, Mapping[str, int]],
        weights: Mapping[int, float | None],
        behaviours: Mapping[int, Behaviour],
        random: Random,
    ) -> None:
        """Ask from when they last did until *now*, with everything as it is.

        Args:
            now: Until when.
            servers: For each revision its series, and how many READY servers each counts.
            weights: The percentage of each revision; None where all share one pool.
            behaviours: How each revision's image behaves.
            random: Where chances come from.
        """
        seconds, self.at = now - self.at, now
        if self.rate <= 0 or seconds <= 0:
            return
        parts = {
            number: sum(there.values()) if weights[number] is None else (weights[number] or 0.0)
            for number, there in servers.items()
            if there
        }
        whole = sum(parts.values())
        for number, part in parts.items():
            if part > 0:
                each = self.rate * seconds * part / whole / sum(servers[number].values())
                for name, count in servers[number].items():
                    asked = _poisson(each * count, random)
                    self._serve(number, name, asked, behaviours[number], random)

    def _serve(self, number: int, name: str, count: int, how: Behaviour, random: Random) -> None:
        series = self.counted.setdefault(number, {})
        before = series.get(name, _NOTHING)
        spread = _spread(count, how.latency, random)
        latency = tuple(map(add, before.latency, spread))
        errors = min(count, _poisson(count * how.errors, random))
        series[name] = Traffic(before.requests + count, before.errors + errors, latency)

    def reading(self) -> Reading:
        """Return the counters."""
        return Reading({number: dict(s) for number, s in self.counted.items()}, BOUNDS)


def _poisson(mean: float, random: Random) -> int:
    """Draw from a Poisson law; above 50 from the normal law that it comes close to."""
    if mean > 50:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    count, rest = 0, random.expovariate(1.0)
    while rest < mean:
        count += 1
        rest += random.expovariate(1.0)
    return count
