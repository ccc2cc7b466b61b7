"""What calls about slots do to a simulated cloud, whether the fleet is there or deleted."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Gone
from immutable.memory.cloud import Cloud
from immutable.memory.parts import SimulatedSlot
from immutable.memory.volumes import forget, restore, save

__all__ = ["remove", "restored", "saved", "slots_of", "snapshots_of"]


def slots_of(cloud: Cloud, fleet: str) -> dict[str, SimulatedSlot]:
    """Return the slots of a fleet, or those that a deleted one has left."""
    there = cloud.fleets.get(fleet)
    return there.slots if there is not None else cloud.kept.get(fleet, {})


def saved(cloud: Cloud, fleet: str, slot: str, ctx: Context) -> str:
    """Save a slot of a fleet that *ctx* may change."""
    home = cloud.fleet(fleet)
    for group in home.groups.values():
        cloud.check(group, ctx.rollout, ctx.fence)
    return save(fleet, home.slots, slot)


def snapshots_of(cloud: Cloud, fleet: str, slot: str) -> tuple[str, ...]:
    """Return the snapshots of a slot, the newest first."""
    slots = slots_of(cloud, fleet)
    if slot not in slots:
        raise Gone(f"fleet {fleet} has no slot {slot}")
    return tuple(reversed(slots[slot].kept))


def restored(cloud: Cloud, fleet: str, slot: str, snapshot: str) -> None:
    """Bring a slot back, of a fleet that no rollout holds."""
    home = cloud.fleets.get(fleet)
    for group in home.groups.values() if home is not None else ():
        cloud.check(group, "", 0)
    restore(fleet, slots_of(cloud, fleet), slot, snapshot)


def remove(cloud: Cloud, fleet: str, names: tuple[str, ...]) -> None:
    """Forget slots that a deleted fleet has left."""
    if fleet in cloud.fleets:
        raise Conflict(f"fleet {fleet} has these slots: delete it first")
    forget(fleet, cloud.kept.get(fleet, {}), names)
