"""Getting hold of a check's fleet as users do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from immutable.backend import SystemClock
from immutable.fleet import Fleet
from immutable.model import LoopClock
from immutable.testing.stage import Stage

__all__ = ["connected"]


@asynccontextmanager
async def connected(s: Stage) -> AsyncIterator[Fleet]:
    """Get hold of the fleet of a check, with a journal that is gone afterwards."""
    clock = LoopClock() if s.author.virtual else SystemClock()
    async with Fleet.connect(
        s.author.url.format(fleet=s.fleet),
        backend=s.backend,
        journal=":memory:",
        actor="conformance",
        clock=clock,
    ) as fleet:
        yield fleet
