"""How long things take in the simulated cloud, and how images behave."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from attrs import frozen

from immutable.errors import InvalidValue

__all__ = ["Behaviour", "Law", "Laws", "exponential", "fixed", "lognormal", "vm"]

Law = Callable[[Random], float]
"""Draws a duration in seconds."""


def fixed(seconds: float) -> Law:
    """Return a law by which everything takes *seconds*."""
    return lambda _: seconds


def lognormal(mean: float, sigma: float, least: float = 0.0) -> Law:
    """Return *least* plus a lognormal law, with *mean* seconds in all.

    Args:
        mean: The mean of the whole.
        sigma: The standard deviation of the logarithm: 0.5 is a mild tail, 0.9 a heavy one.
        least: What it takes at least.

    Raises:
        InvalidValue: *mean* is not above *least*.
    """
    if mean <= least:
        raise InvalidValue("mean", mean, f"not above the least, {least:g}")
    mu = math.log(mean - least) - sigma**2 / 2
    return lambda random: least + random.lognormvariate(mu, sigma)


def exponential(mean: float) -> Law:
    """Return the law of what may happen at any moment, such as a death; *mean* seconds on average.

    Raises:
        InvalidValue: *mean* is not above 0.
    """
    if mean <= 0:
        raise InvalidValue("mean", mean, "not above 0")
    return lambda random: random.expovariate(1 / mean)


def vm(mean: float = 90.0) -> Law:
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


_LATENCY = lognormal(0.1, 0.5)


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
    latency: Law = _LATENCY
