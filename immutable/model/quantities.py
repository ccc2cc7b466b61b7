"""Counts, shares and durations as users write them, and how they are rounded.

A count is an ``int`` or a percentage of the fleet's size such as ``"25%"``. A duration is a
number of seconds or a `datetime.timedelta`. Percentages are exact decimal fractions: 10 % of
30 is 3, never 3.0000000000000004 rounded up to 4.
"""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from math import isfinite

from immutable.errors import InvalidValue

__all__ = [
    "Count",
    "Duration",
    "duration",
    "length",
    "percent",
    "rounded_down",
    "rounded_up",
    "seconds",
    "share_of",
]

Count = int | str
"""An absolute number (``3``) or a percentage of the fleet's size (``"25%"``)."""

Duration = float | timedelta
"""Seconds or a `datetime.timedelta`."""


@lru_cache(maxsize=256)
def percent(text: str, *, name: str = "percentage") -> Fraction:
    """Read ``"12.5%"`` as the exact fraction 1/8.

    Raises:
        InvalidValue: Not a number followed by ``%``, or outside 0 % … 100 %.
    """
    number = text.strip()
    if not number.endswith("%"):
        raise InvalidValue(name, text, "not a percentage", 'write a number and a sign: "25%"')
    try:
        share = Fraction(number[:-1].strip()) / 100
    except (ValueError, ZeroDivisionError):
        raise InvalidValue(name, text, "not a percentage", 'write it like "25%"') from None
    if not 0 <= share <= 1:
        raise InvalidValue(name, text, "outside 0 % to 100 %")
    return share


@lru_cache(maxsize=256)
def rounded_up(count: Count, size: int) -> int:
    """Return *count* of *size* as a whole number, a fraction rounded up.

    ``rounded_up("25%", 10) == 3``; ``rounded_up("1%", 2) == 1``; ``rounded_up(0, 10) == 0``.
    """
    if isinstance(count, int):
        return count
    return -int(-percent(count) * size // 1)


@lru_cache(maxsize=256)
def rounded_down(count: Count, size: int) -> int:
    """Return *count* of *size* as a whole number, a fraction rounded down.

    ``rounded_down("25%", 10) == 2``; ``rounded_down("25%", 3) == 0``.
    """
    if isinstance(count, int):
        return count
    return int(percent(count) * size // 1)


@lru_cache(maxsize=256)
def share_of(share: float, size: int) -> int:
    """Return the whole number closest to *share* percent of *size*.

    For 0 < share < 100 neither side gets nothing when there are at least two: 5 % of 4 is 1,
    99 % of 4 is 3. A tie goes to the smaller share. 5 % of 1 is 1: one instance can't be split.

    ``share_of(25, 10) == 2`` (2.5, tie goes down); ``share_of(50, 3) == 1``.
    """
    if share <= 0:
        return 0
    if share >= 100:
        return size
    exact = Fraction(str(share)) * size / 100
    closest = -int(-(exact - Fraction(1, 2)) // 1)
    return max(min(1, size), min(closest, size - 1))


def seconds(value: Duration, *, name: str = "duration") -> float:
    """Return *value* in seconds.

    Raises:
        InvalidValue: Negative, infinite or not a number.
    """
    length = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(length, bool) or not isinstance(length, (int, float)):
        raise InvalidValue(name, value, "not a duration", "pass seconds or a timedelta")
    if not isfinite(length) or length < 0:
        raise InvalidValue(name, value, "a duration is finite and not negative")
    return float(length)


def length(value: Duration) -> float:
    """Return *value* in seconds: the converter of attributes that are durations.

    Raises:
        InvalidValue: Negative, infinite or not a number.
    """
    return seconds(value)


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``duration(95) == "1 min 35 s"``."""
    if seconds < 60:
        return f"{seconds:g} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
