"""Which journal is meant."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from immutable.errors import InvalidValue
from immutable.journal.base import Journal
from immutable.model import Clock, SystemClock

__all__ = ["default_path", "open_journal"]


def default_path() -> Path:
    """Return where the journal is kept when nobody says otherwise: the user's state directory."""
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        home = Path.home() / "Library" / "Application Support"
    else:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "immutable" / "journal.db"


async def open_journal(target: str | Path | None = None, *, clock: Clock | None = None) -> Journal:
    """Return the open journal that *target* names.

    Args:
        target: A file, ``":memory:"`` for one that ends with the process, a PostgreSQL database
            as ``postgresql://user@host/name``, or None for ``IMMUTABLE_JOURNAL`` and else the
            user's state directory.
        clock: Whose time stamps the records of a file; the system's by default. A database
            server has its own.

    Raises:
        InvalidValue: *target* is a URL of an unknown kind.
        JournalError: It can't be opened.
    """
    where = str(target or os.environ.get("IMMUTABLE_JOURNAL") or default_path())
    journal = _journal(where, clock or SystemClock())
    await journal.open()
    return journal


def _journal(where: str, clock: Clock) -> Journal:
    # Imported here: most processes need one of them.
    scheme = where.partition("://")[0] if "://" in where else ""
    if scheme in ("postgresql", "postgres"):
        from immutable.journal.postgres import PostgresJournal

        return PostgresJournal(where)
    if scheme:
        ways = "pass a file's path, or postgresql://user@host/database"
        raise InvalidValue("journal", f"{scheme}://…", "not a journal", ways)
    from immutable.journal.sqlite import SqliteJournal

    return SqliteJournal(where, clock)
