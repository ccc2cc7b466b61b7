"""Getting hold of what a fleet needs: its backend, its journal, the time, and who is asking."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from attrs import frozen

from immutable.backend import Backend
from immutable.engine.places import Places, places
from immutable.journal import Journal, open_journal
from immutable.model import Clock, FleetURL, SystemClock
from immutable.registry import backend_class

__all__ = [
    "Connection",
    "connected",
    "default_actor",
    "opened_backend",
    "opened_journal",
    "place_of",
]


@frozen
class Connection:
    """What a fleet needs, opened.

    Attributes:
        url: The fleet's address, taken apart.
        backend: Where it lives.
        journal: Where its rollouts are written down.
        clock: The wall clock.
        actor: On whose behalf it is changed.
        places: What its rollouts share with others of this process.
    """

    url: FleetURL
    backend: Backend
    journal: Journal
    clock: Clock
    actor: str
    places: Places

    @property
    def address(self) -> str:
        """The fleet's address, as it stands in records."""
        return self.url.identity(*self.backend.identifying)


@asynccontextmanager
async def connected(
    url: str,
    backend: Backend | None,
    journal: Journal | str | Path | None,
    actor: str | None,
    clock: Clock | None,
) -> AsyncIterator[Connection]:
    """Open what isn't open yet, and close just that again.

    Raises:
        InvalidValue: The URL makes no sense.
        RegistryError: No backend for it is installed.
        JournalError: The journal can't be opened.
        BackendError: The backend can't be reached, or refuses.
    """
    where, time = FleetURL.parse(url), clock or SystemClock()
    async with AsyncExitStack() as stack:
        if backend is None:
            backend = await stack.enter_async_context(opened_backend(where, clock=time))
        if not isinstance(journal, Journal):
            journal = await stack.enter_async_context(opened_journal(journal, clock=time))
        yield Connection(where, backend, journal, time, actor or default_actor(), places())


# local, aws://eu-west-1, local://?dir=/srv: with * in place of a fleet's name.
def place_of(words: str) -> FleetURL:
    """Return the address of all that a backend has in a place.

    Raises:
        InvalidValue: It makes no sense.
    """
    base, mark, options = words.partition("?")
    base = base if "://" in base else f"{base}://"
    return FleetURL.parse(f"{base}{'' if base.endswith('/') else '/'}*{mark}{options}")


@asynccontextmanager
async def opened_backend(url: FleetURL, *, clock: Clock) -> AsyncIterator[Backend]:
    """Open the installed backend of an address, and close it at the end.

    Raises:
        RegistryError: None is installed for it.
        BackendError: It can't be reached, or refuses.
    """
    # On a thread: finding reads the disk, and loading may import a cloud's SDK.
    found = await asyncio.to_thread(backend_class, url.scheme)
    backend = found.from_url(url, clock=clock)
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


@asynccontextmanager
async def opened_journal(
    place: str | Path | None, *, clock: Clock | None = None
) -> AsyncIterator[Journal]:
    """Open a journal as `open_journal` does, and close it at the end.

    Raises:
        InvalidValue: *place* is a URL of an unknown kind.
        JournalError: It can't be opened.
    """
    journal = await open_journal(place, clock=clock)
    try:
        yield journal
    finally:
        await journal.close()


def default_actor() -> str:
    """Return on whose behalf this process acts: as told, else the CI system's or this user."""
    for variable in ("IMMUTABLE_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER"):
        if os.environ.get(variable):
            return os.environ[variable]
    import getpass  # On first use: few processes ask, and it isn't free.

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
