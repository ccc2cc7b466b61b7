"""What goes wrong on the way: throttling, errors, lost answers, latency, dead connections."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Protocol

from attrs import define, field

REFUSING = frozenset({"throttle", "error", "reset"})
"""Kinds after which nothing was done."""

LATE = frozenset({"lost", "garbled"})
"""Kinds after which everything was done."""


class Named(Protocol):
    """A call, as far as faults look at it."""

    request_id: str

    @property
    def name(self) -> str:
        """Service and method."""
        ...

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter."""
        ...


@define(kw_only=True)
class Fault:
    """One thing that goes wrong.

    Args:
        action: a pattern of the call's name.
        kind: `throttle`; `error` (with `code`, `message`, `status`); `latency` (with `seconds`);
            `reset`: the connection dies before anything is done; `lost`: everything is done, then
            the connection dies; `garbled`: everything is done, half of the answer arrives. A
            cloud may know further kinds; its README says so.
        skip: let so many calls that match pass first.
        times: happen so often; `None` for always.
        where: only calls whose parameters have these values; a list of values matches any of it.
        code, message, status: as the cloud would say it; None for its usual words.
        extra: what a cloud's own kinds need to be told.
    """

    action: str
    kind: str
    skip: int = 0
    times: int | None = 1
    where: dict[str, Any] = field(factory=dict)
    code: str | None = None
    message: str = "An internal error has occurred."
    status: int | None = None
    seconds: float = 0.0
    extra: dict[str, Any] = field(factory=dict)
    fired: int = 0

    def hits(self, call: Named) -> bool:
        """Whether it happens to this call; counts it."""
        if not fnmatchcase(call.name, self.action) or not self._fits(call):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.fired >= self.times:
            return False
        self.fired += 1
        return True

    def _fits(self, call: Named) -> bool:
        for name, wanted in self.where.items():
            value = call.get(name)
            if value != wanted and not (isinstance(value, list) and wanted in value):
                return False
        return True


@define
class Bucket:
    """Tokens that come back at a steady rate.

    Args:
        action: as in `Fault`; all that match share the bucket.
        capacity: how many it holds.
        rate: how many come back in a second.
        by: the parameter that says how many tokens a call takes; one, without it.
    """

    action: str
    capacity: float
    rate: float
    by: str | None = None
    tokens: float = field(default=-1.0)
    at: float = 0.0

    def take(self, call: Named, now: float) -> bool:
        """Take what the call costs, if there is as much."""
        if not fnmatchcase(call.name, self.action):
            return True
        if self.tokens < 0:
            self.tokens, self.at = self.capacity, now
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.rate)
        self.at = now
        cost = float(call.get(self.by, 1)) if self.by else 1.0
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True
