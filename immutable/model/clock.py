"""Where wall-clock stamps come from.

Waiting uses the event loop's time only; a stamp in a record uses a `Clock`. Both can be
replaced together, so that hours of a rollout pass in milliseconds of a test.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


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
