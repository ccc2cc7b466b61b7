"""Waiting for what has to come, with a deadline: the one place in tests that sleeps for that."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
LONG = 60.0
"""Seconds after which what has not come won't, however busy the machine is."""


def until(
    look: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    seconds: float = LONG,
    every: float = 0.02,
) -> T:
    """What `look` says once it satisfies `wanted`.

    Raises:
        AssertionError: it does not, in that time; says what it says instead.
    """
    end = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < end, f"still {found!r} after {seconds} s"
        time.sleep(every)  # Another process has to come so far: there is nothing to be woken by.
    return found


async def eventually(
    look: Callable[[], Any],
    wanted: Callable[[Any], object] = bool,
    seconds: float = LONG,
    every: float = 0.02,
) -> Any:
    """As `until`, while the loop goes on; `look` may be a coroutine function.

    Raises:
        AssertionError: as `until`.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if wanted(found):
            return found
        assert loop.time() < end, f"still {found!r} after {seconds} s"
        await asyncio.sleep(every)
