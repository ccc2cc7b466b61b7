"""Whether an instance is what its group's launch template says: description by description. Pure.

Two instants tell a restart and a changed disk. The primary network interface is attached when an
instance is launched, and stays; the launch time is that of the last start (DescribeInstances). The
root volume is attached at the launch too: one that was attached later is another one, put there by
a replacement task or by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from immutable.backend import DriftCode, DriftReason, Inspected
from immutable_aws.images import root_snapshot
from immutable_aws.marks import FLEET, PREFIX, REVISION, tags_of
from immutable_aws.slots import SLOT

__all__ = ["CHECKED", "TAINTED", "Expected", "compared"]

Description = Mapping[str, Any]

TAINTED = f"{PREFIX}tainted"
"""An instance with this tag was touched; what it says is why."""

CHECKED = (
    DriftCode.IMAGE,
    DriftCode.TEMPLATE,
    DriftCode.MACHINE,
    DriftCode.NETWORK,
    DriftCode.METADATA,
    DriftCode.IDENTITY,
    DriftCode.MARKS,
    DriftCode.DISK,
    DriftCode.RESTARTED,
    DriftCode.TAINTED,
)

_SAME_TIME = 120.0
"""Seconds between things that happen at one launch: the interface, the volume, the start."""
_OPTIONS = ("HttpEndpoint", "HttpTokens", "HttpPutResponseHopLimit", "InstanceMetadataTags")


@frozen
class Expected:
    """What the members of a group are launched as.

    Attributes:
        image: The AMI's id.
        described: The AMI, as described; empty when it isn't there any more.
        template: The launch template's id and version.
        data: Its data.
        types: The machine types that the group launches; empty when they aren't named.
        marks: Our tags that members carry; empty for a group that was there before us.
    """

    image: str
    described: Description
    template: tuple[str, str]
    data: Description
    types: tuple[str, ...]
    marks: Mapping[str, str]


def compared(
    member: Description,
    found: Description | None,
    volumes: Mapping[str, Description],
    due: Expected,
) -> Inspected:
    """Return in what an instance differs from what it was launched as.

    Args:
        member: As its group has it.
        found: As EC2 describes it; None when EC2 doesn't show it.
        volumes: All volumes that were described, by their ids.
        due: What it is to be.
    """
    name = str(member["InstanceId"])
    if found is None:
        return Inspected(name, unknown=("EC2 does not show it",))
    facts = [
        *_launch(member, found, due),
        *_network(found, due),
        *_settings(found, due),
        *_disks(found, volumes, due),
        *_marks(found, due),
    ]
    reasons = tuple(each for each in facts if isinstance(each, DriftReason))
    return Inspected(name, reasons, tuple(each for each in facts if isinstance(each, str)))


Facts = Iterator[DriftReason | str]


def _launch(member: Description, found: Description, due: Expected) -> Facts:
    if found["ImageId"] != due.image:
        yield DriftReason(DriftCode.IMAGE, due.image, str(found["ImageId"]))
    told = member.get("LaunchTemplate", {})
    launched = str(told.get("LaunchTemplateId", "")), str(told.get("Version", ""))
    if not all(launched):
        yield "from which launch template it was launched"
    elif launched != due.template:
        yield DriftReason(
            DriftCode.TEMPLATE, " version ".join(due.template), " version ".join(launched)
        )
    if due.types and found["InstanceType"] not in due.types:
        yield DriftReason(DriftCode.MACHINE, " or ".join(due.types), str(found["InstanceType"]))


def _network(found: Description, due: Expected) -> Facts:
    cards = due.data.get("NetworkInterfaces", ())
    asked = cards[0].get("Groups", ()) if cards else due.data.get("SecurityGroupIds", ())
    if not asked:
        return  # The default group of its network: which that is, the template doesn't say.
    card = _card(found)
    if card is None:
        yield "its network interface"
        return
    groups = {str(each["GroupId"]) for each in card.get("Groups", ())}
    if groups != set(asked):
        yield DriftReason(DriftCode.NETWORK, _listed(asked), _listed(groups))


def _card(found: Description) -> Description | None:
    cards = found.get("NetworkInterfaces", ())
    return next((c for c in cards if c.get("Attachment", {}).get("DeviceIndex") == 0), None)


def _listed(words: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(words)) or "none"


def _settings(found: Description, due: Expected) -> Facts:
    asked, there = due.data.get("MetadataOptions", {}), found.get("MetadataOptions")
    if asked and there is None:
        yield "how its metadata service can be asked"
    for name in _OPTIONS:
        if there is not None and name in asked and there.get(name) != asked[name]:
            words = f"{name}={asked[name]}", f"{name}={there.get(name)}"
            yield DriftReason(DriftCode.METADATA, *words)
    profile = due.data.get("IamInstanceProfile", {})
    wanted = str(profile.get("Name") or profile.get("Arn", "")).rpartition("/")[2]
    has = str(found.get("IamInstanceProfile", {}).get("Arn", "")).rpartition("/")[2]
    if has != wanted:
        yield DriftReason(DriftCode.IDENTITY, wanted or "no profile", has or "no profile")


# Interface attached at 10:00:00, root volume at 10:00:01, launched at 10:00:00: one launch.
# The launch is of 14:00: it was stopped, and started again. The root volume is of 15:00: replaced.
def _disks(found: Description, volumes: Mapping[str, Description], due: Expected) -> Facts:
    card = _card(found)
    born = _stamp(card.get("Attachment", {})) if card is not None else None
    if born is None:
        yield "when it was launched first"
    elif (late := found["LaunchTime"].timestamp() - born) > _SAME_TIME:
        yield DriftReason(DriftCode.RESTARTED, found=f"started again {late:.0f} s after its launch")
    root = str(found.get("RootDeviceName", ""))
    attached = {each["DeviceName"]: each.get("Ebs", {}) for each in found["BlockDeviceMappings"]}
    if root not in attached:
        yield "its root volume"
    else:
        yield from _root(attached[root], volumes, born, due)
    known = {root, *_devices(due.described), *_devices(due.data)}
    slots = {name for name, each in volumes.items() if _is_of_a_slot(each, found)}
    for device in sorted(attached.keys() - known):
        if attached[device].get("VolumeId") in slots:
            continue
        more = f"{attached[device].get('VolumeId', 'a volume')} at {device}"
        yield DriftReason(DriftCode.DISK, "no further volume", more)


def _is_of_a_slot(volume: Description, found: Description) -> bool:
    """Whether a volume is one of the fleet's own slots, which members attach by themselves."""
    tags, fleet = tags_of(volume), tags_of(found).get(FLEET)
    return bool(fleet) and tags.get(FLEET) == fleet and SLOT in tags


def _root(
    mapping: Description, volumes: Mapping[str, Description], born: float | None, due: Expected
) -> Facts:
    attached = _stamp(mapping)
    if attached is None:
        yield "when its root volume was attached"
    elif born is not None and attached - born > _SAME_TIME:
        late = f"attached {attached - born:.0f} s after its launch"
        yield DriftReason(DriftCode.DISK, "the root volume of its launch", late)
    volume, packed = volumes.get(str(mapping.get("VolumeId"))), root_snapshot(due.described)
    if volume is None:
        yield "what its root volume was made of"
    elif not packed:
        yield f"the root snapshot of {due.image}, which is not there any more"
    elif volume.get("SnapshotId", "") != packed:
        yield DriftReason(
            DriftCode.DISK, packed, str(volume.get("SnapshotId") or "an empty volume")
        )


def _devices(described: Description) -> set[str]:
    return {str(each["DeviceName"]) for each in described.get("BlockDeviceMappings", ())}


def _stamp(described: Description) -> float | None:
    at = described.get("AttachTime")
    return at.timestamp() if isinstance(at, datetime) else None


def _marks(found: Description, due: Expected) -> Facts:
    tags = tags_of(found)
    for key in (FLEET, REVISION):
        if key in due.marks and tags.get(key) != due.marks[key]:
            yield DriftReason(
                DriftCode.MARKS, f"{key}={due.marks[key]}", f"{key}={tags.get(key, '')}"
            )
    if TAINTED in tags:
        yield DriftReason(DriftCode.TAINTED, found=tags[TAINTED] or "it says nothing more")
