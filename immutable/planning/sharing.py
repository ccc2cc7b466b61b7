"""How rollouts share what a cloud launches in a time. Pure.

One bucket of launches is for all rollouts of a place. Forward they spend it but for a reserve,
which is for ways back: a rollout that ran it dry would make its own way back slow. When there is
too little for all, it is given out in rounds: each who waits gets an equal part once, who has
waited longest first. Who waits has to ask again and again: one that is heard of no more, because
a call of it hangs, keeps nothing from the others.
"""

from __future__ import annotations

from itertools import islice
from math import inf

from attrs import define, field

from immutable.model import Rate

__all__ = ["RESERVE", "Launches", "reserved"]

RESERVE = 0.2
"""The part of a bucket that only ways back may spend."""

_WHOLE = 1e-6
_ABSENT = 120.0
"""Seconds after which who has not asked again waits no more: eight of the longest waits."""


# A bucket of 1,000: 200.    Of 2: 0.4.    Of 1: none, or nobody could ever go forward.
def reserved(rate: Rate) -> float:
    """Return how many launches of a full bucket are kept for ways back."""
    return min(RESERVE * rate.burst, max(0.0, rate.burst - 1))


@define
class Launches:
    """One bucket of launches, as a process has spent it, and who waits for more.

    Attributes:
        rate: How large it is, and how fast it fills.
        at: When it was last looked at, in seconds of any clock.
        tokens: How many launches it had then; full at first, less than none after a large way back.
    """

    rate: Rate
    at: float
    tokens: float = field(init=False)
    _waiting: dict[str, None] = field(factory=dict, init=False)
    _served: dict[str, None] = field(factory=dict, init=False)  # In this round; they wait, too.
    _asked: dict[str, float] = field(factory=dict, init=False)  # When each of them asked last.
    _quota: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.rate.burst

    # A bucket of 10: 8 are for ways forward. One asks for 20: 8. Two who wait, 5 left: 2 for each.
    # Three who wait, 2 left: one for each of the two who came first. 20 on a way back: 20.
    def grant(self, rollout: str, wanted: int, now: float, *, back: bool) -> int:
        """Return how many instances a rollout may launch now, and count them as launched.

        A way back gets all that it wants. Who gets fewer waits for more, until `leave`.

        Args:
            rollout: Who asks.
            wanted: How many it would launch.
            now: The clock's time.
            back: Whether it goes back.
        """
        left = self._left(now)
        self._forget_absent(now)
        self._asked[rollout] = now
        granted = wanted if back else min(wanted, self._part(rollout, left))
        self.tokens -= granted
        if granted >= wanted:
            self.leave(rollout)
        elif granted:
            self._waiting.pop(rollout, None)
            self._served[rollout] = None
        elif rollout not in self._served:
            self._waiting.setdefault(rollout)
        return granted

    def _part(self, rollout: str, left: int) -> int:
        """Return a rollout's part of what is left, in this round."""
        if not self._waiting:
            self._waiting, self._served = self._served, {}
            count = len(self._waiting) + (rollout not in self._waiting)
            self._quota = max(1, left // count)
        if rollout in self._served:
            return 0
        first = rollout in islice(self._waiting, left) or len(self._waiting) < left
        return min(self._quota, left) if first else 0

    def _left(self, now: float) -> int:
        """Return how many there are for ways forward."""
        gained = self.rate.per_second * max(0.0, now - self.at)
        self.tokens = min(max(1.0, self.rate.burst), self.tokens + gained)
        self.at = now
        return max(0, int(self.tokens - reserved(self.rate) + _WHOLE))

    def _forget_absent(self, now: float) -> None:
        for name in [name for name, at in self._asked.items() if now - at > _ABSENT]:
            self.leave(name)

    # A bucket of 10, 1 left, one every 5 s: 2 are kept, so in 10 s. With 7 left: at once.
    def wait(self, now: float) -> float:
        """Return the seconds until there is something to give to a way forward."""
        if self._left(now):
            return 0.0
        missing = 1 + reserved(self.rate) - self.tokens
        return missing / self.rate.per_second if self.rate.per_second > 0 else inf

    def leave(self, rollout: str) -> None:
        """Let a rollout wait no more."""
        self._waiting.pop(rollout, None)
        self._served.pop(rollout, None)
        self._asked.pop(rollout, None)

    # 10, of which 4 are spent; from now on 100: 96 are left.
    def change(self, rate: Rate, now: float) -> None:
        """Go on with another rate; what is spent stays spent."""
        self._left(now)
        self.tokens += rate.burst - self.rate.burst
        self.rate = rate
