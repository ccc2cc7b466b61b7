"""The journal in one SQLite file: for one host, any number of processes.

One thread writes. What piles up while it commits goes into its next transaction, so that many
rollouts share one sync to disk (group commit).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from immutable.errors import FleetBusy, JournalError, LeaseLost
from immutable.journal.base import Entry, Given, Journal, Lease
from immutable.model import Clock, Event, Order, Plan, Record, Status
from immutable.model.records import Ended
from immutable.model.serial import canonical, from_json, to_json

__all__ = ["SqliteJournal"]

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

_SCHEMA = (
    """
CREATE TABLE rollouts (
    rollout TEXT PRIMARY KEY,
    fleet TEXT NOT NULL,
    plan TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at REAL NOT NULL,
    status TEXT NOT NULL,
    controller TEXT NOT NULL,
    fence INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    seq INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_rollout_per_fleet ON rollouts (fleet) WHERE status = 'running';
CREATE TABLE records (
    rollout TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    fence INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (rollout, seq)
) WITHOUT ROWID;
""",
    """
ALTER TABLE rollouts ADD COLUMN orders INTEGER NOT NULL DEFAULT 0;
CREATE TABLE orders (
    rollout TEXT NOT NULL,
    number INTEGER NOT NULL,
    at REAL NOT NULL,
    word TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
) WITHOUT ROWID;
""",
)
"""What brings the schema from each version to the next."""


class SqliteJournal(Journal):
    """A journal in a file, or in memory.

    Args:
        path: The file, made with its folder when missing; ``:memory:`` for none.
        clock: Whose time stamps the records and ends the leases.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        super().__init__()
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="immutable-journal")
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        self._writing: asyncio.Future[list[Any]] | None = None
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file and bring its schema up to date."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connect)

    def _connect(self) -> None:
        try:
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._migrate(connection)
        except (OSError, sqlite3.Error) as error:
            said = _said(error)
            raise JournalError(f"the journal {self._path} can't be opened: {said}") from error
        self._connection = connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(_SCHEMA):
            connection.execute("ROLLBACK")
            raise JournalError(
                f"the journal {self._path} is of version {version}, this SDK knows {len(_SCHEMA)};"
                " upgrade the SDK"
            )
        for statement in ";".join(_SCHEMA[version:]).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_SCHEMA)}")
        connection.execute("COMMIT")

    async def close(self) -> None:
        """Write what is waiting and close the file."""
        while self._writing is not None:
            await asyncio.wait({self._writing})
            await asyncio.sleep(0)
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    # -- group commit --------------------------------------------------------------------------

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._writing is None:
            self._write()
        return await future

    def _write(self) -> None:
        """Give the thread all that waits."""
        batch, self._waiting = self._waiting, []
        works = [work for work, _ in batch]
        loop = asyncio.get_running_loop()
        self._writing = loop.run_in_executor(self._thread, self._commit, works)
        self._writing.add_done_callback(lambda written: self._deliver(batch, written.result()))

    def _deliver(self, batch: list[tuple[Work, asyncio.Future[Any]]], results: list[Any]) -> None:
        self._writing = None
        for (_, future), result in zip(batch, results, strict=True):
            if future.cancelled():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        if self._waiting:
            self._write()

    def _commit(self, works: list[Work]) -> list[Any]:
        """Do all *works* in one transaction; one that refuses doesn't hurt the others."""
        assert self._connection is not None, "the journal is used before it was opened"
        results: list[Any] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work in works:
                try:
                    results.append(work(self._connection))
                except sqlite3.Error:
                    raise
                except Exception as refusal:  # noqa: BLE001  # Its asker gets it.
                    results.append(refusal)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            failure = JournalError(f"the journal {self._path} can't be written: {_said(error)}")
            failure.__cause__ = error
            return [failure] * len(works)
        return results

    # -- rollouts and leases -------------------------------------------------------------------

    async def begin(self, entry: Entry, records: Sequence[Record]) -> Lease:
        """Enter a new rollout with its first records and take its lease."""
        lease = Lease(entry.rollout, entry.controller, 1)
        plan = canonical(to_json(entry.plan)).decode()
        write = self._inserting(lease, records)
        until = self._clock.now() + self.ttl

        def insert(connection: sqlite3.Connection) -> None:
            running = connection.execute(
                "SELECT rollout FROM rollouts WHERE fleet = ? AND status = 'running'",
                (entry.fleet,),
            ).fetchone()
            if running is not None:
                raise FleetBusy(entry.fleet, running[0])
            connection.execute(
                "INSERT INTO rollouts (rollout, fleet, plan, actor, reason, started_at, status,"
                " controller, fence, expires_at, seq) VALUES (?,?,?,?,?,?,'running',?,1,?,0)",
                (
                    entry.rollout,
                    entry.fleet,
                    plan,
                    entry.actor,
                    entry.reason,
                    entry.started_at,
                    entry.controller,
                    until,
                ),
            )
            write(connection)

        await self._do(insert)
        return lease

    async def claim(self, rollout: str, controller: str) -> Lease:
        """Take over a rollout whose lease has ended."""
        now = self._clock.now()

        def take(connection: sqlite3.Connection) -> Lease:
            row = connection.execute(
                "SELECT fleet, status, fence, expires_at FROM rollouts WHERE rollout = ?",
                (rollout,),
            ).fetchone()
            if row is None or row[1] != "running":
                raise JournalError(f"rollout {rollout} {'has ended' if row else 'is unknown'}")
            if row[3] > now:
                raise FleetBusy(row[0], rollout, "its controller is alive; wait for it")
            connection.execute(
                "UPDATE rollouts SET controller = ?, fence = fence + 1, expires_at = ?"
                " WHERE rollout = ?",
                (controller, now + self.ttl, rollout),
            )
            return Lease(rollout, controller, row[2] + 1)

        return await self._do(take)

    async def renew(self, lease: Lease) -> int:
        """Let a lease last another ``ttl`` seconds."""
        until = self._clock.now() + self.ttl
        _, orders = await self._do(lambda connection: self._touch(connection, lease, until))
        return orders

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        try:
            await self._do(lambda connection: self._touch(connection, lease, 0.0))
        except JournalError:
            return  # Lost already, or it will end by itself.

    def _touch(
        self, connection: sqlite3.Connection, lease: Lease, until: float, records: int = 0
    ) -> tuple[int, int]:
        """Move a lease's end and the record counter; returns the counters of records and orders."""
        row = connection.execute(
            "UPDATE rollouts SET expires_at = ?, seq = seq + ?"
            " WHERE rollout = ? AND fence = ? AND controller = ? RETURNING seq, orders",
            (until, records, lease.rollout, lease.fence, lease.controller),
        ).fetchone()
        if row is None:
            raise LeaseLost(f"rollout {lease.rollout} has another controller now")
        return row[0], row[1]

    # -- records -------------------------------------------------------------------------------

    async def append(self, lease: Lease, records: Sequence[Record]) -> int:
        """Add records to a rollout."""
        orders = await self._do(self._inserting(lease, records))
        self.announce(lease.rollout)
        return orders

    def _inserting(
        self, lease: Lease, records: Sequence[Record]
    ) -> Callable[[sqlite3.Connection], int]:
        now = self._clock.now()
        texts = [canonical(to_json(record, Record)).decode() for record in records]
        ends = [record.status for record in records if isinstance(record, Ended)]

        def insert(connection: sqlite3.Connection) -> int:
            until = 0.0 if ends else now + self.ttl
            last, orders = self._touch(connection, lease, until, len(texts))
            first = last - len(texts) + 1
            connection.executemany(
                "INSERT INTO records (rollout, seq, at, fence, record) VALUES (?, ?, ?, ?, ?)",
                [
                    (lease.rollout, seq, now, lease.fence, text)
                    for seq, text in enumerate(texts, first)
                ],
            )
            if ends:
                connection.execute(
                    "UPDATE rollouts SET status = ? WHERE rollout = ?", (ends[-1], lease.rollout)
                )
            return orders

        return insert

    # -- orders --------------------------------------------------------------------------------

    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Give a rollout an order."""
        now = self._clock.now()

        def give(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "UPDATE rollouts SET orders = orders + 1 WHERE rollout = ? AND status = 'running'"
                " RETURNING orders",
                (rollout,),
            ).fetchone()
            if row is None:
                raise JournalError(f"rollout {rollout} has ended, or is unknown")
            connection.execute(
                "INSERT INTO orders (rollout, number, at, word, actor, reason)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (rollout, row[0], now, order.value, actor, reason),
            )

        await self._do(give)
        self.bell(rollout).set()

    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return the orders of a rollout above a number."""
        rows = await self._do(
            lambda connection: connection.execute(
                "SELECT number, word, actor, reason FROM orders"
                " WHERE rollout = ? AND number > ? ORDER BY number",
                (rollout, after),
            ).fetchall()
        )
        return [Given(number, Order(word), actor, reason) for number, word, actor, reason in rows]

    # -- reading -------------------------------------------------------------------------------

    async def events(self, rollout: str, *, after: int = 0) -> list[Event]:
        """Return a rollout's records above a number."""
        import json

        rows = await self._do(
            lambda connection: connection.execute(
                "SELECT seq, at, record FROM records WHERE rollout = ? AND seq > ? ORDER BY seq",
                (rollout, after),
            ).fetchall()
        )
        return [
            Event(rollout, seq, at, from_json(Record, json.loads(text))) for seq, at, text in rows
        ]

    async def entries(
        self, *, fleet: str | None = None, rollout: str | None = None, unfinished: bool = False
    ) -> list[Entry]:
        """Return rollouts, the oldest first."""
        import json

        rows = await self._do(
            lambda connection: connection.execute(
                "SELECT rollout, fleet, plan, actor, reason, started_at, status, controller, fence,"
                " expires_at FROM rollouts WHERE fleet = COALESCE(?, fleet)"
                " AND rollout = COALESCE(?, rollout) AND (status = 'running' OR NOT ?)"
                " ORDER BY started_at, rowid",
                (fleet, rollout, unfinished),
            ).fetchall()
        )
        return [
            Entry(
                rollout=row[0],
                fleet=row[1],
                plan=from_json(Plan, json.loads(row[2])),
                actor=row[3],
                reason=row[4],
                started_at=row[5],
                status=Status(row[6]),
                controller=row[7],
                fence=row[8],
                expires_at=row[9],
            )
            for row in rows
        ]


def _said(error: Exception) -> str:
    """Return what an error says, and what it may mean: SQLite is short of words for a full disk."""
    full = "disk" in str(error) and "space" not in str(error)
    return f"{error} (is there space on its disk?)" if full else str(error)
