"""The journal in one SQLite file: for one host, any number of processes. One thread writes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from immutable.errors import JournalError
from immutable.journal.schema import VERSION, migration
from immutable.journal.sql import Results, SqlJournal
from immutable.journal.transactions import Many, Run, Transaction, Work, seal
from immutable.model import Clock

__all__ = ["SqliteJournal"]

T = TypeVar("T")


class SqliteJournal(SqlJournal):
    """A journal in a file, or in memory.

    Args:
        path: The file, made with its folder when missing; ``:memory:`` for none.
        clock: Whose time stamps the records and ends the leases.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        super().__init__(path)
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="immutable-journal")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file and bring its schema up to date."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connect)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    def _connect(self) -> None:
        try:
            if self._path != ":memory:":
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            self._migrate(connection)
        except (OSError, sqlite3.Error) as error:
            said = self._said(error)
            raise JournalError(f"the journal {self._path} can't be opened: {said}") from error
        self._connection = connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            connection.execute("ROLLBACK")
            raise JournalError(
                f"the journal {self._path} is of version {version}, this SDK knows {VERSION};"
                " upgrade the SDK"
            )
        _run(connection, migration(version))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")

    async def close(self) -> None:
        """Write what is waiting and close the file."""
        await self._settled()
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    def _commit(self, works: Sequence[Work]) -> asyncio.Future[Results]:
        # The loop's own call, without a task around it: virtual time stands still meanwhile.
        loop, tx = asyncio.get_running_loop(), Transaction(self._clock.now(), self.ttl)
        return loop.run_in_executor(self._thread, self._transact, works, tx)

    def _transact(self, works: Sequence[Work], tx: Transaction) -> Results:
        """Do all *works*; one that refuses doesn't hurt the others."""
        connection = self._connection
        assert connection is not None, "the journal is used before it was opened"
        results: Results = []
        try:
            connection.execute("BEGIN" if all(work.reads for work in works) else "BEGIN IMMEDIATE")
            for work in works:
                try:
                    results.append(_run(connection, work.run(tx)))
                except sqlite3.Error:
                    raise
                except Exception as refusal:  # noqa: BLE001  # Its asker gets it.
                    results.append(refusal)
            _run(connection, seal(tx))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _said(self, error: BaseException) -> str:
        # SQLite is short of words for a full disk.
        full = "disk" in str(error) and "space" not in str(error)
        return f"{error} (is there space on its disk?)" if full else str(error)


def _run(connection: sqlite3.Connection, run: Run[T]) -> T:
    rows: list[Any] = []
    try:
        statement = next(run)
        while True:
            if isinstance(statement, Many):
                connection.executemany(statement.sql, statement.rows)
                rows = []
            else:
                rows = connection.execute(statement.sql, statement.values).fetchall()
            statement = run.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result
