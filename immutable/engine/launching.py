"""One rollout's part of what the rollouts of a controller launch together."""

from __future__ import annotations

import asyncio

from immutable.engine.session import Session
from immutable.planning.sharing import Launches

__all__ = ["Launching"]


class Launching:
    """Asks for launches, and remembers whether some are waited for.

    Args:
        session: The rollout.
        launches: What it shares with others; None if it may launch whatever its limits allow.

    Attributes:
        waits: Whether it got fewer than it asked for in this pass.
    """

    def __init__(self, session: Session, launches: Launches | None = None) -> None:
        self.waits = False
        self._session = session
        self._launches = launches

    def begin(self) -> None:
        """Begin a pass."""
        self.waits = False

    def end(self) -> None:
        """End a pass: who did not have to wait in it, because it is paused too, makes room."""
        if not self.waits:
            self.leave()

    def leave(self) -> None:
        """Wait no more."""
        if self._launches is not None:
            self._launches.leave(self._session.lease.rollout)

    def grant(self, wanted: int) -> int:
        """Return how many of *wanted* instances may be launched now: they count as launched."""
        if self._launches is None:
            return wanted
        back = self._session.ledger.back
        granted = self._launches.grant(self._session.lease.rollout, wanted, _now(), back=back)
        self.waits = granted < wanted
        return granted

    def next_in(self, poll: float) -> float | None:
        """Return in how many seconds, at least *poll*, to ask again; None if nothing is wanted."""
        if self._launches is None or not self.waits:
            return None
        return max(poll, self._launches.wait(_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
