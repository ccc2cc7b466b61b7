"""Where a fleet stands, as a number that moves with each change, and who waits for it to move."""

from __future__ import annotations

import asyncio
import secrets

__all__ = ["Changes"]


class Changes:
    """The changes of one fleet, counted by one supervisor.

    The next supervisor begins elsewhere, so that whoever still has a number of this one is told at
    once that it is no longer where the fleet stands.

    Attributes:
        cursor: Where the fleet stands: what a look that begins now can't be older than.
    """

    def __init__(self) -> None:
        self.cursor = secrets.randbits(31) << 32
        self._moved = asyncio.Event()
        self._over = False

    def note(self) -> None:
        """Count a change, and tell all who wait."""
        self.cursor += 1
        self._moved.set()
        self._moved = asyncio.Event()

    def end(self) -> None:
        """Let nobody wait any more."""
        self._over = True
        self._moved.set()

    async def since(self, cursor: int) -> None:
        """Return once the fleet does not stand at *cursor*, or nobody will tell any more."""
        while cursor == self.cursor and not self._over:
            await self._moved.wait()
