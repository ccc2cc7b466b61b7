"""Real time, and what is due in it.

Nothing runs in the background: before any call is answered, whatever fell due meanwhile happens,
in the order in which it fell due and with the clock at that moment. Whoever looks sees what the
cloud would show at that time, and what nobody asks about costs nothing.
"""

from __future__ import annotations

import heapq
import itertools
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import define, field


@define(eq=False)
class Timer:
    """Something that will happen, unless it is cancelled."""

    at: float
    do: Callable[..., None]
    args: tuple[Any, ...]
    cancelled: bool = False

    def cancel(self) -> None:
        """Let it not happen."""
        self.cancelled = True


@define
class Clock:
    """Seconds since the epoch, and timers.

    Args:
        source: what time it is; another one makes hours pass in a test's loop.
        ahead: how far the test has moved the time on, in seconds.
        broken: tracebacks of timers that failed: the emulator's own mistakes, which a test shows.
    """

    source: Callable[[], float] = time.time
    broken: list[str] = field(factory=list)
    ahead: float = 0.0
    _heap: list[tuple[float, int, Timer]] = field(factory=list)
    _count: itertools.count[int] = field(factory=itertools.count)
    _at: float | None = None

    def now(self) -> float:
        """The time; while a timer is served, the moment when it was due."""
        return self.source() + self.ahead if self._at is None else self._at

    def date(self, at: float | None = None) -> datetime:
        """The time as clouds write it, to the millisecond."""
        stamp = datetime.fromtimestamp(self.now() if at is None else at, UTC)
        return stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)

    def after(self, seconds: float, do: Callable[..., None], *args: Any) -> Timer:
        """Call `do(*args)` in that many seconds."""
        timer = Timer(self.now() + max(0.0, seconds), do, args)
        heapq.heappush(self._heap, (timer.at, next(self._count), timer))
        return timer

    def catch_up(self) -> None:
        """Serve everything that is due."""
        until = self.source() + self.ahead
        try:
            while self._heap and self._heap[0][0] <= until:
                timer = heapq.heappop(self._heap)[2]
                if not timer.cancelled:
                    self._at = timer.at
                    self._serve(timer)
        finally:
            self._at = None

    def _serve(self, timer: Timer) -> None:
        try:
            timer.do(*timer.args)
        except Exception:  # noqa: BLE001  Whoever called has nothing to do with it; the test has.
            self.broken.append(traceback.format_exc())

    def pending(self) -> float | None:
        """When the next timer is due."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
