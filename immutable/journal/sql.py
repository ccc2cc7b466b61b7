"""The journal over a database that speaks SQL: everything but the driver.

What piles up while one transaction commits goes into the next, so that many rollouts share one
sync to disk (group commit).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from immutable.errors import JournalError
from immutable.journal import carrying, cataloguing, reading
from immutable.journal import transactions as doing
from immutable.journal.base import Build, Decision, Entry, Given, Journal, Leaf, Lease, Stored
from immutable.journal.transactions import BUILDS, Run, Transaction, Work
from immutable.model import Event, Order, Record
from immutable.model.catalog import CatalogRecord
from immutable.model.records import Asked, BuildAsked, Claimed, Ended
from immutable.model.serial import canonical, to_json

if TYPE_CHECKING:
    from immutable.catalog.state import Catalog
    from immutable.journal.merkle import Frontier

__all__ = ["SqlJournal"]

T = TypeVar("T")
Results = list[Any]


@frozen
class _Row:
    rollout: str
    fleet: str
    started_at: float
    controller: str
    fence: int


class SqlJournal(Journal):
    """A journal in tables.

    Args:
        name: What it is called in errors.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writing: asyncio.Future[Results] | None = None
        self._known: cataloguing.Known | None = None

    # -- group commit --------------------------------------------------------------------------

    @abstractmethod
    def _commit(self, works: Sequence[Work]) -> asyncio.Future[Results]:
        """Do all *works* in one transaction, and return what came of each.

        An exception among the results is raised to whoever asked for that work; one that the future
        has is a `JournalError` for all of them, and nothing was done.
        """

    def _said(self, error: BaseException) -> str:
        """Return what an error of the database says."""
        return str(error)

    async def _do(self, run: Callable[[Transaction], Run[T]], *, key: str = "") -> T:
        result: T = await self._ask(Work(run, key))
        return result

    async def _look(self, run: Callable[[Transaction], Run[T]]) -> T:
        result: T = await self._ask(Work(run, reads=True))
        return result

    async def _ask(self, work: Work) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._writing is None:
            self._write()
        return await future

    def _write(self) -> None:
        """Commit all that waits."""
        batch, self._waiting = self._waiting, []
        batch.sort(key=lambda waiting: waiting[0].key)
        self._writing = self._commit([work for work, _ in batch])
        self._writing.add_done_callback(partial(self._deliver, batch))

    def _deliver(
        self, batch: list[tuple[Work, asyncio.Future[Any]]], done: asyncio.Future[Results]
    ) -> None:
        self._writing = None
        for (_, future), result in zip(batch, self._outcome(batch, done), strict=True):
            if future.cancelled():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self._waiting:
            self._write()

    def _outcome(self, batch: Sequence[object], done: asyncio.Future[Results]) -> Results:
        if done.cancelled():
            return [JournalError(f"the journal {self._name} is closed")] * len(batch)
        error = done.exception()
        if error is None:
            return done.result()
        failure = JournalError(f"the journal {self._name} can't be written: {self._said(error)}")
        failure.__cause__ = error
        return [failure] * len(batch)

    async def _settled(self) -> None:
        """Wait until everything is written that was asked for."""
        while self._writing is not None:
            await asyncio.wait({self._writing})
            await asyncio.sleep(0)

    # -- rollouts and leases -------------------------------------------------------------------

    async def begin(self, entry: Entry, records: Sequence[Record]) -> Lease:
        """Enter a new rollout with its first records and take its lease."""
        return await self._enter(entry, records, held=True)

    async def submit(self, entry: Entry) -> None:
        """Enter a new rollout that no controller drives yet."""
        await self._enter(entry, [], held=False)

    async def _enter(self, entry: Entry, records: Sequence[Record], *, held: bool) -> Lease:
        asked = Asked(entry.fleet, entry.plan, entry.actor, entry.reason)
        begin = partial(
            doing.begin,
            entry=entry,
            texts=_texts([asked, *records]),
            held=held,
            ends=_end(records),
        )
        return await self._do(begin, key=entry.rollout)

    async def begin_build(self, build: Build) -> Lease:
        """Enter a build and take its lease."""
        asked = BuildAsked(
            build.spec,
            build.name,
            build.version,
            build.builder,
            build.actor,
            build.reason,
            build.place,
        )
        texts = _texts([asked, Claimed(build.controller, build.fence)])
        row = _Row(
            build.id, f"{BUILDS}{build.spec}", build.started_at, build.controller, build.fence
        )
        begin = partial(doing.begin, entry=row, texts=texts, held=True)
        return await self._do(begin, key=build.id)

    async def claim(self, rollout: str, controller: str) -> Lease:
        """Take over a rollout whose lease has ended."""
        claim = partial(doing.claim, rollout=rollout, controller=controller)
        return await self._do(claim, key=rollout)

    async def claim_some(
        self, controller: str, most: int, *, but: Collection[str] = ()
    ) -> list[Lease]:
        """Take over unfinished rollouts that nobody drives."""
        claim = partial(doing.claim_some, controller=controller, most=most, but=tuple(but))
        return await self._do(claim)

    async def beat(self, controller: str) -> dict[str, int]:
        """Let all leases of a controller last."""
        return await self._do(partial(doing.beat, controller=controller))

    async def renew(self, lease: Lease) -> int:
        """Make sure that a lease is still the newest."""
        return await self._do(partial(doing.renew, lease=lease), key=lease.rollout)

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        try:
            await self._do(partial(doing.renew, lease=lease, held=False), key=lease.rollout)
        except JournalError:
            return  # Lost already, or it will end by itself.

    # -- records and orders --------------------------------------------------------------------

    async def append(self, lease: Lease, records: Sequence[Record]) -> int:
        """Add records to a rollout."""
        append = partial(doing.append, lease=lease, texts=_texts(records), ends=_end(records))
        orders = await self._do(append, key=lease.rollout)
        self.announce(lease.rollout)
        return orders

    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Give a rollout an order."""
        give = partial(doing.order, rollout=rollout, word=order, actor=actor, reason=reason)
        await self._do(give, key=rollout)
        self.bell(rollout).set()

    # -- the catalog of images -----------------------------------------------------------------

    async def catalog(self) -> Catalog:
        """Return the catalog of images as it is now."""
        # Rollouts ask before each launch, and it changes seldom.
        self._known = await self._look(partial(cataloguing.newest, known=self._known))
        return self._known[1]

    async def stored(self, digest: str) -> Stored | None:
        """Return the files of an image in the catalog."""
        return await self._look(partial(cataloguing.stored, digest=digest))

    async def approvals(self, plan: str) -> tuple[str, ...]:
        """Return what was handed in as signed under a plan."""
        return await self._look(partial(carrying.approvals, plan=plan))

    async def change_catalog(self, decide: Decision) -> tuple[CatalogRecord, ...]:
        """Change the catalog."""
        key = cataloguing.CATALOG
        return await self._do(partial(cataloguing.change, decide=decide), key=key)

    # -- reading -------------------------------------------------------------------------------

    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return the orders of a rollout above a number."""
        return await self._look(partial(reading.orders, rollout=rollout, after=after))

    async def events(self, rollout: str, *, after: int = 0) -> list[Event]:
        """Return a rollout's records above a number."""
        texts = await self._look(partial(reading.events, rollout=rollout, after=after))
        return [reading.event(text) for text in texts]

    async def entries(
        self, *, fleet: str | None = None, rollout: str | None = None, unfinished: bool = False
    ) -> list[Entry]:
        """Return rollouts, the oldest first."""
        look = partial(reading.entries, fleet=fleet, rollout=rollout, unfinished=unfinished)
        return [reading.entry(row) for row in await self._look(look)]

    async def builds(self, *, spec: str | None = None, unfinished: bool = False) -> list[Build]:
        """Return builds, the oldest first."""
        look = partial(reading.builds, spec=spec, unfinished=unfinished)
        return [reading.build(row) for row in await self._look(look)]

    async def leaves(self, *, after: int = -1, limit: int = 10_000) -> list[Leaf]:
        """Return leaves of the log above an index."""
        return await self._look(partial(reading.leaves, after=after, limit=limit))

    async def frontier(self) -> Frontier:
        """Return what the log keeps of itself."""
        return await self._look(reading.frontier)

    async def checkpoints(self) -> list[str]:
        """Return the checkpoints that were kept."""
        return await self._look(reading.checkpoints)

    async def keep_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint."""
        await self._do(partial(doing.keep_checkpoint, size=size, note=note))


def _texts(records: Sequence[Record]) -> list[str]:
    return [canonical(to_json(record, Record)).decode() for record in records]


def _end(records: Sequence[Record]) -> str | None:
    """Return how a rollout ends by these records, if it does."""
    ends = [record.status.value for record in records if isinstance(record, Ended)]
    return ends[-1] if ends else None
