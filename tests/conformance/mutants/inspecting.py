"""Broken looks for drift."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import DriftCode, DriftReason, Gone, Inspection
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("S5", "inspect leaves the newest member out")
class InspectForgets(MemoryBackend):
    async def inspect(self, fleet):
        found = await super().inspect(fleet)
        return evolve(found, instances=found.instances[:-1])


@mutant("S5", "inspect tells a member twice")
class InspectRepeats(MemoryBackend):
    async def inspect(self, fleet):
        found = await super().inspect(fleet)
        return evolve(found, instances=(*found.instances, *found.instances[:1]))


@mutant("S5", "inspect tells of differences that there are not")
class InspectAlarms(MemoryBackend):
    async def inspect(self, fleet):
        found = await super().inspect(fleet)
        wrong = (DriftReason(DriftCode.MARKS, "tags", "none"),)
        return evolve(found, instances=tuple(evolve(e, reasons=wrong) for e in found.instances))


@mutant("S5", "inspect doesn't say what it can't see")
class InspectHides(MemoryBackend):
    async def inspect(self, fleet):
        return evolve(await super().inspect(fleet), unseen=())


@mutant("S5", "inspect of a fleet that isn't there finds nothing wrong")
class InspectNothing(MemoryBackend):
    async def inspect(self, fleet):
        try:
            return await super().inspect(fleet)
        except Gone:
            return Inspection(self.cloud.at, ())


@mutant("S5", "inspect ends members that run")
class InspectKills(MemoryBackend):
    async def inspect(self, fleet):
        found = await super().inspect(fleet)
        for each in found.instances:
            self.cloud.kill(fleet, each.id)
        return found
