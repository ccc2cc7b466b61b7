"""How many calls, launches and terminations a simulated cloud bears: token buckets."""

from __future__ import annotations

from math import inf

from attrs import define, field

from immutable.backend import Rate, Throttled

__all__ = ["Bucket", "Rates"]

_WHOLE = 1e-9


@define
class Bucket:
    """A bucket of tokens that fills up by itself.

    Attributes:
        rate: How large it is, and how fast it fills.
        at: When it was last looked at.
        tokens: How many it had then; full at first.
    """

    rate: Rate
    at: float
    tokens: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.rate.burst

    # 10 at once, 2 a second: the 11th call of the same moment waits for 0.5 s.
    def wait(self, now: float) -> float:
        """Return the seconds until there is a token; 0 when there is one."""
        self.tokens = min(self.rate.burst, self.tokens + self.rate.per_second * (now - self.at))
        self.at = now
        missing = 1 - self.tokens
        if missing <= _WHOLE:
            return 0.0
        if self.rate.per_second <= 0:
            return inf
        seconds = missing / self.rate.per_second
        return seconds if now + seconds > now else 0.0  # Less than the clock can tell is nothing.

    def take(self) -> None:
        """Take a token, which may be one that is still to come."""
        self.tokens -= 1


@define(eq=False)
class Rates:
    """The limits on how often things may be done, each as `Rate`; none at first.

    Attributes:
        calls: By method of the backend, ``*`` for all together: a call above it is `Throttled`,
            has no effect, and is told when to come back.
        launches: In servers: a group launches the rest later, and no call fails.
        terminations: In servers: those that have drained wait for their turn.
    """

    calls: dict[str, Rate] = field(factory=dict)
    launches: Rate | None = None
    terminations: Rate | None = None
    _buckets: dict[str, Bucket] = field(factory=dict, init=False)

    def call(self, name: str, now: float) -> None:
        """Let a call through.

        Raises:
            Throttled: It is one too many.
        """
        if not self.calls:
            return
        found = [(key, self._bucket(key, self.calls.get(key), now)) for key in (name, "*")]
        buckets = [(key, bucket) for key, bucket in found if bucket is not None]
        longest = max((bucket.wait(now) for _, bucket in buckets), default=0.0)
        if longest > 0:
            raise Throttled(
                f"too many calls of {name}", retry_after=longest if longest < inf else None
            )
        for _, bucket in buckets:
            bucket.take()

    def launch(self, now: float) -> float:
        """Take the right to launch a server; if there is none, the seconds until there is one."""
        bucket = self._bucket("(launches)", self.launches, now)
        if bucket is None:
            return 0.0
        seconds = bucket.wait(now)
        if not seconds:
            bucket.take()
        return seconds

    def termination(self, now: float) -> float:
        """Take a turn to terminate a server; returns in how many seconds it is."""
        bucket = self._bucket("(terminations)", self.terminations, now)
        if bucket is None:
            return 0.0
        seconds = bucket.wait(now)
        bucket.take()
        return seconds

    def _bucket(self, key: str, rate: Rate | None, now: float) -> Bucket | None:
        """Return the bucket of a limit as it stands; a limit that was changed begins full."""
        if rate is None:
            return None
        bucket = self._buckets.get(key)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key] = Bucket(rate, now)
        return bucket
