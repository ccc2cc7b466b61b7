"""The journal's interface: rollouts, their leases, and records that are only ever added."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from attrs import frozen

from immutable.errors import JournalError
from immutable.model import Event, Order, Plan, Record, Status

if TYPE_CHECKING:
    from immutable.catalog.state import Catalog
    from immutable.journal.merkle import Frontier
    from immutable.model.catalog import CatalogRecord

__all__ = ["Build", "Decision", "Entry", "Given", "Journal", "Leaf", "Lease", "Stored"]

Decision = Callable[["Catalog", float], Sequence["CatalogRecord"]]
"""What is to be changed in a catalog as it is, at a time in seconds since 1970; a pure function."""


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
        status: ``Status.RUNNING`` until it ends.
        controller: Who drives it, or drove it last.
        fence: The number of the newest lease.
        expires_at: When that lease ends unless renewed, by the journal's clock; 0 when it was given
            back.
        live: Whether it had not ended when this was read.
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
    live: bool = False


@frozen
class Build:
    """The build of an image, as the journal lists it.

    It is kept as a rollout is: with a lease, records of its own, and one that is unfinished for
    each subject. Its subject is the image's specification, in place of a fleet.

    Attributes:
        id: Its identifier; of a rollout's form.
        spec: The digest of the image's specification.
        name: The image's name.
        version: Its version.
        builder: Which builder makes it.
        actor: On whose behalf, as claimed.
        reason: Why, in the actor's words.
        place: Where the builder works; empty where nobody said.
        started_at: When it was begun.
        status: ``Status.RUNNING`` until it ends.
        controller: Who does it, or did it last.
        fence: The number of the newest lease.
        expires_at: As an `Entry`'s.
        live: Whether somebody had the lease when this was read.
    """

    id: str
    spec: str
    name: str
    version: str
    builder: str
    actor: str = ""
    reason: str = ""
    place: str = ""
    started_at: float = 0.0
    status: Status = Status.RUNNING
    controller: str = ""
    fence: int = 1
    expires_at: float = 0.0
    live: bool = False


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


@frozen
class Leaf:
    """A record as it stands in the log of the whole journal.

    Attributes:
        index: Its place in the log, 0, 1, 2 …
        hash: Its hash as stored when it was added (RFC 6962).
        text: Itself and where it belongs: canonical JSON with ``at`` (in seconds), ``controller``,
            ``fence``, ``record``, ``rollout`` and ``seq``.
        rollout: The rollout as whose record the journal finds it; the one that it names.
        seq: Its number there; the one that it names.
    """

    index: int
    hash: bytes
    text: str
    rollout: str
    seq: int


@frozen
class Stored:
    """An image's files, as the catalog keeps them.

    Attributes:
        manifest: The text of its manifest (`immutable.trust.ImageManifest.load`).
        signed: The text of what was signed of it (`immutable.trust.load_bundle`); can be empty.
    """

    manifest: str
    signed: str


class Journal(ABC):
    """Durable, append-only, fenced.

    When an ``append`` returns, its records survive a crash of the machine. Records of one rollout
    are in one order, numbered without a gap. Only the holder of its newest lease can add one. All
    records together are the leaves of one Merkle log.

    A lease lasts as long as its controller is heard of: by `beat`, or by anything that it does to
    one of its rollouts.

    Attributes:
        ttl: Seconds that a controller's leases last after it was heard of.
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

        The lease's number is the entry's.

        Raises:
            FleetBusy: The fleet has an unfinished one.
        """

    @abstractmethod
    async def submit(self, entry: Entry) -> None:
        """Enter a new rollout that no controller drives yet, with no record of its doing.

        Raises:
            FleetBusy: The fleet has an unfinished one.
        """

    @abstractmethod
    async def claim(self, rollout: str, controller: str) -> Lease:
        """Take over a rollout whose lease has ended; that goes on record with it.

        Raises:
            FleetBusy: Its lease is alive.
            JournalError: It is unknown or has ended.
        """

    @abstractmethod
    async def claim_some(
        self, controller: str, most: int, *, but: Collection[str] = ()
    ) -> list[Lease]:
        """Take over a fair share of the unfinished rollouts that nobody drives, the oldest first.

        The share is of those who ask for one. It is one rollout at least.

        Args:
            controller: Who will drive them.
            most: How many at most.
            but: Rollouts to leave to others.
        """

    @abstractmethod
    async def beat(self, controller: str) -> dict[str, int]:
        """Let all leases of a controller last another ``ttl`` seconds.

        Returns:
            The rollouts that it has a lease on, each with how many orders it has been given.
        """

    @abstractmethod
    async def renew(self, lease: Lease) -> int:
        """Make sure that a lease is still the newest; it lasts another ``ttl`` seconds.

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

    async def begin_build(self, build: Build) -> Lease:
        """Enter a build and take its lease; records, renewals and the end are as a rollout's.

        Raises:
            FleetBusy: One of the same specification is unfinished.
            JournalError: This journal keeps no builds.
        """
        raise JournalError(f"{type(self).__name__} keeps no builds; {build.name} is not begun")

    async def builds(self, *, spec: str | None = None, unfinished: bool = False) -> list[Build]:
        """Return builds, the oldest first; of a specification, or not ended."""
        del spec, unfinished
        return []

    async def catalog(self) -> Catalog:
        """Return the catalog of images as it is now; empty where the journal keeps none."""
        from immutable.catalog.state import Catalog

        return Catalog()

    async def stored(self, digest: str) -> Stored | None:
        """Return the files of an image in the catalog; None where it is not there."""
        del digest
        return None

    async def approvals(self, plan: str) -> tuple[str, ...]:
        """Return what was handed in as signed under a plan, in order.

        Each is the text of a file (`immutable.trust.load_bundle`).

        Args:
            plan: The plan's digest.
        """
        del plan
        return ()

    async def change_catalog(self, decide: Decision) -> tuple[CatalogRecord, ...]:
        """Change the catalog; what was decided is in the log with it, all or nothing.

        Args:
            decide: What to change, such as ``catalog.assign``, given all but the first two
                arguments. May be asked more than once. Nobody else changes the catalog meanwhile.

        Returns:
            What was changed.

        Raises:
            CatalogRefused: Whatever *decide* raises is raised, and nothing was changed.
            JournalError: It could not be written, or this journal keeps no catalog.
        """
        del decide
        raise JournalError(f"{type(self).__name__} keeps no catalog")

    @abstractmethod
    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Give a rollout an order. Needs no lease: whoever drives the rollout takes it up.

        Raises:
            JournalError: The rollout is unknown or has ended.
        """

    @abstractmethod
    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return the orders of a rollout with a number above *after*, in order."""

    @abstractmethod
    async def leaves(self, *, after: int = -1, limit: int = 10_000) -> list[Leaf]:
        """Return at most *limit* leaves of the log with an index above *after*, in order."""

    @abstractmethod
    async def frontier(self) -> Frontier:
        """Return what the log keeps of itself: its size, and what its root is made of."""

    @abstractmethod
    async def checkpoints(self) -> list[str]:
        """Return the checkpoints that were kept, the oldest first."""

    @abstractmethod
    async def keep_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint of the log at *size*."""

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
