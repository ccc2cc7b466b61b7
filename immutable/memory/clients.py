"""Simulated clients of a simulated fleet: requests, errors and latencies by the laws of images."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from random import Random

from attrs import define, field

from immutable.backend import Instance, Reading, Traffic
from immutable.memory.laws import Behaviour, Law

__all__ = ["BOUNDS", "Clients"]

BOUNDS = tuple(round(0.001 * 2 ** (step / 2), 6) for step in range(32))
"""Upper bounds of the latency buckets: 1 ms to 46 s, each 1.41 times the one before."""

_DRAWN = 20_000
_ONE_BY_ONE = 2_000


@lru_cache(maxsize=64)
def _buckets(law: Law) -> tuple[float, ...]:
    """Return how likely each bucket is under a latency law, from many draws; cumulated."""
    random = Random(0)
    hits = Counter(bisect_left(BOUNDS, law(random)) for _ in range(_DRAWN))
    return tuple(accumulate(hits[bucket] / _DRAWN for bucket in range(len(BOUNDS) + 1)))


def _spread(count: int, cumulated: tuple[float, ...], random: Random) -> list[int]:
    """Return how many of *count* requests fall into each bucket."""
    if count <= _ONE_BY_ONE:
        drawn = Counter(random.choices(range(len(cumulated)), cum_weights=cumulated, k=count))
        return [drawn[bucket] for bucket in range(len(cumulated))]
    hits, left, before = [], count, 0.0
    for upto in cumulated:
        # Of those that are left, by the normal law that the binomial comes close to.
        chance = min(1.0, (upto - before) / max(1e-12, 1 - before))
        mean, before = left * chance, upto
        hit = min(left, max(0, round(random.gauss(mean, math.sqrt(mean * (1 - chance))))))
        hits.append(hit)
        left -= hit
    hits[-1] += left
    return hits


@define(eq=False)
class Clients:
    """Clients that ask a fleet at a steady rate.

    Attributes:
        rate: Requests per second, all together.
        at: Until when they have asked.
        counted: What came of it, by revision and server.
    """

    rate: float = 0.0
    at: float = 0.0
    counted: dict[int, dict[str, Traffic]] = field(factory=dict)

    def ask(
        self,
        now: float,
        servers: Mapping[int, Sequence[Instance]],
        weights: Mapping[int, float | None],
        behaviours: Mapping[int, Behaviour],
        random: Random,
    ) -> None:
        """Ask from when they last did until *now*, with everything as it is.

        Args:
            now: Until when.
            servers: The READY servers of each revision.
            weights: The percentage of each revision; None where all share one pool.
            behaviours: How each revision's image behaves.
            random: Where chances come from.
        """
        seconds, self.at = now - self.at, now
        if self.rate <= 0 or seconds <= 0:
            return
        parts = {
            number: len(there) if weights[number] is None else (weights[number] or 0.0)
            for number, there in servers.items()
            if there
        }
        whole = sum(parts.values())
        for number, part in parts.items():
            if part > 0:
                each = self.rate * seconds * part / whole / len(servers[number])
                for server in servers[number]:
                    self._serve(
                        number, server.id, _poisson(each, random), behaviours[number], random
                    )

    def _serve(self, number: int, name: str, count: int, how: Behaviour, random: Random) -> None:
        series = self.counted.setdefault(number, {})
        before = series.get(name, Traffic(latency=(0,) * (len(BOUNDS) + 1)))
        spread = _spread(count, _buckets(how.latency), random)
        latency = tuple(a + b for a, b in zip(before.latency, spread, strict=True))
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
