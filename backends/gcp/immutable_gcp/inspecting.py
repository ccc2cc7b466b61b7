"""Whether members are what their group's template says: description held against description.

It costs one listing of instances for each zone and group, as a first look does, and a template for
each group. The comparison is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from immutable.backend import DriftCode, DriftReason, Inspected, Inspection
from immutable.toolkit.requests import together
from immutable_gcp.calls import Answer, Calls
from immutable_gcp.looking import Eyes
from immutable_gcp.names import last_part
from immutable_gcp.reading import Described, exists, is_leaving, zone_of
from immutable_gcp.tables import path_of

__all__ = ["TAINTED", "Expected", "compared", "inspect"]

Description = Mapping[str, Any]
Facts = Iterator[DriftReason | str]

TAINTED = "immutable-tainted"
"""A member with this label was touched; what it says is why."""

_CHECKED = (
    DriftCode.TEMPLATE,
    DriftCode.MACHINE,
    DriftCode.CONFIG,
    DriftCode.NETWORK,
    DriftCode.IDENTITY,
    DriftCode.MARKS,
    DriftCode.DISK,
    DriftCode.TAINTED,
)
_UNSEEN = (
    "files, packages and processes in a machine, and what was changed over SSH",
    "what a boot disk was made of: it goes by the template that the member was made from",
    "a stop and start; machines that are in no group; metadata and rules of project and network",
)
_GOOGLES = ("instance-template", "created-by")
"""Metadata that Google writes on members of groups."""


@frozen
class Expected:
    """What the members of a group are made as.

    Attributes:
        template: The template's link; empty for a group of several.
        properties: The template's properties.
        labels: What they are labelled with, the group's own settings included.
        metadata: What they are told, likewise.
    """

    template: str
    properties: Description
    labels: Mapping[str, str]
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, group: Described, template: Answer) -> Expected:
        """Return what a group's template and its settings for all instances say."""
        said = template.get("properties", {})
        more = group.group.get("all_instances_config", {}).get("properties", {})
        labels = {**said.get("labels", {}), **more.get("labels", {})}
        metadata = {**_items(said), **more.get("metadata", {})}
        return cls(group.template, said, labels, metadata)


async def inspect(calls: Calls, eyes: Eyes, fleet: str) -> Inspection:
    """Return what Google shows of a fleet's members, compared with what they were made as.

    Raises:
        Gone: There is no such fleet.
        Transient: A part of it can't be seen.
    """
    at = calls.now()
    groups = await eyes.groups(fleet)
    members = await together(*(eyes.members(group) for group in groups))
    there = [[each for each in some if exists(each) and not is_leaving(each)] for some in members]
    templates = await together(*(_template(eyes, group) for group in groups))
    shown = await _instances(calls, groups, there)
    seen = [
        compared(member, shown.get(str(member["id"])), Expected.of(group, template))
        for group, template, some in zip(groups, templates, there, strict=True)
        for member in some
    ]
    return Inspection(at, tuple(seen), (), _CHECKED, _UNSEEN)


async def _template(eyes: Eyes, group: Described) -> Answer:
    return await eyes.template(group.template) if group.template else {}


async def _instances(
    calls: Calls, groups: list[Described], members: list[list[Answer]]
) -> dict[str, Answer]:
    wanted = {
        (zone_of(member["instance"]), str(group.group["base_instance_name"]))
        for group, some in zip(groups, members, strict=True)
        for member in some
    }
    pages = await together(
        *(
            calls.listed("instances", zone=zone, filter=f'name eq "{name}-.*"')
            for zone, name in sorted(wanted)
        )
    )
    return {str(each["id"]): each for page in pages for each in page}


def compared(member: Description, found: Description | None, due: Expected) -> Inspected:
    """Return in what a member differs from what it was made as.

    Args:
        member: As its group has it.
        found: The instance; None when it isn't shown.
        due: What it is to be.
    """
    name = str(member["id"])
    if found is None:
        return Inspected(name, unknown=("Compute Engine does not show it",))
    if not due.properties:
        return Inspected(name, unknown=("the template that it is to be made from",))
    facts = [*_made(member, found, due), *_told(found, due), *_parts(found, due)]
    reasons = tuple(each for each in facts if isinstance(each, DriftReason))
    return Inspected(name, reasons, tuple(each for each in facts if isinstance(each, str)))


def _made(member: Description, found: Description, due: Expected) -> Facts:
    made_of = str(member.get("version", {}).get("instance_template", ""))
    if not made_of:
        yield "from which template it was made"
    elif path_of(made_of) != path_of(due.template):
        yield DriftReason(DriftCode.TEMPLATE, last_part(due.template), last_part(made_of))
    expected = last_part(str(due.properties.get("machine_type", "")))
    machine = last_part(str(found.get("machine_type", "")))
    if not machine:
        yield "its machine type"
    elif expected and machine != expected:
        yield DriftReason(DriftCode.MACHINE, expected, machine)


# What metadata says may be what nobody wants to see in a report, so only keys are told.
def _told(found: Description, due: Expected) -> Facts:
    told = _items(found)
    for key in sorted(due.metadata.keys() | told.keys() - set(_GOOGLES)):
        if told.get(key) != due.metadata.get(key) and key not in _GOOGLES:
            what = "removed" if key not in told else "changed" if key in due.metadata else "added"
            yield DriftReason(DriftCode.CONFIG, "metadata as in the template", f"{key} {what}")
    labels = found.get("labels", {})
    for key, value in sorted(due.labels.items()):
        if labels.get(key) != value:
            words = f"{key}={labels.get(key, '')}"
            yield DriftReason(DriftCode.MARKS, f"{key}={value}", words)
    if TAINTED in labels:
        yield DriftReason(DriftCode.TAINTED, found=labels[TAINTED] or "it says nothing more")


def _parts(found: Description, due: Expected) -> Facts:
    for code, words in ((DriftCode.NETWORK, _tags), (DriftCode.IDENTITY, _accounts)):
        if (there := words(found)) != (expected := words(due.properties)):
            yield DriftReason(code, expected or "none", there or "none")
    disks, packed = len(found.get("disks", ())), len(due.properties.get("disks", ()))
    if disks > packed:
        yield DriftReason(DriftCode.DISK, f"{packed} disks", f"{disks} disks")


def _tags(described: Description) -> str:
    return ", ".join(sorted(described.get("tags", {}).get("items", ())))


def _accounts(described: Description) -> str:
    accounts = described.get("service_accounts", ())
    return ", ".join(
        f"{each.get('email', '')} ({', '.join(sorted(map(last_part, each.get('scopes', ()))))})"
        for each in accounts
    )


def _items(described: Description) -> dict[str, str]:
    items = described.get("metadata", {}).get("items", ())
    return {str(each["key"]): str(each.get("value", "")) for each in items}
