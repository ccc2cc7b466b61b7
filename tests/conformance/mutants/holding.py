"""Broken holds, releases and fences."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import Conflict
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("H10", "hold is not written down")
class HoldForgotten(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        self._owned(fleet, revision, ctx)


@mutant("E9", "hold is kept in the memory of the process")
class HoldInProcess(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.holds = {}

    async def hold(self, fleet, revision, until, ctx):
        await super().hold(fleet, revision, until, ctx)
        self.holds[revision] = self.cloud.group(fleet, revision).shown.hold
        self.cloud.change(fleet, revision, hold=None)

    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        groups = (evolve(g, hold=g.hold or self.holds.get(g.number)) for g in state.groups)
        return evolve(state, groups=tuple(groups))


@mutant("K5", "an older lease is let through")
class FenceIgnored(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        check = cloud.check
        cloud.check = lambda group, rollout, fence: check(group, rollout, 1 << 30)


@mutant("K5", "another rollout is let through")
class HolderIgnored(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)

        def check(group, rollout, fence):
            hold = group.shown.hold
            if hold is not None and hold.rollout == rollout and hold.fence > fence:
                raise Conflict("an older lease", owner=rollout)

        cloud.check = check


@mutant("K5", "retire alone does not look at holds")
class RetireUnchecked(MemoryBackend):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        hold = self.cloud.group(fleet, revision).shown.hold
        mine = evolve(ctx, rollout=hold.rollout, fence=hold.fence) if hold else ctx
        return await super().retire(fleet, revision, ids, drain_timeout=drain_timeout, ctx=mine)


@mutant("K5", "a refusal does not name the owner")
class OwnerUnnamed(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        try:
            await super().hold(fleet, revision, until, ctx)
        except Conflict as error:
            raise Conflict(error.message) from error


@mutant("H4", "a repeated hold does not move its end")
class HoldNeverMoves(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        old = self.cloud.group(fleet, revision).shown.hold
        mine = old is not None and old.rollout == ctx.rollout
        await super().hold(fleet, revision, old.until if mine else until, ctx)


@mutant("H4", "a repeated hold saves what the rollout itself has changed")
class HoldSavesAgain(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        await super().hold(fleet, revision, until, ctx)
        shown = self.cloud.group(fleet, revision).shown
        hold = evolve(shown.hold, minimum=shown.minimum)
        self.cloud.change(fleet, revision, hold=hold)


@mutant("H10", "a repeated hold tells the size of now as the first one")
class HoldSavesSizeAgain(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        await super().hold(fleet, revision, until, ctx)
        shown = self.cloud.group(fleet, revision).shown
        self.cloud.change(fleet, revision, hold=evolve(shown.hold, size=shown.size))


@mutant("H5", "a hold never expires")
class HoldForEver(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        await super().hold(fleet, revision, until + 1e6, ctx)


@mutant("H5", "an expired hold is told as if it bound somebody")
class ExpiredIsTold(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        cloud._told = lambda shown: shown


@mutant("H5", "who takes an expired hold over forgets what it had saved")
class TakingOverForgets(MemoryBackend):
    async def hold(self, fleet, revision, until, ctx):
        shown = self.cloud.group(fleet, revision).shown
        if shown.hold is not None and shown.hold.rollout != ctx.rollout:
            self._owned(fleet, revision, ctx)
            self.cloud.change(fleet, revision, hold=None)
        await super().hold(fleet, revision, until, ctx)


@mutant("H10", "an expired hold is not told as lapsed")
class LapsedIsHidden(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        told = cloud._told
        cloud._told = lambda shown: evolve(told(shown), lapsed=None)


@mutant("H6", "release of an expired hold is refused to others")
class ReleaseForOwnerOnly(MemoryBackend):
    async def release(self, fleet, revision, ctx):
        hold = self.cloud.group(fleet, revision).shown.hold
        if hold is not None and hold.rollout != ctx.rollout:
            raise Conflict("not yours", owner=hold.rollout)
        await super().release(fleet, revision, ctx)


@mutant("H4", "release forgets the minimum")
class ReleaseForgetsMinimum(MemoryBackend):
    async def release(self, fleet, revision, ctx):
        minimum = self._owned(fleet, revision, ctx).shown.minimum
        await super().release(fleet, revision, ctx)
        self.cloud.change(fleet, revision, minimum=minimum)


@mutant("H7", "release leaves the scaling settings behind")
class ReleaseLeavesSettings(MemoryBackend):
    async def release(self, fleet, revision, ctx):
        groups = self.cloud.fleet(fleet).groups
        before = {number: group.shown.settings for number, group in groups.items()}
        await super().release(fleet, revision, ctx)
        for number, settings in before.items():
            self.cloud.change(fleet, number, settings=settings)


@mutant("H7", "release copies the scaling settings, so that both groups scale")
class ReleaseCopiesSettings(MemoryBackend):
    async def release(self, fleet, revision, ctx):
        groups = self.cloud.fleet(fleet).groups
        others = {n: g.shown.settings for n, g in groups.items() if n != revision}
        await super().release(fleet, revision, ctx)
        for number, settings in others.items():
            self.cloud.change(fleet, number, settings=settings)


@mutant("H8", "release keeps the hold")
class ReleaseKeepsHold(MemoryBackend):
    async def release(self, fleet, revision, ctx):
        hold = self._owned(fleet, revision, ctx).shown.hold
        await super().release(fleet, revision, ctx)
        self.cloud.change(fleet, revision, hold=hold)


@mutant("H2", "scale-in goes on in a held group")
class HoldStopsNothing(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        resize = cloud.resize

        def unheld(name, revision, size):
            group = cloud.group(name, revision)
            hold = group.shown.hold
            group.shown = evolve(group.shown, hold=None)
            short = resize(name, revision, size)
            group.shown = evolve(group.shown, hold=hold)
            return short

        cloud.resize = unheld
