"""Where wall-clock stamps come from.

Waiting uses the event loop's time only; a stamp in a record uses a `Clock`. Both can be
replaced together, so that hours of a rollout pass in milliseconds of a test.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "LoopClock", "SystemClock"]


class Clock(Protocol):
    """Tells the wall-clock time."""

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The operating system's clock."""

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00:00Z."""
        return time.time()


class LoopClock:
    """A wall clock that follows the running loop's time, virtual or not.

    Where no loop runs it stands at the epoch, which is when a virtual loop begins: a simulated
    cloud can be made before the loop that it will live on.

    Args:
        epoch: What it shows when the loop's time is 0, in seconds since 1970.
    """

    def __init__(self, epoch: float = 1_800_000_000.0) -> None:
        self._epoch = epoch

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00:00Z."""
        try:
            return self._epoch + asyncio.get_running_loop().time()
        except RuntimeError:
            return self._epoch
