"""The journal's interface: rollouts, their leases, and records that are only ever added."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from weakref import WeakValueDictionary

from attrs import frozen

from immutable.model import Event, Order, Plan, Record, Status

__all__ = ["Entry", "Given", "Journal", "Lease"]


@frozen
class Lease:
    """The right to drive one rollout.

    Attributes:
        rollout: The rollout's identifier.
        controller: Who holds it.
        fence: Its number: higher than that of every earlier lease of this rollout.
    """

    rollout: str
    controller: str
    fence: int


@frozen
class Entry:
    """A rollout as the journal lists it.

    Attributes:
        rollout: Its identifier.
        fleet: The fleet's address.
        plan: Its plan.
        actor: On whose behalf it runs, as claimed.
        reason: Why, in the actor's words.
        started_at: When it was begun.
        status: `Status.RUNNING` until it ends.
        controller: Who drives it, or drove it last.
        fence: The number of the newest lease.
        expires_at: When that lease ends unless renewed; 0 when it was given back.
    """

    rollout: str
    fleet: str
    plan: Plan
    actor: str
    reason: str
    started_at: float
    status: Status
    controller: str
    fence: int
    expires_at: float


@frozen
class Given:
    """An order that somebody gave to a rollout.

    Attributes:
        number: Its number in the rollout, 1, 2, 3 …
        order: What to do.
        actor: Who gave it, as claimed.
        reason: Why, in the actor's words.
    """

    number: int
    order: Order
    actor: str = ""
    reason: str = ""


class Journal(ABC):
    """Durable, append-only, fenced.

    When an ``append`` returns, its records survive a crash of the machine. Records of one rollout
    are in one order, numbered without a gap. Only the holder of its newest lease can add one.

    Attributes:
        ttl: Seconds that a lease lasts unless renewed.
    """

    ttl: float = 10.0

    def __init__(self) -> None:
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        # One that nobody listens to any more is gone.
        self._bells: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    @abstractmethod
    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises:
            JournalError: It can't be read or written, or is of a newer version.
        """

    @abstractmethod
    async def close(self) -> None:
        """Write what is waiting and let go of everything."""

    @abstractmethod
    async def begin(self, entry: Entry, records: Sequence[Record]) -> Lease:
        """Enter a new rollout with its first records and take its lease, all or nothing.

        Raises:
            FleetBusy: The fleet has an unfinished one.
        """

    @abstractmethod
    async def claim(self, rollout: str, controller: str) -> Lease:
        """Take over a rollout whose lease has ended.

        Raises:
            FleetBusy: Its lease is alive.
            JournalError: It is unknown or has ended.
        """

    @abstractmethod
    async def renew(self, lease: Lease) -> int:
        """Let a lease last another ``ttl`` seconds.

        Returns:
            How many orders the rollout has been given.

        Raises:
            LeaseLost: There is a newer one.
        """

    @abstractmethod
    async def release(self, lease: Lease) -> None:
        """Give a lease back, so that the rollout can be claimed at once. Never fails."""

    @abstractmethod
    async def append(self, lease: Lease, records: Sequence[Record]) -> int:
        """Add records to a rollout; renews the lease.

        Returns:
            How many orders the rollout has been given.

        Raises:
            LeaseLost: There is a newer lease.
            JournalError: They could not be written.
        """

    @abstractmethod
    async def events(self, rollout: str, *, after: int = 0) -> list[Event]:
        """Return a rollout's records with a number above *after*, in order."""

    @abstractmethod
    async def entries(
        self, *, fleet: str | None = None, rollout: str | None = None, unfinished: bool = False
    ) -> list[Entry]:
        """Return rollouts, the oldest first; of a fleet, of one identifier, or not ended."""

    @abstractmethod
    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Give a rollout an order. Needs no lease: whoever drives the rollout takes it up.

        Raises:
            JournalError: The rollout is unknown or has ended.
        """

    @abstractmethod
    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return the orders of a rollout with a number above *after*, in order."""

    def bell(self, rollout: str) -> asyncio.Event:
        """Return what is set when this process gives a rollout an order."""
        return self._bells.setdefault(rollout, asyncio.Event())

    def announce(self, rollout: str) -> None:
        """Wake those of this process who wait for news of a rollout."""
        self._news.pop(rollout, asyncio.Event()).set()

    async def wait(self, rollout: str, seconds: float) -> None:
        """Wait until this process adds a record to a rollout, at most *seconds*.

        Records of other processes come without notice, so ask again after that.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._news[rollout].wait()
        except TimeoutError:
            pass
