"""How long things take, as values: they travel to workers, and say where they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from statistics import fmean, stdev

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.memory.laws import Fixed, Lognormal
from immutable.model import Capabilities

__all__ = ["ENOUGH", "FEW", "Fixed", "Lognormal", "Measured", "Span", "Spans", "boot_span"]

ENOUGH = 30
"""From so many boots on they are drawn from as they were."""
FEW = 5
"""Below so many boots nothing is told from them."""
_SIGMA, _LEAST = 0.5, 0.39  # A virtual machine's: 35 s of 90 s at least, then a mild tail.


def _sorted(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(values))


# Measured((10, 20, 40)): half of the draws are between 10 and 20, half between 20 and 40.
@frozen
class Measured:
    """As it was: anything between two neighbours among what was measured is as likely.

    Attributes:
        seconds: What was measured, sorted.
    """

    seconds: tuple[float, ...] = field(converter=_sorted)

    def __attrs_post_init__(self) -> None:
        if not self.seconds or self.seconds[0] < 0:
            raise InvalidValue("seconds", self.seconds, "nothing measured, or less than nothing")

    def __call__(self, random: Random) -> float:
        """Draw one, in seconds."""
        place = random.random() * (len(self.seconds) - 1)
        lower = int(place)
        upper = min(lower + 1, len(self.seconds) - 1)
        part = place - lower
        return self.seconds[lower] * (1 - part) + self.seconds[upper] * part

    def __str__(self) -> str:
        least, most = self.seconds[0], self.seconds[-1]
        middle = self.seconds[len(self.seconds) // 2]
        return f"as measured: {least:.3g} to {most:.3g} s, half of them up to {middle:.3g} s"


Span = Fixed | Lognormal | Measured
"""Draws a length of time, in seconds."""


@frozen
class Spans:
    """How long the phases of a server's life are taken to last.

    Attributes:
        boot: From launch to READY.
        drain: From the start of draining until nothing is in flight.
        terminate: From the end of draining until it is gone; where both were measured, they were
            together, and *drain* is 0.
        known: Where *boot* comes from, in words.
        boots: How many boots it was told from; 0 for none.
    """

    boot: Span
    drain: Span
    terminate: Span
    known: str = "as given"
    boots: int = 0

    @classmethod
    def usual(
        cls,
        able: Capabilities,
        boots: Sequence[float] = (),
        known: str = "",
        goings: Sequence[float] = (),
    ) -> Spans:
        """Return what a backend says is usual, or what is known instead.

        Args:
            able: What the backend says.
            boots: Boots that are known.
            known: Where from, in words.
            goings: How long servers that were sent to retire took to be gone, as looks at every
                ``poll`` showed it: half of one late, on average.
        """
        boot, words = boot_span(boots, able.boot)
        enough = len(boots) >= FEW
        source, count = (known or words, len(boots)) if enough else (words, 0)
        drain, terminate = Fixed(able.drain), Fixed(able.terminate)
        if len(goings) >= FEW:
            gone = Measured([max(0.0, each - able.poll / 2) for each in goings])
            return cls(boot, Fixed(0.0), gone, source, count)
        return cls(boot, drain, terminate, source, count)


# 30 boots or more: drawn from as they were.    5 to 29: lognormal with their logarithms' moments.
# Fewer: the backend's usual boot with a virtual machine's spread, 39 % of it at least.
def boot_span(boots: Sequence[float], usual: float) -> tuple[Span, str]:
    """Return the law of boots and how it was come by.

    A lognormal law fits what is told from few boots: it has the tail that boots have, and a
    sample of twenty holds too little of one.
    """
    if len(boots) >= ENOUGH:
        return Measured(tuple(boots)), f"{len(boots)} boots, as they were"
    if len(boots) >= FEW:
        logs = [math.log(max(each, 1e-3)) for each in boots]
        mean, sigma = fmean(logs), stdev(logs)
        whole = math.exp(mean + sigma**2 / 2)
        return Lognormal(whole, sigma), f"{len(boots)} boots, fitted by a lognormal law"
    least = _LEAST * usual
    words = "the backend's usual boot, for too few boots are known"
    return (Lognormal(usual, _SIGMA, least) if usual > 0 else Fixed(0.0)), words
