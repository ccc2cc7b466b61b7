"""Broken slots and volumes."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import Transient
from immutable.memory import MemoryBackend
from immutable.memory.parts import SimulatedSlot
from tests.conformance.mutants.registry import mutant


def _home(backend, fleet):
    return backend.cloud.fleets[fleet]


@mutant("B1", "a slot gets new volumes with each member")
class SlotsAnew(MemoryBackend):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        for slot in _home(self, fleet).slots.values():
            if slot.holder in ids:
                slot.volumes = {name: f"{identity}x" for name, identity in slot.volumes.items()}
        return await super().retire(fleet, revision, ids, drain_timeout=drain_timeout, ctx=ctx)


@mutant("B2", "a slot is given away while its holder drains")
class SlotsShared(MemoryBackend):
    async def retire(self, fleet, revision, ids, *, drain_timeout, ctx):
        left = await super().retire(fleet, revision, ids, drain_timeout=drain_timeout, ctx=ctx)
        for slot in _home(self, fleet).slots.values():
            if slot.holder in ids:
                slot.holder = ""
        return left


@mutant("B3", "a slot is told as free while its holder drains")
class SlotsFreeEarly(MemoryBackend):
    async def observe(self, fleet, *, since=None):
        state = await super().observe(fleet, since=since)
        slots = [each for each in state.slots if each.name != state.slots[-1].name]
        slots += [evolve(each, holder="") for each in state.slots[-1:]]
        return evolve(state, slots=tuple(slots))


@mutant("B4", "who finds no free slot never gets one")
class SlotsOnce(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        if revision == 2 and any(slot.holder for slot in _home(self, fleet).slots.values()):
            return size
        return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)


@mutant("B5", "a volume that vanished is replaced by an empty one")
class VolumesAnew(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        home = _home(self, fleet)
        for slot in home.slots.values():
            for volume in home.volumes:
                slot.volumes.setdefault(volume.name, f"vol-new-{volume.name}")
        return await super().grow(fleet, revision, size, expected=expected, ctx=ctx)


@mutant("B6", "each call for a size makes a slot")
class SlotsTwice(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        home, name = _home(self, fleet), f"{len(_home(self, fleet).slots)}"
        grown = await super().grow(fleet, revision, size, expected=expected, ctx=ctx)
        if home.volumes and expected and name not in home.slots:
            volumes = {each.name: f"vol-{name}" for each in home.volumes}
            home.slots[name] = SimulatedSlot(name, "a", volumes)
        return grown


@mutant("B7", "each snapshot is another one")
class SnapshotsAnew(MemoryBackend):
    async def snapshot(self, fleet, slot, ctx):
        await super().snapshot(fleet, slot, ctx)
        there = _home(self, fleet).slots[slot]
        there.saved = ""
        return await super().snapshot(fleet, slot, ctx)


@mutant("B7", "a slot that a member has is saved")
class SnapshotsOfHeld(MemoryBackend):
    async def snapshot(self, fleet, slot, ctx):
        there = _home(self, fleet).slots.get(slot)
        if there is None or not there.holder:
            return await super().snapshot(fleet, slot, ctx)
        return f"snap-{slot}-torn"


@mutant("B7", "an old snapshot passes for a new one")
class SnapshotsStay(MemoryBackend):
    old = ""

    async def snapshot(self, fleet, slot, ctx):
        self.old = self.old or await super().snapshot(fleet, slot, ctx)
        return self.old


@mutant("B7", "a snapshot can't be had twice")
class SnapshotsOnce(MemoryBackend):
    taken = False

    async def snapshot(self, fleet, slot, ctx):
        taken, self.taken = self.taken, True
        if taken:
            raise Transient("there is a snapshot already")
        return await super().snapshot(fleet, slot, ctx)


@mutant("B8", "a new fleet begins with slots of its own")
class KeptIgnored(MemoryBackend):
    async def create_stateful_fleet(self, fleet, revision, volumes):
        self.cloud.kept.pop(fleet, None)
        await super().create_stateful_fleet(fleet, revision, volumes)


@mutant("B8", "kept slots go to a fleet with other volumes")
class KeptGiven(MemoryBackend):
    async def create_stateful_fleet(self, fleet, revision, volumes):
        for slot in self.cloud.kept.get(fleet, {}).values():
            slot.volumes = {each.name: slot.volumes.get(each.name, "vol-x") for each in volumes}
        await super().create_stateful_fleet(fleet, revision, volumes)


@mutant("B9", "a deleted fleet takes its slots along")
class KeptNot(MemoryBackend):
    async def delete_fleet(self, fleet):
        await super().delete_fleet(fleet)
        self.cloud.kept.pop(fleet, None)


@mutant("B9", "slots of a fleet that is there can be removed")
class RemovedInUse(MemoryBackend):
    async def remove_slots(self, fleet, names):
        if fleet in self.cloud.fleets:
            return
        await super().remove_slots(fleet, names)


@mutant("B10", "a slot that a member has is restored")
class RestoreInUse(MemoryBackend):
    async def restore_slot(self, fleet, slot, snapshot):
        there = _home(self, fleet).slots[slot]
        if there.holder:
            there.data = dict(there.kept[snapshot])
            return
        await super().restore_slot(fleet, slot, snapshot)


@mutant("B10", "what a restore replaces is lost")
class RestoreForgets(MemoryBackend):
    async def restore_slot(self, fleet, slot, snapshot):
        there = _home(self, fleet).slots[slot]
        kept = dict(there.kept)
        await super().restore_slot(fleet, slot, snapshot)
        there.kept = kept


@mutant("B10", "a restore changes nothing")
class RestoreNothing(MemoryBackend):
    async def restore_slot(self, fleet, slot, snapshot):
        there = _home(self, fleet).slots[slot]
        was = dict(there.data)
        await super().restore_slot(fleet, slot, snapshot)
        there.data = was
