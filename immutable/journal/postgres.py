"""The journal in a PostgreSQL database: for controllers on any number of hosts.

Time is the server's, so that clocks of hosts may differ. One connection is enough: what piles up
while one transaction commits goes into the next. When the server can't be reached the journal
waits for it, and nothing is done to any fleet meanwhile, since every action is written down before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from immutable.errors import JournalError
from immutable.journal.schema import VERSION, migration
from immutable.journal.sql import Results, SqlJournal
from immutable.journal.transactions import Many, Run, Statement, Transaction, Work, seal

if TYPE_CHECKING:
    from asyncpg import Connection

__all__ = ["PostgresJournal"]

T = TypeVar("T")

_MIGRATING = 0x696D6D75
"""The number of the advisory lock under which the tables are made."""
_ANSWER = 30.0
"""Seconds that the server may take for one statement, or to accept a connection."""
_LONGEST_PAUSE = 2.0
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS writers (
    writer TEXT PRIMARY KEY,
    transaction BIGINT NOT NULL,
    at TIMESTAMPTZ NOT NULL
);
"""
_TIDY = f"""
DELETE FROM writers WHERE at < now() - interval '30 days';
DELETE FROM controllers WHERE expires_at < {_NOW} - 86400;
"""


class PostgresJournal(SqlJournal):
    """A journal in a PostgreSQL database, in a schema named ``immutable``.

    Needs the extra ``postgres``, and PostgreSQL 13 or newer.

    Args:
        url: The database, as libpq writes it: ``postgresql://user@host/database``.
        patience: Seconds to wait for a server that can't be reached before giving up.
    """

    def __init__(self, url: str, *, patience: float = 60.0) -> None:
        super().__init__(_nameable(url))
        self._url = url
        self._patience = patience
        self._connection: Connection | None = None
        self._writer = os.urandom(16).hex()
        self._transactions = 0

    async def open(self) -> None:
        """Connect and bring the schema up to date."""
        try:
            await asyncio.to_thread(import_module, "asyncpg")
        except ImportError as error:
            raise JournalError(
                f"the journal {self._name} needs asyncpg: pip install 'immutable-sdk[postgres]'"
            ) from error
        try:
            await self._migrate(await self._connected())
        except (*_unreachable(), _database_error()) as error:
            await self.close()
            raise JournalError(f"the journal {self._name} can't be opened: {error}") from error
        except JournalError:
            await self.close()
            raise

    async def _migrate(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
            await connection.execute("CREATE SCHEMA IF NOT EXISTS immutable")
            await connection.execute(_OWN_TABLES)
            version = await connection.fetchval("SELECT version FROM schema_version") or 0
            if version > VERSION:
                raise JournalError(
                    f"the journal {self._name} is of version {version}, this SDK knows {VERSION};"
                    " upgrade the SDK"
                )
            if version < VERSION:
                await _run(connection, migration(version))
                await connection.execute("DELETE FROM schema_version")
                await connection.execute(f"INSERT INTO schema_version VALUES ({VERSION})")
            await connection.execute(_TIDY)
            # There from the start, so that a lost commit can be waited for.
            await connection.execute("INSERT INTO writers VALUES ($1, 0, now())", self._writer)

    async def close(self) -> None:
        """Write what is waiting and disconnect."""
        await self._settled()
        if self._connection is not None:
            with suppress(*_unreachable()):
                await self._connection.close(timeout=_ANSWER)
            self._connection = None

    async def _connected(self) -> Connection:
        """Return the connection; a new one where the last is lost."""
        if self._connection is None or self._connection.is_closed():
            import asyncpg

            self._connection = await asyncpg.connect(
                self._url,
                timeout=_ANSWER,
                command_timeout=_ANSWER,
                # Whatever the database's default: what was written must survive a crash.
                server_settings={"search_path": "immutable", "synchronous_commit": "on"},
            )
        return self._connection

    # -- transactions --------------------------------------------------------------------------

    def _commit(self, works: Sequence[Work]) -> asyncio.Future[Results]:
        return asyncio.ensure_future(self._patiently(works))

    async def _patiently(self, works: Sequence[Work]) -> Results:
        """Do all *works* in one transaction, again when the connection is lost."""
        self._transactions += 1
        attempt = _Attempt(works, self.ttl, self._writer, self._transactions)
        loop = asyncio.get_running_loop()
        began, pause = loop.time(), 0.05
        while True:
            try:
                return await attempt.on(await self._connected())
            except _unreachable():
                if loop.time() - began >= self._patience:
                    raise
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)


class _Attempt:
    """One transaction, however often it has to be begun.

    Where the connection is lost during the commit, a mark that the transaction leaves tells what
    became of it, so that nothing is done twice. (``pg_xact_status`` can't: a server that crashed
    may give a number again that it had given to a transaction of which nothing was on disk yet.)

    Args:
        works: What is to be done.
        ttl: Seconds that leases last.
        writer: Whose transaction it is.
        number: Its number among this writer's, from 1.
    """

    def __init__(self, works: Sequence[Work], ttl: float, writer: str, number: int) -> None:
        self._works = works
        self._ttl = ttl
        self._mark = (writer, number)
        self._doubtful = False
        self._results: Results = []

    async def on(self, connection: Connection) -> Results:
        """Make an attempt on *connection* and return what came of the works."""
        if all(work.reads for work in self._works):
            now = await connection.fetchval(f"SELECT {_NOW}")
            return await self._do(connection, Transaction(now, self._ttl))
        if self._doubtful and await self._is_done(connection):
            return self._results
        self._doubtful = False
        transaction = connection.transaction()
        await transaction.start()
        try:
            await self._transact(connection)
        except BaseException:
            with suppress(*_unreachable()):
                await transaction.rollback()
            raise
        self._doubtful = True
        await transaction.commit()
        return self._results

    async def _transact(self, connection: Connection) -> None:
        now = await connection.fetchval(
            "INSERT INTO writers (writer, transaction, at) VALUES ($1, $2, now())"
            " ON CONFLICT (writer) DO UPDATE SET transaction = excluded.transaction, at = now()"
            f" RETURNING {_NOW}",
            *self._mark,
        )
        tx = Transaction(now, self._ttl, " FOR UPDATE")
        self._results = await self._do(connection, tx)
        await _run(connection, seal(tx))

    async def _is_done(self, connection: Connection) -> bool:
        # Waits for the row: a server may not have noticed yet that the old connection is gone.
        writer, number = self._mark
        last = await connection.fetchval(
            "SELECT transaction FROM writers WHERE writer = $1 FOR UPDATE", writer
        )
        return bool(last == number)

    async def _do(self, connection: Connection, tx: Transaction) -> Results:
        results: Results = []
        for work in self._works:
            try:
                results.append(await _run(connection, work.run(tx)))
            except (*_unreachable(), _database_error()):
                raise
            except Exception as refusal:  # noqa: BLE001  # Its asker gets it.
                results.append(refusal)
        return results


async def _run(connection: Connection, run: Run[T]) -> T:
    rows: list[Any] = []
    try:
        statement = next(run)
        while True:
            rows = await _execute(connection, statement)
            statement = run.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


async def _execute(connection: Connection, statement: Statement | Many) -> list[Any]:
    sql = _numbered(statement.sql)
    if isinstance(statement, Many):
        await connection.executemany(sql, statement.rows)
        return []
    return [tuple(row) for row in await connection.fetch(sql, *statement.values)]


@cache
def _numbered(sql: str) -> str:
    """Return *sql* with its question marks numbered, as PostgreSQL wants them."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def _nameable(url: str) -> str:
    """Return *url* without its password and options, for errors."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    user = parts.username
    return urlunsplit((parts.scheme, f"{user}@{place}" if user else place, parts.path, "", ""))


def _unreachable() -> tuple[type[Exception], ...]:
    """Return what is raised when the server can't be reached, stops, or wants another attempt."""
    import asyncpg

    return (
        OSError,
        TimeoutError,
        asyncpg.InterfaceError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.TooManyConnectionsError,
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
    )


def _database_error() -> type[Exception]:
    import asyncpg

    error: type[Exception] = asyncpg.PostgresError
    return error
