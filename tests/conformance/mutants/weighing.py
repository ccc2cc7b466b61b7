"""Broken weights and counters."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import Invalid, Pool
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("W1", "route sets one weight, and fails on the other")
class RouteHalf(MemoryBackend):
    async def route(self, fleet, weights, ctx):
        before = {n: g.shown.weight for n, g in self.cloud.fleet(fleet).groups.items()}
        await super().route(fleet, weights, ctx)
        first = min(before)
        self.cloud.change(fleet, first, weight=before[first])


@mutant("W2", "route does nothing")
class RouteNothing(MemoryBackend):
    async def route(self, fleet, weights, ctx):
        return None


@mutant("W5", "route takes every table")
class RouteAnything(MemoryBackend):
    async def route(self, fleet, weights, ctx):
        try:
            await super().route(fleet, weights, ctx)
        except Invalid:
            return


@mutant("W5", "route does not look at holds")
class RouteUnchecked(MemoryBackend):
    async def route(self, fleet, weights, ctx):
        groups = self.cloud.fleet(fleet).groups
        holds = {number: group.shown.hold for number, group in groups.items()}
        for number in groups:
            self.cloud.change(fleet, number, hold=None)
        try:
            await super().route(fleet, weights, ctx)
        finally:
            for number, hold in holds.items():
                self.cloud.change(fleet, number, hold=hold)


@mutant("W4", "weights are shares of members, so that weight 0 gets requests")
class WeightsAreMembers(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        ask = cloud.ask

        def by_members(fleet):
            shown = {number: group.shown for number, group in fleet.groups.items()}
            for group in fleet.groups.values():
                group.shown = evolve(group.shown, weight=None)
            ask(fleet)
            for number, group in fleet.groups.items():
                group.shown = shown[number]

        cloud.ask = by_members


@mutant("R7", "a pool of its own begins with traffic")
class OwnPoolServes(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        await super().create_revision(fleet, revision, pool, until, ctx)
        if pool is Pool.OWN:
            others = [
                number for number in self.cloud.fleet(fleet).groups if number != revision.number
            ]
            self.cloud.change(fleet, others[0], weight=50.0)
            self.cloud.change(fleet, revision.number, weight=50.0)


@mutant("W1", "a group beside weighted ones has no weight")
class FurtherGroupUnweighted(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        await super().create_revision(fleet, revision, pool, until, ctx)
        if pool is Pool.SHARED:
            self.cloud.change(fleet, revision.number, weight=None)


@mutant("D6", "the group that is left keeps its weight")
class WeightStays(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        weights = {n: g.shown.weight for n, g in self.cloud.fleet(fleet).groups.items()}
        await super().delete_revision(fleet, revision, ctx)
        for number in self.cloud.fleet(fleet).groups:
            self.cloud.change(fleet, number, weight=weights[number])


class Switches(MemoryBackend):
    """A sound backend that gives all of the traffic to one group, or none."""

    def __init__(self, cloud):
        super().__init__(cloud)
        self.capabilities = evolve(self.capabilities, weight_step=100.0)


@mutant("W6", "what can only be switched is divided")
class SwitchDivides(Switches):
    async def route(self, fleet, weights, ctx):
        able = self.capabilities
        self.capabilities = evolve(able, weight_step=0.1)
        try:
            await super().route(fleet, weights, ctx)
        finally:
            self.capabilities = able


@mutant("W2", "what can only be switched goes one way, and never back")
class SwitchesOnce(Switches):
    async def route(self, fleet, weights, ctx):
        if weights.get(1) != 100:
            await super().route(fleet, weights, ctx)


@mutant("W4", "a switch leaves new requests with both groups")
class SwitchShows(Switches):
    def __init__(self, cloud):
        super().__init__(cloud)
        ask = cloud.ask

        def by_both(fleet):
            shown = {number: group.shown for number, group in fleet.groups.items()}
            if any(group.weight for group in shown.values()):
                for group in fleet.groups.values():
                    group.shown = evolve(group.shown, weight=50.0)
            ask(fleet)
            for number, group in fleet.groups.items():
                group.shown = shown[number]

        cloud.ask = by_both


@mutant("W7", "traffic counts by group, not by member")
class TrafficByGroup(MemoryBackend):
    async def traffic(self, fleet):
        reading = await super().traffic(fleet)
        named = {n: {f"r{n}": next(iter(m.values()))} for n, m in reading.revisions.items() if m}
        return evolve(reading, revisions=named)


@mutant("S1", "capabilities leave out what is implemented")
class AbilitiesHidden(MemoryBackend):
    def __init__(self, cloud):
        super().__init__(cloud)
        self.capabilities = evolve(self.capabilities, traffic_stats=False)
