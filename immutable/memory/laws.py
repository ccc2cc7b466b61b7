"""How long things take in the simulated cloud, and how images behave."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from attrs import field, frozen

from immutable.errors import InvalidValue

__all__ = [
    "LATENCY", "Behaviour", "Fixed", "Law", "Laws", "Lognormal", "exponential",
    "fixed", "lognormal", "vm",
]  # fmt: skip

Law = Callable[[Random], float]
"""Draws a duration in seconds."""


def _duration(_: object, attribute: object, value: float) -> None:
    """Refuse what is no length of time; a validator of attrs."""
    if not 0 <= value < math.inf:
        name = str(getattr(attribute, "name", "seconds"))
        raise InvalidValue(name, value, "not a length of time", "pass seconds, 0 or more")


@frozen
class Fixed:
    """Always the same.

    Attributes:
        seconds: How long.
    """

    seconds: float = field(validator=_duration)

    def __call__(self, _: Random) -> float:
        """Draw one, in seconds."""
        return self.seconds

    def __str__(self) -> str:
        return f"always {self.seconds:g} s"


@frozen
class Lognormal:
    """At least some time, and above that a lognormal law.

    Attributes:
        mean: The mean of the whole, in seconds.
        sigma: The standard deviation of the logarithm of what is above *least*: 0.5 is a mild
            tail, 0.9 a heavy one.
        least: Seconds that it takes at least.
    """

    mean: float = field()
    sigma: float = field(default=0.5, validator=_duration)
    least: float = field(default=0.0, validator=_duration)

    @mean.validator
    def _above_the_least(self, _: object, mean: float) -> None:
        if not self.least < mean < math.inf:
            raise InvalidValue("mean", mean, f"not above the least, {self.least:g} s")

    def __call__(self, random: Random) -> float:
        """Draw one, in seconds."""
        mu = math.log(self.mean - self.least) - self.sigma**2 / 2
        return self.least + random.lognormvariate(mu, self.sigma)

    def __str__(self) -> str:
        above = f", {self.least:.3g} s at least" if self.least else ""
        return f"lognormal with mean {self.mean:.3g} s and sigma {self.sigma:.2g}{above}"


def fixed(seconds: float) -> Fixed:
    """Return a law by which everything takes *seconds*.

    Raises:
        InvalidValue: *seconds* is negative.
    """
    return Fixed(seconds)


def lognormal(mean: float, sigma: float, least: float = 0.0) -> Lognormal:
    """Return *least* plus a lognormal law, with *mean* seconds in all.

    Args:
        mean: The mean of the whole.
        sigma: The standard deviation of the logarithm: 0.5 is a mild tail, 0.9 a heavy one.
        least: What it takes at least.

    Raises:
        InvalidValue: *mean* is not above *least*.
    """
    return Lognormal(mean, sigma, least)


def exponential(mean: float) -> Law:
    """Return the law of what may happen at any moment, such as a death; *mean* seconds on average.

    Raises:
        InvalidValue: *mean* is not above 0.
    """
    if mean <= 0:
        raise InvalidValue("mean", mean, "not above 0")
    return lambda random: random.expovariate(1 / mean)


def vm(mean: float = 90.0) -> Lognormal:
    """Return the boot law of a typical virtual machine: 35 s, then lognormal with sigma 0.5.

    Args:
        mean: The mean of the whole, above 35.
    """
    return lognormal(mean, 0.5, least=35.0)


@frozen
class Laws:
    """How long the phases of a server's life take.

    Attributes:
        boot: From launch to READY.
        drain: From the start of draining until nothing is in flight.
        terminate: From the end of draining until it is gone.
    """

    boot: Law = fixed(30.0)
    drain: Law = fixed(5.0)
    terminate: Law = fixed(10.0)


LATENCY = Lognormal(0.1, 0.5)
"""How long a request takes, unless an image's behaviour says otherwise."""


@frozen
class Behaviour:
    """How the servers of an image behave.

    Attributes:
        launchable: Whether any can be launched.
        ready: Whether they ever become READY.
        boot: Their own boot law, instead of the cloud's.
        dies_after: After how many seconds of life they die; None when they don't.
        errors: The share of requests that fail, 0 to 1.
        latency: How long a request takes.
    """

    launchable: bool = True
    ready: bool = True
    boot: Law | None = None
    dies_after: Law | None = None
    errors: float = 0.0
    latency: Law = LATENCY
