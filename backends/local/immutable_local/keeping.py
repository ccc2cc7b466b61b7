"""Slots that outlive their fleet: what is there, who may have it, restoring, removing. Blocks."""

from __future__ import annotations

from collections.abc import Iterable

from immutable.backend import Conflict, Group, Invalid, Slot, Volume
from immutable_local.places import FleetPlaces
from immutable_local.volumes import Volumes

__all__ = ["kept", "kept_for", "remove_kept", "restore_kept", "snapshots_kept"]


def kept(places: FleetPlaces) -> tuple[Slot, ...]:
    """Return the slots that a deleted fleet has left."""
    store = Volumes(places.volumes)
    return tuple(
        Slot(name, store.identities(name), saved=store.saved(name)) for name in store.names()
    )


def kept_for(places: FleetPlaces, volumes: tuple[Volume, ...]) -> tuple[str, ...]:
    """Return the names of the kept slots that a new fleet gets.

    Raises:
        Invalid: A volume can't be had here.
        Conflict: The kept slots have other volumes.
    """
    for each in volumes:
        if each.size:
            what = f"volume {each.name} has size {each.size!r}"
            raise Invalid(f"{what}: local volumes are directories without one; leave it out")
    there, wanted = kept(places), {each.name for each in volumes}
    for slot in there:
        if set(slot.volumes) != wanted:
            found = ", ".join(slot.volumes) or "none"
            what = f"slot {slot.name} of an earlier fleet {places.name} has the volumes {found}"
            raise Conflict(f"{what}, in {places.volumes}: use the same, or remove them first")
    return tuple(slot.name for slot in there)


def remove_kept(places: FleetPlaces, names: tuple[str, ...]) -> None:
    """Remove slots that a deleted fleet has left, with their snapshots.

    Raises:
        Conflict: There is a fleet that has them, or something else has.
        Gone: There is no such slot.
    """
    if places.record.exists():
        raise Conflict(f"fleet {places.name} has these slots: delete it first")
    for name in names:
        Volumes(places.volumes).remove(name)


def snapshots_kept(places: FleetPlaces, slot: str) -> tuple[str, ...]:
    """Return the directories of a slot's snapshots, the newest first.

    Raises:
        Gone: There is no such slot.
    """
    return Volumes(places.volumes).snapshots(slot)


def restore_kept(places: FleetPlaces, groups: Iterable[Group], slot: str, snapshot: str) -> None:
    """Bring a slot back to a snapshot.

    The lock of the slot keeps instances out, whoever starts them. A rollout that begins in this
    very moment sees another volume than it wrote down, and stops.

    Args:
        places: Where the fleet is.
        groups: The fleet's groups; none for one that is deleted.
        slot: The slot.
        snapshot: Its snapshot, as a path or as the last part of one.

    Raises:
        Conflict: A rollout holds a group, or something has the slot.
        Gone: There is no such slot or snapshot.
        Invalid: The snapshot is of other volumes.
    """
    for group in groups:
        if group.hold is not None:
            what = f"r{group.number} of {places.name} is held by {group.hold.rollout}"
            raise Conflict(what, owner=group.hold.rollout)
    Volumes(places.volumes).restore(slot, snapshot)
