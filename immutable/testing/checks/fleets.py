"""Getting hold of a check's fleet as users do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from immutable.backend import SystemClock
from immutable.fleet import Fleet
from immutable.model import LoopClock
from immutable.testing.outcome import Skipped
from immutable.testing.stage import Stage

__all__ = ["connected"]


@asynccontextmanager
async def connected(s: Stage) -> AsyncIterator[Fleet]:
    """Get hold of the fleet of a check, with a journal that is gone afterwards.

    Raises:
        Skipped: The author has not said at which address fleets are.
    """
    if not s.author.url:
        raise Skipped("needs `url`, the address of a fleet with {fleet} for its name: state it")
    clock = LoopClock() if s.author.virtual else SystemClock()
    async with Fleet.connect(
        s.author.url.format(fleet=s.fleet),
        backend=s.backend,
        journal=":memory:",
        actor="conformance",
        clock=clock,
    ) as fleet:
        yield fleet
