"""Slots and volumes of a simulated stateful fleet: who has which, and what is saved."""

from __future__ import annotations

from itertools import count, islice

from immutable.backend import Conflict, Gone, Slot, Volume
from immutable.memory.parts import SimulatedFleet, SimulatedSlot

__all__ = [
    "check_same",
    "forget",
    "free_slot",
    "left",
    "let_go",
    "make_slots",
    "restore",
    "save",
    "shown",
    "take",
]


def make_slots(fleet: SimulatedFleet, wanted: int, zones: tuple[str, ...]) -> None:
    """Let a stateful fleet have as many slots as it is to have members; none is taken away."""
    if not fleet.volumes or len(fleet.slots) >= wanted:
        return
    unused = (number for number in count() if str(number) not in fleet.slots)
    for number in islice(unused, wanted - len(fleet.slots)):
        name = str(number)
        identities = {each.name: f"vol-{fleet.name}-{name}-{each.name}" for each in fleet.volumes}
        fleet.slots[name] = SimulatedSlot(name, zones[number % len(zones)], identities)


def free_slot(fleet: SimulatedFleet) -> SimulatedSlot | None:
    """Return the first slot that nobody holds and that lacks no volume; None when there is none."""
    wanted = {each.name for each in fleet.volumes}
    return next(
        (slot for slot in fleet.slots.values() if not slot.holder and set(slot.volumes) == wanted),
        None,
    )


def take(slot: SimulatedSlot, instance: str) -> None:
    """Let an instance have a slot: what was saved of it is older than it from here on."""
    slot.holder, slot.saved = instance, ""


def let_go(fleet: SimulatedFleet, instance: str) -> None:
    """Free the slot of an instance that is gone."""
    for slot in fleet.slots.values():
        if slot.holder == instance:
            slot.holder = ""


def save(fleet: str, slots: dict[str, SimulatedSlot], name: str) -> str:
    """Take a snapshot of a slot that nobody holds; it is there at once."""
    slot = left(fleet, slots, name)
    if not slot.saved:
        slot.snapshots += 1
        slot.saved = f"snap-{fleet}-{name}-{slot.snapshots}"
        slot.kept[slot.saved] = dict(slot.data)
    return slot.saved


def left(fleet: str, slots: dict[str, SimulatedSlot], name: str) -> SimulatedSlot:
    """Return a slot that nobody holds."""
    slot = slots.get(name)
    if slot is None:
        raise Gone(f"fleet {fleet} has no slot {name}")
    if slot.holder:
        raise Conflict(f"slot {name} of {fleet} is held by {slot.holder}")
    return slot


def restore(fleet: str, slots: dict[str, SimulatedSlot], name: str, snapshot: str) -> None:
    """Bring a slot that nobody holds back to a snapshot; what was there is saved."""
    slot = left(fleet, slots, name)
    if snapshot not in slot.kept:
        there = ", ".join(slot.kept) or "none"
        raise Gone(f"slot {name} of {fleet} has no snapshot {snapshot}; there are: {there}")
    save(fleet, slots, name)
    slot.data, slot.saved = dict(slot.kept[snapshot]), snapshot


def shown(slots: dict[str, SimulatedSlot]) -> tuple[Slot, ...]:
    """Return slots as an observer sees them."""
    return tuple(
        Slot(each.name, each.volumes, each.holder, each.zone, each.saved) for each in slots.values()
    )


def check_same(fleet: str, slots: dict[str, SimulatedSlot], volumes: tuple[Volume, ...]) -> None:
    """Refuse to give the slots that a fleet has left to one that wants other volumes."""
    names = {each.name for each in volumes}
    if any(set(slot.volumes) != names for slot in slots.values()):
        raise Conflict(f"the kept slots of {fleet} have other volumes: remove them first")


def forget(fleet: str, slots: dict[str, SimulatedSlot], names: tuple[str, ...]) -> None:
    """Remove slots that a deleted fleet has left."""
    for name in names:
        if slots.pop(name, None) is None:
            raise Gone(f"there is no slot {name} of {fleet}")
