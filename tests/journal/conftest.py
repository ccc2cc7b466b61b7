"""The two journals, as one: what holds for one of them must hold for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from immutable import Journal, open_journal
from immutable.journal.transactions import Run, Statement
from immutable.testing import LoopClock, run


@frozen
class Place:
    """Where a journal is kept, and the time that it lives in.

    Attributes:
        where: As `open_journal` wants it.
        runner: Runs a coroutine: on virtual time for a file, on real time for a server.
        ttl: Seconds that leases last; in real time so long that none ends by itself in a test.
    """

    where: str
    runner: Callable[[Coroutine[Any, Any, None]], None]
    ttl: float

    def run(self, main: Callable[[Journal], Coroutine[Any, Any, None]]) -> None:
        """Run a test on the opened journal."""

        async def on_journal() -> None:
            async with self.opened() as journal:
                await main(journal)

        self.runner(on_journal())

    async def passing(self, journal: Journal, seconds: float) -> None:
        """Let so much of the leases' time pass: a server's clock goes on, so they end earlier."""
        if self.runner is run:
            await asyncio.sleep(seconds)
        else:
            await journal._do(lambda _: _ageing(seconds))

    @asynccontextmanager
    async def opened(self):
        journal = await open_journal(self.where, clock=LoopClock())
        journal.ttl = self.ttl
        try:
            yield journal
        finally:
            await journal.close()


def _ageing(seconds: float) -> Run[None]:
    yield Statement("UPDATE controllers SET expires_at = expires_at - ?", (seconds,))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(str(tmp_path / "deep" / "er" / "journal.db"), run, 10.0)
    return Place(request.getfixturevalue("postgres_url"), asyncio.run, 600.0)
