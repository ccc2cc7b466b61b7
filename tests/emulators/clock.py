"""Real time, and what is due in it.

Nothing runs in the background: before any call is answered, whatever fell due meanwhile happens,
in the order in which it fell due and with the clock at that moment. Whoever looks sees what the
cloud would show at that time, and what nobody asks about costs nothing.

A test that looks at what passes (a machine that boots, a member that drains) lets time stand still
first, and moves it on itself: then it doesn't matter how fast the machine is that runs the test.
Whether it does is found out with the time of `SPEED`: a hurried clock is a slow machine.
"""

from __future__ import annotations

import heapq
import itertools
import os
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import define, field

SPEED = "EMULATOR_SPEED"
"""The environment's word for how many seconds pass in an emulator in one second; 1 without it."""


def passing() -> Callable[[], float]:
    """The time that passes here, at the speed that the environment says."""
    speed, begun = float(os.environ.get(SPEED, "1")), time.time()
    return time.time if speed == 1 else lambda: begun + (time.time() - begun) * speed


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
        stood: the source's time at which the test let it stand still; None while it goes on.
        broken: tracebacks of timers that failed: the emulator's own mistakes, which a test shows.
    """

    source: Callable[[], float] = field(factory=passing)
    broken: list[str] = field(factory=list)
    ahead: float = 0.0
    stood: float | None = None
    _heap: list[tuple[float, int, Timer]] = field(factory=list)
    _count: itertools.count[int] = field(factory=itertools.count)
    _at: float | None = None

    def now(self) -> float:
        """The time; while a timer is served, the moment when it was due."""
        return self._present() if self._at is None else self._at

    def _present(self) -> float:
        return self.ahead + (self.source() if self.stood is None else self.stood)

    def behind(self) -> float:
        """How long ago it was due, what is being served; 0 while nothing is."""
        return 0.0 if self._at is None else self._present() - self._at

    def skip(self, seconds: float) -> None:
        """Move the time on, also while it stands still."""
        self.ahead += seconds

    def freeze(self) -> None:
        """Let the time stand still; it may do so already."""
        if self.stood is None:
            self.stood = self.source()

    def thaw(self) -> None:
        """Let the time go on from where it stood, if it stands still."""
        if self.stood is not None:
            self.ahead -= self.source() - self.stood
            self.stood = None

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
        until = self._present()
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
