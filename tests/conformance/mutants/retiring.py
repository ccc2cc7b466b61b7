"""Broken retirement."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.backend import Gone, InstanceState, Invalid, Retiring, Throttled, Transient
from immutable.memory import MemoryBackend, fixed
from tests.conformance.mutants.registry import mutant

READY, DRAINING = InstanceState.READY, InstanceState.DRAINING


class Retires(MemoryBackend):
    """What most mutants here need: their own arguments to the real retirement."""

    async def retire_by(self, fleet, revision, ids, drain_timeout, ctx):
        return await super().retire(fleet, revision, ids, drain_timeout=drain_timeout, ctx=ctx)


@mutant("T1", "retire ends the oldest, whoever is named")
class RetireOldest(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        servers = self.cloud.fleet(fleet).servers.values()
        here = [s.seen.id for s in servers if s.group.shown.number == revision]
        return await self.retire_by(fleet, revision, tuple(here[: len(ids)]), drain_timeout, ctx)


@mutant("T1", "retire lowers the size and lets the cloud choose")
class RetireByNumber(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        group = self._owned(fleet, revision, ctx)
        names = [s.seen.id for s in self.cloud.fleet(fleet).servers.values() if s.group is group]
        chosen = tuple(names[: len([n for n in ids if n in names])])
        return await self.retire_by(fleet, revision, chosen, drain_timeout, ctx)


@mutant("T2", "retire leaves the size, so that the cloud starts others")
class RetireKeepsSize(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        size = self.cloud.group(fleet, revision).shown.size
        await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        self.cloud.resize(fleet, revision, size)
        return Retiring(size)


@mutant("T2", "retire returns the size before it")
class RetireReturnsOld(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        size = self.cloud.group(fleet, revision).shown.size
        await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        return Retiring(size)


@mutant("T2", "retire leaves a minimum that is in the way")
class RetireKeepsMinimum(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        minimum = self.cloud.group(fleet, revision).shown.minimum
        left = await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        self.cloud.change(fleet, revision, minimum=minimum)
        return left


@mutant("T3", "retire lowers the size again when it is repeated")
class RetireTwice(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        group = self._owned(fleet, revision, ctx)
        servers = self.cloud.fleet(fleet).servers
        again = [n for n in ids if n in servers and servers[n].seen.state is DRAINING]
        left = await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        group.shown = evolve(group.shown, size=max(0, left.size - len(again)))
        return Retiring(group.shown.size)


@mutant("T3", "retire lowers the size for members that are gone")
class RetireCountsTheDead(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        dead = [name for name in ids if name not in self.cloud.fleet(fleet).servers]
        left = await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        self.cloud.resize(fleet, revision, left.size - len(dead))
        return Retiring(left.size - len(dead))


@mutant("T3", "retire raises Gone for a member that is gone")
class RetireRaisesGone(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        if not self.cloud.fleet(fleet).servers.keys() >= set(ids):
            raise Gone("no such member")
        return await self.retire_by(fleet, revision, ids, drain_timeout, ctx)


@mutant("T3", "retire ends members of other groups")
class RetireAnywhere(Retires):
    def _is_member(self, fleet, group, name):
        server = self.cloud.fleet(fleet).servers.get(name)
        return server is not None and server.seen.state is not DRAINING


@mutant("T9", "retire waits for what is in flight, however long it takes")
class RetireWaits(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        return await self.retire_by(fleet, revision, ids, 1e9, ctx)


@mutant("T9", "retire starts the time of a drain anew when it is repeated")
class RetireStartsAnew(Retires):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.due = {}

    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        laws, self.cloud.laws = self.cloud.laws, evolve(self.cloud.laws, drain=fixed(1e9))
        left = await self.retire_by(fleet, revision, ids, 1e9, ctx)
        self.cloud.laws = laws
        drain = min(drain_timeout, laws.drain(self.cloud.random))
        for name in ids:
            self.due[name] = self.cloud.at + drain
            self.cloud.after(drain, lambda name=name: self.end(fleet, name))
        return left

    def end(self, fleet, name):
        if self.due[name] <= self.cloud.at and name in self.cloud.fleets[fleet].servers:
            self.cloud._bury(self.cloud.fleets[fleet], name)


@mutant("T9", "retire leaves a draining member in the pool")
class RetireServesOn(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        ask = cloud.ask

        def ask_all(fleet):
            leaving = [s for s in fleet.servers.values() if s.seen.state is DRAINING]
            for server in leaving:
                server.seen = evolve(server.seen, state=READY)
            ask(fleet)
            for server in leaving:
                server.seen = evolve(server.seen, state=DRAINING)

        cloud.ask = ask_all


@mutant("T10", "retire refuses protected members")
class RetireSparesProtected(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        servers = self.cloud.fleet(fleet).servers
        if any(name in servers and servers[name].seen.protected for name in ids):
            raise Invalid("it is protected")
        return await self.retire_by(fleet, revision, ids, drain_timeout, ctx)


@mutant("T5", "retire returns when the members are gone")
class RetireReturnsLate(Retires):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        left = await self.retire_by(fleet, revision, ids, drain_timeout, ctx)
        await asyncio.sleep(20)
        return left


@mutant("T4", "retire calls it Throttled when only some could be begun")
class RetirePartlyThrottled(MemoryBackend):
    def broken_off(self, rest):
        return Throttled(f"not begun: {rest}")


@mutant("T4", "retire returns as if all had been begun when only some could")
class RetirePartlySilent(MemoryBackend):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        try:
            return await super().retire(fleet, revision, ids, drain_timeout=drain_timeout, ctx=ctx)
        except Transient:
            return Retiring(self.cloud.group(fleet, revision).shown.size)
