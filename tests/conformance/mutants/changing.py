"""Broken feeds of changes."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("L1", "changed never tells anybody anything")
class FeedIsSilent(MemoryBackend):
    async def changed(self, fleet, since):
        self.cloud.fleet(fleet)
        await asyncio.get_running_loop().create_future()


@mutant("L1", "changed tells of members, not of groups")
class FeedForgetsGroups(MemoryBackend):
    async def changed(self, fleet, since):
        state = await self.observe(fleet)
        members, cursor = state.instances, state.cursor
        while since == cursor:
            await super().changed(fleet, state.cursor)
            state = await self.observe(fleet)
            if state.instances != members:
                return


@mutant("L2", "changed tells of what happens after it is called only")
class FeedBeginsLate(MemoryBackend):
    async def changed(self, fleet, since):
        state = await self.observe(fleet)
        await super().changed(fleet, state.cursor)


@mutant("L2", "observe gives no cursor to wait from")
class FeedWithoutCursor(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        return evolve(await super().observe(fleet), cursor=None)


@mutant("L3", "changed tells of a change all the time")
class FeedIsBusy(MemoryBackend):
    async def changed(self, fleet, since):
        self.cloud.fleet(fleet)
        await asyncio.sleep(0.1)


@mutant("L4", "changed goes on when it is cancelled")
class FeedCantBeCancelled(MemoryBackend):
    async def changed(self, fleet, since):
        while True:
            try:
                return await super().changed(fleet, since)
            except asyncio.CancelledError:
                await asyncio.sleep(60)


@mutant("L4", "changed tells the last one who waits only")
class FeedTellsOne(MemoryBackend):
    last = None

    async def changed(self, fleet, since):
        self.last = mine = object()
        await super().changed(fleet, since)
        if self.last is not mine:
            await asyncio.get_running_loop().create_future()


@mutant("L5", "changed waits for a fleet that isn't there")
class FeedWaitsForNobody(MemoryBackend):
    async def changed(self, fleet, since):
        if fleet not in self.cloud.fleets:
            await asyncio.get_running_loop().create_future()
        await super().changed(fleet, since)
