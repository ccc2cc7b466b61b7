"""Keeping the lease of a build: who works on it, or clears away what it left, is alone with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from immutable.errors import JournalError, LeaseLost
from immutable.journal import Journal, Lease

__all__ = ["leased"]


@asynccontextmanager
async def leased(journal: Journal, lease: Lease) -> AsyncIterator[None]:
    """Keep the lease of a build while the body runs.

    What a build makes carries the build's name, whoever does it: one process may not remove it
    while another makes it.

    Raises:
        LeaseLost: Another process took it; the body is cancelled.
    """
    body, lost = asyncio.current_task(), []
    assert body is not None, "a build is done by a task"

    async def beat() -> None:
        while True:
            await asyncio.sleep(journal.ttl / 3)
            try:
                await journal.renew(lease)
            except LeaseLost as error:
                lost.append(error)
                body.cancel()
                return
            except JournalError:
                continue  # It may be back before the lease ends.

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost and body.uncancel() == 0:
            raise lost[0] from None
        raise
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
