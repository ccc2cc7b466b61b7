"""Broken creation and deletion, of groups and of fleets."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.backend import Conflict, Gone, Image, Origin, RuntimeConfig
from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


class Creates(MemoryBackend):
    """Changes a group right after it was made."""

    async def create_revision(self, fleet, revision, pool, until, ctx):
        new = revision.number not in self.cloud.fleet(fleet).groups
        await super().create_revision(fleet, revision, pool, until, ctx)
        if new:
            self.made(fleet, revision.number)

    def made(self, fleet, number):
        raise NotImplementedError


@mutant("R8", "create_revision gives a group to whoever asks")
class CreateForAnybody(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        if revision.number not in self.cloud.fleet(fleet).groups:
            await super().create_revision(fleet, revision, pool, until, ctx)


@mutant("R1", "create_revision looks, waits, and then writes: both creators win")
class CreateRaces(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        there = self.cloud.fleet(fleet).groups.get(revision.number)
        if there is not None:
            return await super().create_revision(fleet, revision, pool, until, ctx)
        await asyncio.sleep(0.1)
        home = self.cloud.fleet(fleet)
        home.groups.pop(revision.number, None)
        home.last_revision = min(home.last_revision, revision.number - 1)
        return await super().create_revision(fleet, revision, pool, until, ctx)


@mutant("R6", "create_revision refuses a repetition")
class CreateOnce(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        if revision.number in self.cloud.fleet(fleet).groups:
            raise Conflict("it exists", owner=ctx.rollout)
        await super().create_revision(fleet, revision, pool, until, ctx)


@mutant("R6", "create_revision empties the group when it is repeated")
class CreateAnew(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        there = self.cloud.fleet(fleet).groups.get(revision.number)
        await super().create_revision(fleet, revision, pool, until, ctx)
        if there is not None:
            there.shown = evolve(there.shown, size=0, hold=None)


@mutant("R3", "create_revision does not hold the group")
class CreateUnheld(Creates):
    def made(self, fleet, number):
        self.cloud.change(fleet, number, hold=None)


@mutant("R3", "create_revision does not mark whose the group is")
class CreateUnmarked(Creates):
    def made(self, fleet, number):
        self.cloud.change(fleet, number, rollout="", plan="")


@mutant("R3", "create_revision launches a first member")
class CreateLaunches(Creates):
    def made(self, fleet, number):
        self.cloud.change(fleet, number, size=1)
        self.cloud.heal(self.cloud.fleet(fleet), self.cloud.group(fleet, number))


@mutant("R2", "create_revision forgets which numbers were given out")
class CreateForgetsNumbers(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        await super().delete_revision(fleet, revision, ctx)
        home = self.cloud.fleet(fleet)
        home.last_revision = max(home.groups)


@mutant("R4", "create_revision keeps the image, and loses the settings")
class CreateLosesSettings(Creates):
    def made(self, fleet, number):
        group = self.cloud.group(fleet, number)
        bare = evolve(group.shown.revision, config=RuntimeConfig())
        group.shown = evolve(group.shown, revision=bare)


@mutant("R5", "create_revision copies no maximum")
class CreateForgetsMaximum(Creates):
    def made(self, fleet, number):
        self.cloud.change(fleet, number, maximum=None)


@mutant("R4", "an error of create_revision tells the settings")
class CreateTellsSettings(MemoryBackend):
    async def create_revision(self, fleet, revision, pool, until, ctx):
        try:
            await super().create_revision(fleet, revision, pool, until, ctx)
        except Conflict as error:
            raise Conflict(f"{error}: {dict(revision.config.environment)}") from error


@mutant("D1", "delete_revision takes members along")
class DeleteWithMembers(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        home, group = self.cloud.fleet(fleet), self._owned(fleet, revision, ctx)
        for name in [n for n, server in home.servers.items() if server.group is group]:
            self.cloud._bury(home, name)
        group.shown = evolve(group.shown, size=0)
        await super().delete_revision(fleet, revision, ctx)


@mutant("D1", "delete_revision does not see who drains")
class DeleteWhileDraining(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        home, group = self.cloud.fleet(fleet), self._owned(fleet, revision, ctx)
        if group.shown.size == 0 == group.live:
            for name in [n for n, server in home.servers.items() if server.group is group]:
                self.cloud._bury(home, name)
        await super().delete_revision(fleet, revision, ctx)


@mutant("D2", "delete_revision deletes groups of other rollouts")
class DeleteOfOthers(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        self._owned(fleet, revision, ctx)
        self.cloud.change(fleet, revision, rollout=ctx.rollout)
        await super().delete_revision(fleet, revision, ctx)


@mutant("D3", "delete_revision leaves the group, at size 0")
class DeleteLater(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        home, group = self.cloud.fleet(fleet), self.cloud.group(fleet, revision)
        await super().delete_revision(fleet, revision, ctx)
        home.groups[revision] = group


@mutant("D5", "delete_revision of what is gone is a Conflict")
class DeleteTwice(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        try:
            await super().delete_revision(fleet, revision, ctx)
        except Gone as error:
            raise Conflict(str(error)) from error


@mutant("D4", "delete_revision deletes adopted groups")
class DeleteAdopted(MemoryBackend):
    async def delete_revision(self, fleet, revision, ctx):
        self.cloud.group(fleet, revision).deletable = True
        await super().delete_revision(fleet, revision, ctx)


@mutant("S3", "adopt_fleet starts the members anew")
class AdoptRestarts(MemoryBackend):
    async def adopt_fleet(self, fleet, *, delete_when_replaced):
        await super().adopt_fleet(fleet, delete_when_replaced=delete_when_replaced)
        for name in list(self.cloud.fleet(fleet).servers):
            self.cloud.kill(fleet, name)


@mutant("S3", "adopt_fleet takes fleets of ours")
class AdoptAnything(MemoryBackend):
    async def adopt_fleet(self, fleet, *, delete_when_replaced):
        self.cloud.change(fleet, 1, origin=Origin.ADOPTED)


@mutant("S2", "create_fleet empties a fleet of that name")
class CreateFleetAgain(MemoryBackend):
    async def create_fleet(self, fleet, revision):
        self.cloud.fleets.pop(fleet, None)
        await super().create_fleet(fleet, revision)


@mutant("S2", "delete_fleet takes members along")
class DeleteFleetWithMembers(MemoryBackend):
    async def delete_fleet(self, fleet):
        self.cloud.fleet(fleet).servers.clear()
        await super().delete_fleet(fleet)


@mutant("F3", "resolve gives what a name means now, not what it is")
class ResolveFloats(MemoryBackend):
    async def resolve(self, reference):
        await super().resolve(reference)
        self.cloud.calls["looked up"] += 1
        return Image.of_artifact("memory", f"{reference}@{self.cloud.calls['looked up']}")


@mutant("F4", "resolve takes names of images that aren't there")
class ResolveAnything(MemoryBackend):
    async def resolve(self, reference):
        return Image.of_artifact("memory", reference)


@mutant("F1", "preflight finds nothing")
class PreflightBlind(MemoryBackend):
    async def preflight(self, fleet, plan):
        return ()
