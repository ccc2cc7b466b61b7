"""What a rollout may never do, held against every look at the fleet while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from attrs import define, field

from immutable.backend import Backend, FleetState, InstanceState, Limits
from immutable.planning.arithmetic import window

__all__ = ["Recorder"]

_LEAVING = InstanceState.DRAINING


@define
class Recorder:
    """Watches looks at a fleet, and keeps what breaks the bounds of a rollout.

    Attributes:
        floor: How many servers have to be READY at least.
        ceiling: How many may exist, or have been asked for, at most.
        lowest: The fewest that were READY in a look.
        highest: The most that existed, or had been asked for.
        looks: How many looks there were.
        breaches: What was wrong, in words.
    """

    floor: int
    ceiling: int
    lowest: int = 1 << 60
    highest: int = 0
    looks: int = 0
    breaches: list[str] = field(factory=list)

    @classmethod
    def of(cls, limits: Limits, before: FleetState) -> Self:
        """Return one for a rollout with *limits* of the fleet as it is *before* it.

        Three servers, surge 1, unavailable 0: floor 3, ceiling 4. With one of them not READY at
        the start the floor is 2: a rollout makes no sick fleet sicker.
        """
        bounds = window(limits, sum(group.size for group in before.groups))
        floor = min(bounds.wanted - bounds.unavailable, before.ready)
        return cls(floor, bounds.wanted + bounds.surge)

    def see(self, state: FleetState) -> None:
        """Take a complete look in."""
        total = 0
        for group in state.groups:
            members = state.members(group.number)
            leaving = sum(each.state is _LEAVING for each in members)
            total += max(group.size, len(members) - leaving) + leaving
        self.looks += 1
        self.lowest = min(self.lowest, state.ready)
        self.highest = max(self.highest, total)
        if state.ready < self.floor:
            self.breaches.append(f"at {state.at:.1f}: {state.ready} READY, floor {self.floor}")
        if total > self.ceiling:
            self.breaches.append(f"at {state.at:.1f}: {total} servers, ceiling {self.ceiling}")

    @asynccontextmanager
    async def watching(self, backend: Backend, fleet: str, every: float) -> AsyncIterator[Self]:
        """Look at *fleet* every so many seconds as long as the block lasts."""

        async def look() -> None:
            while True:
                self.see(await backend.observe(fleet))
                await asyncio.sleep(every)

        task = asyncio.create_task(look())
        try:
            yield self
        finally:
            task.cancel()
            # What a look raised is the check's to know.
            for raised in await asyncio.gather(task, return_exceptions=True):
                if isinstance(raised, Exception):
                    raise raised
