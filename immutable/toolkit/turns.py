"""One change of a fleet at a time, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["Turns"]


class Turns:
    """Lets calls that change the same thing wait for each other (the contract's E3).

    A call that is cancelled may leave a request under way, which nobody can take back: who comes
    next waits for that too.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._running: dict[str, set[asyncio.Future[Any]]] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Wait for one's turn, and for what cancelled calls have left under way.

        Args:
            name: What is changed: a fleet.
        """
        async with self._locks.setdefault(name, asyncio.Lock()):
            while running := self._running.get(name):
                await asyncio.wait(running)
            yield

    def leave(self, name: str, request: asyncio.Future[Any]) -> None:
        """Let the next turn wait until *request* is over, whatever becomes of this one."""
        running = self._running.setdefault(name, set())
        running.add(request)
        request.add_done_callback(running.discard)
