"""How fast an API may be asked: token buckets that learn from refusals, shared by all fleets."""

from __future__ import annotations

import asyncio

from attrs import define, field

from immutable.backend import Throttled
from immutable.toolkit.perloop import PerLoop
from immutable_aws.address import Place

__all__ = ["Bucket", "Pace", "shared_pace"]

_BURST, _PER_SECOND = 100.0, 20.0
"""What "Request throttling for the Amazon EC2 API" gives non-mutating actions with filters."""
_SLOWEST = 2.0
_ROUND = 1.0
"""Refusals within so many seconds are one: requests that were under way together."""
_PATIENCE = 5.0


# 20 a second, then a refusal: empty, and 10 a second from here on; each success adds 0.5.
@define
class Bucket:
    """Tokens of one API: additive increase, multiplicative decrease (Chiu and Jain, 1989).

    Attributes:
        rate: Tokens that flow back a second.
        tokens: What is there.
        at: When that was reckoned, by the loop's time.
        cut: When it was slowed down last.
    """

    rate: float = _PER_SECOND
    tokens: float = _BURST
    at: float = 0.0
    cut: float = float("-inf")

    def take(self, now: float) -> float:
        """Take a token; returns the seconds to wait until it is there."""
        self.tokens = min(_BURST, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        self.tokens -= 1
        return max(0.0, -self.tokens / self.rate)

    def give_back(self) -> None:
        """Return a token that wasn't used."""
        self.tokens += 1

    def refused(self, now: float) -> None:
        """Slow down: AWS said that there are too many calls."""
        if now - self.cut < _ROUND:
            return
        self.cut = now
        self.rate = max(_SLOWEST, self.rate / 2)
        self.tokens = min(self.tokens, 0.0)

    def accepted(self) -> None:
        """Speed up again, slowly."""
        self.rate = min(_PER_SECOND, self.rate + 0.5)


@define
class Pace:
    """The buckets of one region and account, by service and API."""

    buckets: dict[tuple[str, str], Bucket] = field(factory=dict)

    def bucket(self, service: str, call: str) -> Bucket:
        """Return the bucket of an API."""
        return self.buckets.setdefault((service, call), Bucket())

    async def turn(self, service: str, call: str) -> None:
        """Wait until the API may be asked.

        Raises:
            Throttled: That would take longer than a call may wait; nothing was sent.
        """
        bucket = self.bucket(service, call)
        wait = bucket.take(asyncio.get_running_loop().time())
        if wait > _PATIENCE:
            bucket.give_back()
            raise Throttled(f"{call}: too many calls of this process", retry_after=wait)
        if wait:
            await asyncio.sleep(wait)


_paces: PerLoop[Place, Pace] = PerLoop(Pace)


def shared_pace(place: Place) -> Pace:
    """Return the pace that all backends of a place share on the running loop."""
    return _paces.of(place)
