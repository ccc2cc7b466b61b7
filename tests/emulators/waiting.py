"""Waiting for what has to come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T], wanted: Callable[[T], object] = bool, seconds: float = 30.0) -> T:
    """What `look` says once it satisfies `wanted`.

    Raises:
        AssertionError: it does not, in that time; says what it says instead.
    """
    end = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        time.sleep(0.02)
    return found
