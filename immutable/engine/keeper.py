"""Keeping the leases of one controller alive, and stopping at once what it has lost."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define

from immutable.engine.session import Session
from immutable.errors import JournalError, LeaseLost
from immutable.hooks import installed
from immutable.journal import Journal

__all__ = ["Keeper", "controller_name"]


def controller_name() -> str:
    """Return a name for a controller that says where to look for it."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(2).hex()}"


@define
class _Kept:
    session: Session
    body: asyncio.Task[object]
    lost: LeaseLost | None = None


class Keeper:
    """One controller's standing in a journal: a single beat keeps all its leases.

    Args:
        journal: Where the leases are.

    Attributes:
        journal: Where the leases are.
        name: The controller's name.
        hooks: Who is told what its rollouts do: those that were installed where it was made.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.name = controller_name()
        self.hooks = installed()
        self._kept: dict[str, _Kept] = {}
        self._beating: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def keeping(self, session: Session) -> AsyncIterator[None]:
        """Keep a session's lease while the body runs, and give it back at the end.

        Raises:
            LeaseLost: Another controller took it; the body is cancelled.
        """
        body = asyncio.current_task()
        assert body is not None, "a rollout is driven by a task"
        kept = _Kept(session, body)
        self._kept[session.lease.rollout] = kept
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat())
        try:
            yield
        except asyncio.CancelledError:
            if kept.lost is not None and body.uncancel() == 0:
                raise kept.lost from None
            raise
        finally:
            await self._let_go(kept)

    async def _let_go(self, kept: _Kept) -> None:
        lease = kept.session.lease
        del self._kept[lease.rollout]
        if not self._kept and self._beating is not None:
            beating, self._beating = self._beating, None
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if kept.lost is None:
            await asyncio.shield(self.journal.release(lease))

    async def _beat(self) -> None:
        """Beat at least twice in a lease's life.

        A record that is written does as well, so a single busy rollout needs nothing more. While
        the journal can't be reached nothing can be lost by waiting: no action is taken without
        writing it down first.
        """
        loop, ttl = asyncio.get_running_loop(), self.journal.ttl
        while True:
            await asyncio.sleep(ttl / 6)
            quiet = min(kept.session.renewed_at for kept in self._kept.values())
            if loop.time() - quiet < ttl / 3:
                continue
            try:
                self._heard(loop.time(), await self.journal.beat(self.name))
            except JournalError:
                continue

    def _heard(self, asked: float, ours: dict[str, int]) -> None:
        for rollout, kept in self._kept.items():
            session = kept.session
            if rollout in ours:
                session.renewed(asked, ours[rollout])
            elif session.renewed_at <= asked and not session.over() and kept.lost is None:
                kept.lost = LeaseLost(f"rollout {rollout} has another controller now")
                kept.body.cancel()
