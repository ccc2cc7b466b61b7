"""The cloud's clock, reckoned from the ``Date`` of its answers."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from attrs import define

__all__ = ["ServerTime"]

_RESOLUTION = 1.0


# Sent at 10.0, answered at 10.3 with a Date of 12: the cloud read its clock between 10.0 and 10.3,
# when it showed 12.0 to 13.0, so it is 1.7 to 3.0 s ahead. Sent 10.8, answered 11.0, Date 13: 2.0
# to 3.2 s. Both: 2.0 to 3.0 s (Marzullo's intersection; RFC 5905 uses it for NTP).
@define
class ServerTime:
    """How far the cloud's clock is ahead of ours: an interval that every answer narrows.

    A ``Date`` has whole seconds; where answers come within 100 ms, some twenty of them make it a
    tenth. A clock of ours that was set makes the interval empty, and it begins anew.

    Attributes:
        low: The least that the cloud's clock can be ahead, in seconds.
        high: The most.
        last: The newest time that was told: time never goes back.
    """

    low: float = float("-inf")
    high: float = float("inf")
    last: float = float("-inf")

    def heard(self, date: str, sent: float, received: float) -> None:
        """Take note of an answer.

        Args:
            date: Its ``Date`` header.
            sent: When the request was sent, by our clock, in seconds since the epoch.
            received: When the answer was there.
        """
        try:
            told = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        low, high = told - received, told + _RESOLUTION - sent
        both = max(self.low, low), min(self.high, high)
        self.low, self.high = both if both[0] <= both[1] else (low, high)

    def at(self, ours: float) -> float:
        """Return the cloud's time when our clock shows *ours*; never less than before."""
        if self.low == float("-inf"):
            return ours
        # No offset at all is the likeliest one where it is possible: both clocks are kept.
        offset = min(max(0.0, self.low), self.high)
        self.last = max(self.last, ours + offset)
        return self.last
