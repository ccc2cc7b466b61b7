"""Keeping a lease alive while a rollout is driven, and stopping at once when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from immutable.engine.session import Session
from immutable.errors import JournalError, LeaseLost

__all__ = ["keeping"]


@asynccontextmanager
async def keeping(session: Session) -> AsyncIterator[None]:
    """Renew a session's lease while the body runs, and give it back at the end.

    Raises:
        LeaseLost: Another controller took it, or it could not be renewed in time; the body is
            cancelled.
    """
    body = asyncio.current_task()
    assert body is not None, "a rollout is driven by a task"
    lost: list[LeaseLost] = []

    async def renew() -> None:
        try:
            await _renew(session)
        except LeaseLost as error:
            lost.append(error)
            body.cancel()

    beat = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if lost and body.uncancel() == 0:
            raise lost[0] from None
        raise
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        if not lost:
            await asyncio.shield(session.journal.release(session.lease))


async def _renew(session: Session) -> None:
    """Renew at least twice in a lease's life; it is lost when a whole life passes without success.

    A record that is written renews it too, so a busy rollout needs nothing more.
    """
    loop, journal = asyncio.get_running_loop(), session.journal
    while True:
        await asyncio.sleep(journal.ttl / 6)
        quiet = loop.time() - session.renewed_at
        if quiet < journal.ttl / 3:
            continue
        try:
            await session.renew()
        except LeaseLost:
            raise
        except JournalError as error:
            if quiet >= journal.ttl:
                raise LeaseLost(f"the lease could not be renewed: {error}") from error
