"""Slots as AWS has them: volumes with tags. What a description comes to. Pure.

A slot's volumes carry its name, their own names, and the names of all volumes of the slot, so that
a member needs nothing else to know whether a slot is whole. The volume with the first name is the
slot's lock: EBS attaches a volume to one instance at a time, and whoever has that one gets the
others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from immutable.backend import Invalid, Slot, Volume
from immutable_aws.marks import FLEET, PREFIX, tags_of

__all__ = [
    "HOOK",
    "SLOT",
    "TAKEN",
    "VOLUME",
    "about",
    "check_volumes",
    "device_of",
    "free",
    "holder_of",
    "hook",
    "missing",
    "number",
    "size_of_volume",
    "slots_of",
    "snapshots_of",
    "taken_mark",
    "volume_tags",
    "volumes_by_slot",
]

Description = Mapping[str, Any]

SLOT = f"{PREFIX}slot"
VOLUME = f"{PREFIX}volume"
PATH = f"{PREFIX}path"
OF = f"{PREFIX}of"
"""The names of all volumes of a slot, so that one that is missing is missed."""
TAKEN = f"{PREFIX}taken"
"""When a slot was taken last: another value each time. A snapshot carries the one of its time."""

HOOK = "immutable-slot"
"""The lifecycle hook that keeps a member out of service until it has its volumes."""

_WAIT = 3600
"""Seconds that a member may wait for a slot, then its group launches another."""
_DEFAULT_SIZE = 8
_MOST_SIZE = 16_384
"""GiB of a gp3 volume ("Amazon EBS General Purpose SSD volumes", Amazon EBS User Guide)."""
_SIZE = re.compile(r"(\d{1,5})\s*(?:gib|g)?", re.IGNORECASE)
_DEVICES = "fghijklmnop"
"""Last letters of /dev/sd… that are free for data ("Device names", Amazon EC2 User Guide)."""
_DEAD = ("deleting", "deleted", "error")


def hook() -> dict[str, Any]:
    """Return the lifecycle hook of a stateful fleet's groups, as a request takes it."""
    return {
        "LifecycleHookName": HOOK,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
        "HeartbeatTimeout": _WAIT,
        "DefaultResult": "ABANDON",
    }


# "": 8. "100", "100 GiB", "100G": 100. "big", "0": refused.
def size_of_volume(volume: Volume) -> int:
    """Return a volume's size in GiB.

    Raises:
        Invalid: It is none.
    """
    if not volume.size:
        return _DEFAULT_SIZE
    found = _SIZE.fullmatch(volume.size.strip())
    if found is None or not 1 <= int(found[1]) <= _MOST_SIZE:
        what = f"volume {volume.name} has size {volume.size!r}"
        raise Invalid(f"{what}: write GiB, as 100 or 100GiB, {_MOST_SIZE} at most")
    return int(found[1])


def check_volumes(volumes: Sequence[Volume]) -> None:
    """Refuse volumes that can't be had.

    Raises:
        Invalid: There are too many for one instance, or one has a size that is none.
    """
    if len(volumes) > len(_DEVICES):
        raise Invalid(f"{len(volumes)} volumes a slot: {len(_DEVICES)} at most; put some together")
    for each in volumes:
        size_of_volume(each)


def volume_tags(
    fleet: str, slot: str, volume: Volume, volumes: Sequence[Volume]
) -> list[dict[str, str]]:
    """Return the tags that a volume is made with."""
    names = " ".join(sorted(each.name for each in volumes))
    told = {FLEET: fleet, SLOT: slot, VOLUME: volume.name, PATH: volume.path, OF: names}
    return [{"Key": key, "Value": value} for key, value in told.items()]


def about(volume: Description) -> tuple[str, str]:
    """Return name and path of a volume, as its tags say."""
    tags = tags_of(volume)
    return tags.get(VOLUME, ""), tags.get(PATH, "")


def number(slot: str) -> int:
    """Return a slot's number, by which slots are ordered."""
    return int(slot) if slot.isdigit() else -1


def _slot_of(volume: Description) -> str:
    return tags_of(volume).get(SLOT, "")


def volumes_by_slot(volumes: Iterable[Description]) -> dict[str, list[Description]]:
    """Return the volumes of each slot, those that are gone left out; by number, then by name."""
    found: dict[str, list[Description]] = {}
    for each in sorted(
        volumes, key=lambda each: (number(tags_of(each).get(SLOT, "")), about(each))
    ):
        slot = tags_of(each).get(SLOT, "")
        if slot and each["State"] not in _DEAD:
            found.setdefault(slot, []).append(each)
    return found


def missing(volumes: Sequence[Description]) -> set[str]:
    """Return which volumes a slot lacks; one that there are two of counts as missing."""
    wanted = {name for each in volumes for name in tags_of(each).get(OF, "").split()}
    names = [about(each)[0] for each in volumes]
    return {name for name in wanted if names.count(name) != 1}


def holder_of(volumes: Sequence[Description]) -> str:
    """Return which instance has a slot, also while it lets go of it; empty for none."""
    held = (a for each in volumes for a in each.get("Attachments", ()))
    return next((str(a["InstanceId"]) for a in held if a.get("State") != "detached"), "")


def taken_mark(volumes: Sequence[Description]) -> str:
    """Return the mark of the last who took a slot; ``-`` for nobody."""
    marks = [tags_of(each).get(TAKEN, "") for each in volumes]
    return " ".join(dict.fromkeys(filter(None, marks))) or "-"


def free(
    volumes: Sequence[Description], instance: str, zone: str, saving: Iterable[str]
) -> Iterator[tuple[str, list[Description]]]:
    """Return the slots that an instance may have: its own alone, else those that nobody has.

    Args:
        volumes: All volumes of the fleet.
        instance: Who asks.
        zone: Where it is: volumes of other zones can't be attached.
        saving: The slots of which a snapshot is being taken.
    """
    slots = volumes_by_slot(volumes)
    own = [(slot, found) for slot, found in slots.items() if holder_of(found) == instance]
    if own:
        yield from own
        return
    busy = set(saving)
    for slot, found in slots.items():
        whole = not missing(found) and all(each["AvailabilityZone"] == zone for each in found)
        if whole and slot not in busy and all(each["State"] == "available" for each in found):
            yield slot, found


def device_of(place: int) -> str:
    """Return the device name of a slot's volume, by its place in the order of names."""
    return f"/dev/sd{_DEVICES[place]}"


# -- as an observer sees them ----------------------------------------------------------------------


def snapshots_of(
    slot: str, volumes: Sequence[Description], snapshots: Iterable[Description]
) -> dict[str, Description]:
    """Return the snapshots of a slot as it is now, by the volume's id.

    One of before somebody took the slot is none of these, and one that failed neither.
    """
    mark = taken_mark(volumes)
    found: dict[str, Description] = {}
    for each in sorted(snapshots, key=lambda each: str(each["SnapshotId"])):
        tags = tags_of(each)
        if tags.get(SLOT) == slot and tags.get(TAKEN) == mark and each["State"] != "error":
            found.setdefault(str(each["VolumeId"]), each)
    return {v["VolumeId"]: found[v["VolumeId"]] for v in volumes if v["VolumeId"] in found}


def slots_of(
    names: Iterable[str], volumes: Iterable[Description], snapshots: Sequence[Description]
) -> tuple[Slot, ...]:
    """Return slots as an observer sees them.

    Args:
        names: The slots that were made.
        volumes: All volumes of the fleet.
        snapshots: All snapshots of the fleet's volumes.
    """
    there = volumes_by_slot(volumes)
    return tuple(
        _slot(name, there.get(name, []), snapshots) for name in sorted(set(names), key=number)
    )


def _slot(name: str, volumes: list[Description], snapshots: Sequence[Description]) -> Slot:
    lacks, holder = missing(volumes), holder_of(volumes)
    saved = snapshots_of(name, volumes, snapshots)
    done = [str(each["SnapshotId"]) for each in saved.values() if each["State"] == "completed"]
    whole = bool(volumes) and len(done) == len(volumes) and not lacks
    identities = {about(each)[0]: str(each["VolumeId"]) for each in volumes}
    return Slot(
        name,
        {volume: identity for volume, identity in identities.items() if volume not in lacks},
        holder=holder,
        zone=str(volumes[0]["AvailabilityZone"]) if volumes else "",
        saved=",".join(done) if whole and not holder else "",
        saving=len(done) < len(saved),
    )
