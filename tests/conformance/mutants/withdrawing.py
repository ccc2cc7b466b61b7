"""Broken withdrawals of images."""

from __future__ import annotations

from immutable.memory import MemoryBackend
from tests.conformance.mutants.registry import mutant


@mutant("S4", "withdraw_image forbids launches that are to go on")
class WithdrawAll(MemoryBackend):
    async def withdraw_image(self, artifact, *, launchable):
        return await super().withdraw_image(artifact, launchable=False)


@mutant("S4", "withdraw_image allows launches again that were forbidden")
class WithdrawLoosens(MemoryBackend):
    async def withdraw_image(self, artifact, *, launchable):
        changed = await super().withdraw_image(artifact, launchable=launchable)
        self.cloud.withdrawn[artifact] = launchable
        return changed


@mutant("S4", "withdraw_image always says that it has changed something")
class WithdrawBoasts(MemoryBackend):
    async def withdraw_image(self, artifact, *, launchable):
        await super().withdraw_image(artifact, launchable=launchable)
        return True


@mutant("S4", "withdraw_image ends members that run")
class WithdrawKills(MemoryBackend):
    async def withdraw_image(self, artifact, *, launchable):
        for fleet in self.cloud.fleets.values():
            for name in list(fleet.servers):
                self.cloud.kill(fleet.name, name)
        return await super().withdraw_image(artifact, launchable=launchable)


@mutant("S4", "restore_image leaves images as they are")
class RestoreNothing(MemoryBackend):
    async def restore_image(self, artifact):
        return artifact in self.cloud.withdrawn
