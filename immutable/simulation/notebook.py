"""A journal of one rollout in plain memory: what the engine writes, without a database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import NoReturn

from attrs import evolve

from immutable.errors import FleetBusy, JournalError, LeaseLost
from immutable.journal import Entry, Journal, Lease
from immutable.journal.base import Given, Leaf
from immutable.journal.merkle import Frontier
from immutable.model import Clock, Event, Order, Record, Status
from immutable.model.records import Claimed, Ended, Paused

__all__ = ["Notebook"]


class Notebook(Journal):
    """Keeps one rollout, its lease and its records; no log, and nothing outlives the process.

    Args:
        clock: Whose time stamps the records.
        ttl: Seconds that a lease lasts.

    Attributes:
        paused: Why the rollout waits for somebody; empty while it doesn't.
        halted: Set once it does.
    """

    def __init__(self, clock: Clock, ttl: float) -> None:
        super().__init__()
        self.ttl = ttl
        self.paused = ""
        self.halted = asyncio.Event()
        self._clock = clock
        self._entry: Entry | None = None
        self._events: list[Event] = []
        self._dead: set[str] = set()

    def kill(self) -> None:
        """Let the controller that has the lease be dead: nothing of it is written any more."""
        if self._entry is not None:
            self._dead.add(self._entry.controller)

    async def open(self) -> None:
        """Do nothing: memory is there."""

    async def close(self) -> None:
        """Do nothing."""

    async def begin(self, entry: Entry, records: Sequence[Record]) -> Lease:
        """Keep the rollout, with its first records."""
        self._entry = evolve(entry, status=Status.RUNNING, live=True)
        lease = Lease(entry.rollout, entry.controller, entry.fence)
        self._add(lease, records)
        return lease

    async def submit(self, entry: Entry) -> None:
        """Refuse: nobody else is there to carry it out."""
        self._none()

    async def claim(self, rollout: str, controller: str) -> Lease:
        """Take the rollout over once the lease has ended."""
        entry = self._entry
        if entry is None or not entry.live:
            raise JournalError(f"no unfinished rollout {rollout}")
        if entry.expires_at > self._clock.now():
            raise FleetBusy(entry.fleet, rollout)
        self._entry = evolve(entry, controller=controller, fence=entry.fence + 1)
        lease = Lease(rollout, controller, entry.fence + 1)
        self._add(lease, [Claimed(controller, lease.fence)])
        return lease

    async def claim_some(
        self, controller: str, most: int, *, but: Collection[str] = ()
    ) -> list[Lease]:
        """Find nothing: a rehearsal has one rollout, and who drives it claims it by name."""
        return []

    async def beat(self, controller: str) -> dict[str, int]:
        """Let the lease last."""
        entry = self._entry
        if entry is None or entry.controller != controller or controller in self._dead:
            return {}
        self._last()
        return {entry.rollout: 0}

    async def renew(self, lease: Lease) -> int:
        """Let the lease last, if it is the newest."""
        self._check(lease)
        self._last()
        return 0

    async def release(self, lease: Lease) -> None:
        """Give the lease back, unless who has it is dead."""
        entry = self._entry
        if entry is not None and entry.fence == lease.fence and lease.controller not in self._dead:
            self._entry = evolve(entry, expires_at=0.0)

    async def append(self, lease: Lease, records: Sequence[Record]) -> int:
        """Add records."""
        self._check(lease)
        self._add(lease, records)
        return 0

    async def events(self, rollout: str, *, after: int = 0) -> list[Event]:
        """Return the records after a number."""
        return self._events[after:]

    async def entries(
        self, *, fleet: str | None = None, rollout: str | None = None, unfinished: bool = False
    ) -> list[Entry]:
        """Return the rollout, if there is one and it is asked for."""
        entry = self._entry
        return [] if entry is None or (unfinished and not entry.live) else [entry]

    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Refuse: nobody is there to give one."""
        self._none()

    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return none."""
        return []

    async def leaves(self, *, after: int = -1, limit: int = 10_000) -> list[Leaf]:
        """Return none: there is no log."""
        return []

    async def frontier(self) -> Frontier:
        """Return that of an empty log."""
        return Frontier()

    async def checkpoints(self) -> list[str]:
        """Return none."""
        return []

    async def keep_checkpoint(self, size: int, note: str) -> None:
        """Refuse: there is no log."""
        self._none()

    def _none(self) -> NoReturn:
        raise JournalError("a rehearsal's records are not kept, and take no orders")

    def _check(self, lease: Lease) -> None:
        entry = self._entry
        if entry is None or entry.fence != lease.fence or lease.controller in self._dead:
            raise LeaseLost(f"rollout {lease.rollout} has another controller")

    def _last(self) -> None:
        assert self._entry is not None, "a rollout is begun before its lease lasts"
        self._entry = evolve(self._entry, expires_at=self._clock.now() + self.ttl)

    def _add(self, lease: Lease, records: Sequence[Record]) -> None:
        now = self._clock.now()
        for record in records:
            self._events.append(Event(lease.rollout, len(self._events) + 1, now, record))
            if isinstance(record, Paused):
                self.paused = record.reason
                self.halted.set()
            if isinstance(record, Ended) and self._entry is not None:
                self._entry = evolve(self._entry, status=record.status, live=False)
        self._last()
        self.announce(lease.rollout)
