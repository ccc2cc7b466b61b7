"""Broken looks, and calls that do what no call may."""

from __future__ import annotations

import time
from typing import ClassVar

from attrs import evolve

from immutable.backend import FleetState, Gone, InstanceState, Transient
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant

READY, STARTING, DRAINING = InstanceState.READY, InstanceState.STARTING, InstanceState.DRAINING


class Looks(MemoryBackend):
    """Changes what a look shows."""

    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        return self.shown(state)

    def shown(self, state):
        raise NotImplementedError


def each(state, change):
    """A look with every instance changed."""
    return evolve(state, instances=tuple(change(instance) for instance in state.instances))


@mutant("O3", "observe shows the look before, and claims to be fresh")
class LookIsOld(MemoryBackend):
    last = None

    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet)
        old, self.last = self.last, state
        return evolve(old, at=state.at) if old is not None and old.fleet == fleet else state


@mutant("O1", "observe tells READY as soon as it runs")
class ReadyIsRunning(Looks):
    def shown(self, state):
        return each(
            state,
            lambda i: (
                evolve(i, state=READY, ready_since=i.launched_at) if i.state is STARTING else i
            ),
        )


@mutant("O1", "observe tells READY for ever after")
class ReadyForEver(Looks):
    def shown(self, state):
        return each(
            state,
            lambda i: (
                evolve(i, state=READY, ready_since=i.launched_at)
                if i.state is InstanceState.UNREADY
                else i
            ),
        )


@mutant("V3", "observe leaves ready_since out")
class ReadySinceMissing(Looks):
    def shown(self, state):
        return each(state, lambda i: evolve(i, ready_since=None))


@mutant("V2", "observe tells the time of the look as launched_at")
class LaunchedNow(Looks):
    def shown(self, state):
        return each(
            state, lambda i: evolve(i, launched_at=state.at, ready_since=i.ready_since and state.at)
        )


@mutant("C1", "observe stamps by another clock")
class OtherClock(Looks):
    def shown(self, state):
        return evolve(state, at=state.at - 3600)


@mutant("V4", "observe counts draining members in the size")
class SizeWithDraining(Looks):
    def shown(self, state):
        leaving = [i.revision for i in state.instances if i.state is DRAINING]
        groups = (evolve(g, size=g.size + leaving.count(g.number)) for g in state.groups)
        return evolve(state, groups=tuple(groups))


@mutant("V1", "observe lists who starts under an id that isn't its own")
class StartsUnderAnotherId(Looks):
    def shown(self, state):
        return each(state, lambda i: evolve(i, id=f"pending-{i.id}") if i.state is STARTING else i)


@mutant("V5", "observe goes on listing a member that died")
class DeadAreListed(Looks):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.known = {}

    def shown(self, state):
        self.known.update({i.id: i for i in state.instances if i.state is READY})
        here = {i.id for i in state.instances}
        dead = (i for name, i in self.known.items() if name not in here)
        return evolve(state, instances=(*state.instances, *dead))


@mutant("V6", "observe tells who comes in the place of a dead member by its name")
class SuccessorsInherit(Looks):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.dead, self.names = [], {}
        cloud.watchers.append(self.notice)

    def notice(self, fleet, instance):
        if instance.state is InstanceState.GONE:
            self.dead.append(instance)
        elif self.dead and instance.state is STARTING and instance.id not in self.names:
            self.names[instance.id] = self.dead.pop()

    def shown(self, state):
        return each(
            state,
            lambda i: (
                evolve(
                    i,
                    id=self.names[i.id].id,
                    zone=self.names[i.id].zone,
                    launched_at=self.names[i.id].launched_at,
                )
                if i.id in self.names
                else i
            ),
        )


@mutant("O9", "observe gives what it has when a page is missing")
class PageMissing(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        try:
            return await super().observe(fleet, since=since)
        except Transient:
            state = await super().observe(fleet)
            return evolve(state, instances=state.instances[:1])


@mutant("O9", "observe tells an empty fleet where there is none")
class NoFleetIsEmpty(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        try:
            return await super().observe(fleet, since=since)
        except Gone:
            return FleetState(fleet, self.cloud.at, ())


@mutant("O6", "a cursor is used up by the first who asks with it")
class CursorUsedUp(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.used = set()

    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        if since is not None and since in self.used:
            return evolve(state, instances=())
        self.used.add(since)
        return state


@mutant("O5", "a cursor that nobody gave out is answered with nothing")
class UnknownCursor(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        if since is None or not state.complete:
            return state
        return evolve(state, instances=(), complete=False)


@mutant("O5", "a partial look leaves out who vanished")
class VanishedUntold(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        seen = tuple(i for i in state.instances if i.state is not InstanceState.GONE)
        return evolve(state, instances=seen)


@mutant("E13", "fleets scales every fleet that it lists")
class ListingScales(MemoryBackend):
    async def fleets(self):
        for name, fleet in self.cloud.fleets.items():
            for number, group in fleet.groups.items():
                self.cloud.resize(name, number, group.shown.size + 1)
        return await super().fleets()


@mutant("P6", "fleets lists what was deleted")
class FleetsListsGhosts(MemoryBackend):
    async def fleets(self):
        return (*await super().fleets(), "zzz-gone")


@mutant("E1", "fleets blocks the loop")
class FleetsBlocks(MemoryBackend):
    async def fleets(self):
        time.sleep(1.2)  # noqa: ASYNC251  # That is what is wrong with it.
        return await super().fleets()


@mutant("P4", "capabilities change when it is opened")
class CapabilitiesChange(MemoryBackend):
    async def open(self):
        self.capabilities = evolve(self.capabilities, poll=7.0)


@mutant("P1", "from_url takes every option")
class AnyOption(MemoryBackend):
    @classmethod
    def from_url(cls, url, *, clock):
        return super().from_url(evolve(url, options={}), clock=clock)


@mutant("O10", "a look that goes on tells the settings of the one that it goes on from")
class SettingsAreOld(MemoryBackend):
    told: ClassVar = {}

    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        if since is None:
            self.told[fleet] = {group.number: group.settings for group in state.groups}
        known = self.told[fleet]
        groups = (evolve(g, settings=known.get(g.number, g.settings)) for g in state.groups)
        return evolve(state, groups=tuple(groups))
