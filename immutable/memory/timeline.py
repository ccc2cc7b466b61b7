"""The time of a simulated cloud: a heap of events, worked off whenever somebody looks.

So a cloud of 100,000 servers needs no task and no timer.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from immutable.backend import Clock

__all__ = ["Timeline"]


class Timeline:
    """What happens, and when.

    Args:
        clock: Whose time it is.

    Attributes:
        clock: Whose time it is.
        at: Until when everything has happened.
        sooner: Called when something is due before everything else; nobody at first.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.at = clock.now()
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._advancing = False
        self.sooner: Callable[[], None] | None = None

    @property
    def next_due(self) -> float | None:
        """When the next thing happens; None when nothing is to come."""
        return self._events[0][0] if self._events else None

    def advance(self) -> None:
        """Let everything happen that is due by now, each at its time."""
        if self._advancing:
            return  # What is due later waits until this event is over.
        now = self.clock.now()
        self._advancing = True
        try:
            while self._events and self._events[0][0] <= now:
                self.at, _, event = heapq.heappop(self._events)
                event()
        finally:
            self._advancing = False
        self.at = now

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let *event* happen *seconds* from now."""
        due = self.at + seconds
        heapq.heappush(self._events, (due, next(self._order), event))
        if self.sooner is not None and not self._advancing and self._events[0][0] == due:
            self.sooner()
