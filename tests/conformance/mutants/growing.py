"""Broken growth and settling."""

from __future__ import annotations

from math import inf

from attrs import evolve

from immutable.backend import CapacityShortage, Invalid, Throttled
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("G1", "grow lowers a larger size")
class GrowLowers(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        if self.cloud.group(fleet, revision).shown.size > size:
            self.cloud.resize(fleet, revision, size)
        return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)


@mutant("G1", "grow adds, so that a repetition launches again")
class GrowAdds(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        found = self.cloud.group(fleet, revision).shown.size
        more = found + max(0, size - expected)
        return await super().grow(fleet, revision, more, expected=found, ctx=ctx)


@mutant("G1", "grow returns what was asked for, not what is there")
class GrowReturnsAsked(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
        return size


@mutant("G2", "grow does not look at the expected size")
class GrowExpectsNothing(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        found = self.cloud.group(fleet, revision).shown.size
        return await super().grow(fleet, revision, size, expected=found, ctx=ctx)


@mutant("G5", "grow raises the maximum when it is in the way")
class GrowRaisesMaximum(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        group = self.cloud.group(fleet, revision)
        if group.shown.maximum is not None:
            group.shown = evolve(group.shown, maximum=max(size, group.shown.maximum))
        return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)


@mutant("G4", "grow keeps a shortage to itself")
class GrowHidesShortage(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        try:
            return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
        except CapacityShortage:
            group = self.cloud.group(fleet, revision)
            group.shown, group.next_try = evolve(group.shown, trouble=None), inf  # Never again.
            return size


@mutant("X2", "grow launches, and then says that it was throttled")
class GrowThrottledTooLate(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        try:
            return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
        except Throttled:
            await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
            raise


@mutant("G6", "settle ends a member")
class SettleEnds(MemoryBackend):
    async def settle(self, fleet, revision, ctx):
        size = await super().settle(fleet, revision, ctx)
        victims = [s.seen.id for s in self.cloud.fleet(fleet).servers.values()][:1]
        self.cloud.drain(self.cloud.fleet(fleet), victims[0], drain_timeout=1)
        return size


@mutant("G6", "settle lowers nothing")
class SettleDoesNothing(MemoryBackend):
    async def settle(self, fleet, revision, ctx):
        return self._owned(fleet, revision, ctx).shown.size


@mutant("E5", "a refusal is a PermissionError")
class ForeignErrors(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        try:
            return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
        except Invalid:
            raise
        except Exception as error:
            raise PermissionError(str(error)) from error
