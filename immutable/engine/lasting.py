"""A number's least value over the last while."""

from __future__ import annotations

from collections import deque

__all__ = ["Lasting"]


class Lasting:
    """The least of what a number was all through the last *span* seconds.

    0 until it has been watched for that long: what is not known to last does not.

    >>> deficit = Lasting(60)
    >>> for second, value in ((0, 0), (30, 3), (60, 5), (80, 3)):
    ...     deficit.watch(second, value)
    >>> deficit.least
    0
    >>> deficit.watch(90, 4)
    >>> deficit.least
    3
    """

    def __init__(self, span: float) -> None:
        self._span = span
        self._began: float | None = None
        self._now = 0.0
        # Both times and values rise: each value is the least since its time.
        self._values: deque[tuple[float, int]] = deque()

    def watch(self, now: float, value: int) -> None:
        """Note *value* at time *now*, which never goes back."""
        self._began = now if self._began is None else self._began
        self._now = now
        since = now
        while self._values and self._values[-1][1] > value:
            since = self._values.pop()[0]
        if not self._values or self._values[-1][1] < value:
            self._values.append((since, value))
        # The value before the span's beginning held until the next one was noted.
        while len(self._values) > 1 and self._values[1][0] <= now - self._span:
            self._values.popleft()

    def lower(self, by: int) -> None:
        """Count *by* less from the beginning on: they were dealt with."""
        lowered = [(time, max(0, value - by)) for time, value in self._values]
        self._values = deque(lowered)

    @property
    def least(self) -> int:
        """The least value of the last *span* seconds; 0 before they have passed."""
        if self._began is None or self._now - self._began < self._span:
            return 0
        return self._values[0][1]
