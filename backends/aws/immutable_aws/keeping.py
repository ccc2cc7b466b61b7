"""Making slots, saving and removing them, and seeing what there is: volumes by their tags.

A slot is never made twice: its volumes are found by their tags, their tokens are functions of
group and slot, and the slots that were made stand in a tag of each group. One of those that lacks a
volume is not completed: what is gone is gone, and an empty volume in its place would hide that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice

from immutable.backend import Conflict, Context, Gone, Invalid, Revision, Slot, Volume
from immutable.toolkit.owning import check_holder
from immutable.toolkit.requests import together
from immutable_aws.adopting import create_fleet
from immutable_aws.asking import slots_seen, snapshots_of_fleet, volumes_of
from immutable_aws.calls import Calls
from immutable_aws.hands import Hands
from immutable_aws.marks import FLEET, Marks, slots_tag, tags_of
from immutable_aws.names import token
from immutable_aws.reading import Described, Description
from immutable_aws.slots import (
    SLOT,
    TAKEN,
    VOLUME,
    about,
    check_volumes,
    holder_of,
    hook,
    missing,
    number,
    size_of_volume,
    slots_of,
    snapshots_of,
    taken_mark,
    volume_tags,
    volumes_by_slot,
)
from immutable_aws.template import FleetTemplate

__all__ = [
    "create_stateful_fleet",
    "kept_slots",
    "make_slots",
    "remove_slots",
    "snapshot",
]

_MOST = 64
"""Slots of a fleet: their names have to fit into one tag."""


# -- seeing ----------------------------------------------------------------------------------------


async def kept_slots(hands: Hands, fleet: str) -> tuple[Slot, ...]:
    """Return the slots that there are for a fleet, also when it is deleted."""
    made: set[str] = set()
    try:
        made = {name for group in await hands.eyes.groups(fleet) for name in group.marks.slots}
    except Gone:
        made = set()  # What is left are its volumes.
    volumes, snapshots = await together(
        volumes_of(hands.calls, fleet), snapshots_of_fleet(hands.calls, fleet)
    )
    return slots_of(made | volumes_by_slot(volumes).keys(), volumes, snapshots)


# -- making ----------------------------------------------------------------------------------------


async def create_stateful_fleet(
    hands: Hands, fleet: str, revision: Revision, volumes: tuple[Volume, ...]
) -> None:
    """Make an empty fleet whose members wait for a slot before they serve.

    Raises:
        Conflict: There is one of that name, or its kept slots have other volumes.
        Invalid: A setting or a volume makes no sense, or the subnets are of several zones.
    """
    check_volumes(volumes)
    template = FleetTemplate.of(revision.template)
    if not template.instance_profile:
        raise Invalid(
            f"fleet {fleet} has volumes and no instance_profile: members attach their volumes"
            " themselves; name one that has the policy of docs/aws-iam.md"
        )
    zone = await _zone(hands.calls, template.subnets)
    kept = volumes_by_slot(await volumes_of(hands.calls, fleet))
    for slot, found in kept.items():
        _check_kept(fleet, slot, found, volumes, zone)
    marks = Marks(fleet, revision.number, volumes=volumes, slots=tuple(kept))
    await create_fleet(hands, fleet, revision, marks, [hook()])


async def _zone(calls: Calls, subnets: Sequence[str]) -> str:
    found = await calls.pages("ec2", "DescribeSubnets", "Subnets", SubnetIds=list(subnets))
    zones = sorted({str(each["AvailabilityZone"]) for each in found})
    if len(zones) > 1:
        what = f"subnets in {', '.join(zones)}: a volume belongs to one zone"
        raise Invalid(f"{what}, and Auto Scaling chooses the zone of a member; make a fleet a zone")
    return zones[0]


def _check_kept(
    fleet: str, slot: str, found: Sequence[Description], volumes: Sequence[Volume], zone: str
) -> None:
    names, wanted = {about(each)[0] for each in found}, {each.name for each in volumes}
    where = {str(each["AvailabilityZone"]) for each in found}
    if names != wanted:
        what = f"slot {slot} of an earlier fleet {fleet} has the volumes {', '.join(sorted(names))}"
        raise Conflict(f"{what}: use the same, or remove them first")
    if where != {zone}:
        raise Conflict(
            f"slot {slot} of an earlier fleet {fleet} is in {', '.join(sorted(where))}, not in"
            f" {zone}: use subnets of its zone, or remove it first"
        )


async def make_slots(
    hands: Hands, groups: Sequence[Described], group: Described, wanted: int
) -> bool:
    """Let a stateful fleet have as many slots as members; returns whether it made any.

    The marks come last: until then a slot is half made, and nobody takes one that lacks a volume.

    Args:
        hands: What changes things.
        groups: All groups of the fleet.
        group: The one that grows.
        wanted: How many members all of them will have.

    Raises:
        Invalid: There would be too many, or the group is in several zones.
    """
    marks = group.marks
    made = sorted({name for each in groups for name in each.marks.slots}, key=number)
    if not marks.volumes or len(made) >= wanted:
        return False
    if wanted > _MOST:
        raise Invalid(f"{marks.fleet} would have {wanted} slots: {_MOST} at most; make two fleets")
    zones = group.group.get("AvailabilityZones", ())
    if len(zones) != 1:
        raise Invalid(f"{group.name} is in {', '.join(zones)}: a fleet with volumes is in one zone")
    unused = (str(each) for each in count() if str(each) not in made)
    new = list(islice(unused, wanted - len(made)))
    there = volumes_by_slot(await volumes_of(hands.calls, marks.fleet))
    for slot in new:
        names = {about(each)[0] for each in there.get(slot, ())}
        for volume in marks.volumes:
            if volume.name not in names:
                await _make(hands, group, slot, volume, str(zones[0]))
    for each in groups:
        await hands.tag(each, slots_tag([*made, *new]))
    return True


async def _make(hands: Hands, group: Described, slot: str, volume: Volume, zone: str) -> None:
    fleet = group.marks.fleet
    tags = volume_tags(fleet, slot, volume, group.marks.volumes)
    await hands.change(
        "ec2",
        "CreateVolume",
        fleet,
        about=f"{volume.name} of slot {slot} of {fleet}",
        AvailabilityZone=zone,
        Size=size_of_volume(volume),
        VolumeType="gp3",
        Encrypted=True,
        ClientToken=token("volume", group.arn, slot, volume.name),
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )


# -- saving and removing ---------------------------------------------------------------------------


async def snapshot(hands: Hands, fleet: str, slot: str, ctx: Context) -> str:
    """Save a slot that nobody has; returns its snapshots once they are complete, else nothing.

    Raises:
        Gone: There is no such slot.
        Conflict: Somebody has it, or another rollout the fleet.
        Invalid: It lacks a volume.
    """
    groups = await hands.eyes.groups(fleet)
    for group in groups:
        check_holder(group.marks.hold, group.name, ctx, hands.calls.now())
    if not any(slot in group.marks.slots for group in groups):
        raise Gone(f"fleet {fleet} has no slot {slot}")
    volumes, snapshots = await together(
        volumes_of(hands.calls, fleet), snapshots_of_fleet(hands.calls, fleet)
    )
    found = volumes_by_slot(volumes).get(slot, [])
    if holder := holder_of(found):
        raise Conflict(f"slot {slot} of {fleet} is held by {holder}")
    if lacks := missing(found) or ({"all volumes"} if not found else set()):
        raise Invalid(f"slot {slot} of {fleet} lacks {', '.join(sorted(lacks))}: put it back")
    there = snapshots_of(slot, found, snapshots)
    for each in found:
        if each["VolumeId"] not in there:
            await _save(hands, fleet, slot, each, taken_mark(found))
    (seen,) = await slots_seen(hands.calls, fleet, [slot])
    return seen.saved


async def _save(hands: Hands, fleet: str, slot: str, volume: Description, mark: str) -> None:
    name = about(volume)[0]
    told = {FLEET: fleet, SLOT: slot, VOLUME: name, TAKEN: mark}
    tags = [{"Key": key, "Value": value} for key, value in told.items()]
    await hands.change(
        "ec2",
        "CreateSnapshot",
        fleet,
        about=f"{name} of slot {slot} of {fleet}",
        VolumeId=volume["VolumeId"],
        Description=f"{name} of slot {slot} of fleet {fleet}",
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}],
    )


async def remove_slots(hands: Hands, fleet: str, names: tuple[str, ...]) -> None:
    """Delete the volumes and the snapshots of slots that a deleted fleet has left.

    Raises:
        Conflict: There is a fleet that has them, or an instance has one.
        Gone: There is no such slot.
    """
    if fleet in await hands.eyes.fleets():
        raise Conflict(f"fleet {fleet} has these slots: delete it first")
    volumes, snapshots = await together(
        volumes_of(hands.calls, fleet), snapshots_of_fleet(hands.calls, fleet)
    )
    slots = volumes_by_slot(volumes)
    for name in names:
        if name not in slots:
            raise Gone(f"there is no slot {name} of {fleet}")
        if holder := holder_of(slots[name]):
            raise Conflict(f"slot {name} of {fleet} is held by {holder}")
    for name in names:
        # Volumes last: as long as one is there the slot is, and the next call goes on.
        for each in snapshots:
            if tags_of(each).get(SLOT) == name:
                await _delete(hands, fleet, "DeleteSnapshot", SnapshotId=each["SnapshotId"])
        for each in slots[name]:
            await _delete(hands, fleet, "DeleteVolume", VolumeId=each["VolumeId"])


async def _delete(hands: Hands, fleet: str, call: str, **which: str) -> None:
    try:
        await hands.change("ec2", call, fleet, about=next(iter(which.values())), **which)
    except Gone:
        return  # Somebody was faster.
