"""Whether members are what their scale set says: description held against description.

It costs what a look costs: the sets, and their members with instance views. The comparison is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from immutable.backend import DriftCode, DriftReason, Inspected, Inspection, Revision
from immutable.toolkit.requests import together
from immutable_azure.copying import image_reference
from immutable_azure.images import is_exact
from immutable_azure.looking import Eyes
from immutable_azure.marks import PREFIX
from immutable_azure.names import member_name
from immutable_azure.reading import Described, is_husk, is_leaving, member_id

__all__ = ["TAINTED", "Expected", "compared", "inspect"]

Description = Mapping[str, Any]
Facts = Iterator[DriftReason | str]

TAINTED = f"{PREFIX}tainted"
"""A member with this tag was touched; what it says is why."""

_CHECKED = (
    DriftCode.IMAGE,
    DriftCode.TEMPLATE,
    DriftCode.MACHINE,
    DriftCode.DISK,
    DriftCode.EXTENSIONS,
    DriftCode.TAINTED,
)
_UNSEEN = (
    "files, packages and processes in a machine, and what run-command has done there",
    "user data, identities and network security groups of single machines",
    "an OS disk that was swapped for another, a stop and start, and machines outside of the sets",
    "of Flexible sets, whether a machine is of the set's latest model",
)


@frozen
class Expected:
    """What the members of a set are launched as.

    Attributes:
        image: The image's reference, as a model writes it; empty when nobody knows it any more.
        size: The machines' size; empty where the set mixes several.
        disks: The logical unit numbers of the model's data disks.
        extensions: The names of the model's extensions, lower-case.
        flexible: Whether they are virtual machines of their own.
    """

    image: Description
    size: str
    disks: frozenset[int]
    extensions: frozenset[str]
    flexible: bool

    @classmethod
    def of(cls, group: Described, revision: Revision) -> Expected:
        """Return what a set's model and its revision say."""
        storage = group.profile.get("storageProfile") or {}
        said = (group.profile.get("extensionProfile") or {}).get("extensions") or ()
        artifact = revision.image.artifact
        size = str((group.group.get("sku") or {}).get("name") or "")
        return cls(
            image_reference(artifact) if is_exact(artifact) else {},
            "" if size.lower() == "mix" else size,
            frozenset(int(each["lun"]) for each in storage.get("dataDisks") or ()),
            frozenset(str(each.get("name", "")).lower() for each in said),
            group.flexible,
        )


async def inspect(eyes: Eyes, fleet: str) -> Inspection:
    """Return what Azure shows of a fleet's members, compared with what they were launched as.

    Raises:
        Gone: There is no such fleet.
        Transient: A part of it can't be seen.
    """
    at = eyes.calls.now()
    groups = await eyes.groups(fleet)
    revisions = await together(*(eyes.revision(each) for each in groups))
    members = await together(*(eyes.members(each) for each in groups))
    seen = []
    for group, revision, there in zip(groups, revisions, members, strict=True):
        due, leaving = Expected.of(group, revision), group.marks.draining
        seen += [
            compared(member, due)
            for member in there
            if not (is_husk(member) or is_leaving(member))
            and member_name(group.name, member) not in leaving
        ]
    return Inspection(at, tuple(seen), (), _CHECKED, _UNSEEN)


def compared(member: Description, due: Expected) -> Inspected:
    """Return in what a member differs from what it was launched as."""
    facts = [*_image(member, due), *_model(member, due), *_parts(member, due)]
    tags = member.get("tags") or {}
    if TAINTED in tags:
        facts.append(DriftReason(DriftCode.TAINTED, found=tags[TAINTED] or "it says nothing more"))
    reasons = tuple(each for each in facts if isinstance(each, DriftReason))
    return Inspected(member_id(member), reasons, tuple(e for e in facts if isinstance(e, str)))


# Model: publisher, offer, sku and version 1.2.3; member: the same, or "latest" and exactVersion.
def _image(member: Description, due: Expected) -> Facts:
    reference = _storage(member).get("imageReference")
    if not reference or not due.image:
        yield "the image that it was made of"
        return
    if "id" in due.image:
        expected, found = str(due.image["id"]), str(reference.get("id", ""))
    else:
        expected = ":".join(str(due.image.get(each, "")) for each in _OFFER)
        exact = {**reference, "version": reference.get("exactVersion") or reference.get("version")}
        found = ":".join(str(exact.get(each) or "") for each in _OFFER)
    if expected.lower() != found.lower():
        yield DriftReason(DriftCode.IMAGE, expected, found)


_OFFER = ("publisher", "offer", "sku", "version")


def _model(member: Description, due: Expected) -> Facts:
    """Hold a member against its set's model; Azure does most of that itself, for Uniform sets."""
    told = member.get("properties") or {}
    if not due.flexible:
        if "latestModelApplied" not in told:
            yield "whether it is of the set's latest model"
        elif not told["latestModelApplied"]:
            yield DriftReason(DriftCode.TEMPLATE, "the set's latest model", "an earlier one")
        if told.get("modelDefinitionApplied") == "VirtualMachine":
            yield DriftReason(DriftCode.TEMPLATE, "the set's model", "a model of its own")
    size = str((told.get("hardwareProfile") or {}).get("vmSize") or "")
    size = size or str((member.get("sku") or {}).get("name") or "")
    if due.size and not size:
        yield "its size"
    elif due.size and size.lower() != due.size.lower():
        yield DriftReason(DriftCode.MACHINE, due.size, size)


def _parts(member: Description, due: Expected) -> Facts:
    disks = {int(each["lun"]) for each in _storage(member).get("dataDisks") or ()}
    for lun in sorted(disks - due.disks):
        yield DriftReason(DriftCode.DISK, "no further disk", f"a disk at LUN {lun}")
    view = (member.get("properties") or {}).get("instanceView") or {}
    there = [*(view.get("extensions") or ()), *(member.get("resources") or ())]
    names = {str(each.get("name", "")).rsplit("/", 1)[-1] for each in there}
    for name in sorted(names):
        if name.lower() not in due.extensions:
            yield DriftReason(DriftCode.EXTENSIONS, "only the set's", name)


def _storage(member: Description) -> Description:
    return (member.get("properties") or {}).get("storageProfile") or {}
