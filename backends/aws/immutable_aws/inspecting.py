"""Looking for drift: requests that grow with pages and groups, never with instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from immutable.backend import Inspection, Origin, Revision, Stray
from immutable.toolkit.requests import parts_of, together
from immutable_aws.asking import FILTER, instances_of
from immutable_aws.calls import Answer, Calls
from immutable_aws.comparing import CHECKED, Expected, compared
from immutable_aws.images import AMI, describe_images
from immutable_aws.launchtemplates import read_template
from immutable_aws.looking import Eyes
from immutable_aws.marks import FLEET, REVISION
from immutable_aws.reading import Described, is_leaving

__all__ = ["inspect"]

_UNSEEN = (
    "files, packages and processes in an instance, and what was changed over SSH or SSM",
    "user data as such: it can be changed while an instance is stopped only, which shows",
    "security groups, metadata options and machine types that the launch template leaves to AWS",
)
_YOUNG = 300.0
"""Seconds for which an instance may exist before its group tells of it."""
_ALIVE = ("pending", "running", "stopping", "stopped")


async def inspect(calls: Calls, eyes: Eyes, fleet: str) -> Inspection:
    """Return what AWS shows of a fleet's instances, compared with what they were launched as.

    Raises:
        Gone: There is no such fleet.
        Denied: Something may not be looked at.
        Transient: A part of it can't be seen.
    """
    at = calls.now()
    groups = await eyes.groups(fleet)
    revisions = await eyes.revisions(groups)
    members = [m for group in groups for m in group.members if not is_leaving(m)]
    ids = [str(member["InstanceId"]) for member in members]
    due, found, volumes, marked = await together(
        _expected(calls, groups, revisions),
        instances_of(calls, ids),
        _volumes(calls, ids),
        _marked(calls, fleet),
    )
    shown = {each["InstanceId"]: each for each in found}
    seen = [
        compared(member, shown.get(member["InstanceId"]), volumes, due[group.arn])
        for group in groups
        for member in group.members
        if not is_leaving(member)
    ]
    old = [each for each in marked if at - each["LaunchTime"].timestamp() > _YOUNG]
    return Inspection(at, tuple(seen), tuple(_strays(groups, old)), CHECKED, _UNSEEN)


async def _expected(
    calls: Calls, groups: Sequence[Described], revisions: Mapping[str, Revision]
) -> dict[str, Expected]:
    versions = await together(*(read_template(calls, group) for group in groups))
    ids = {revisions[group.arn].image.artifact for group in groups}
    images = await describe_images(calls, [each for each in ids if AMI.fullmatch(each)])
    return {
        group.arn: _due(group, revisions[group.arn], version, images)
        for group, version in zip(groups, versions, strict=True)
    }


def _due(
    group: Described, revision: Revision, version: Answer, images: Mapping[str, Answer]
) -> Expected:
    image, data = revision.image.artifact, version["LaunchTemplateData"]
    ours = group.marks.origin is Origin.OURS
    return Expected(
        image=image,
        described=images.get(image, {}),
        template=(str(version["LaunchTemplateId"]), str(version["VersionNumber"])),
        data=data,
        types=_types(group, data),
        marks={FLEET: group.marks.fleet, REVISION: str(revision.number)} if ours else {},
    )


# Overrides t3.small, t3a.small: these. No overrides: the template's. By attributes: not named.
def _types(group: Described, data: Answer) -> tuple[str, ...]:
    mixed = group.group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    overrides = mixed.get("Overrides", ())
    if any("InstanceRequirements" in each for each in (*overrides, data)):
        return ()
    named = tuple(str(each["InstanceType"]) for each in overrides if "InstanceType" in each)
    return named or ((str(data["InstanceType"]),) if "InstanceType" in data else ())


async def _volumes(calls: Calls, ids: Sequence[str]) -> dict[str, Answer]:
    answers = await together(
        *(
            calls.pages(
                "ec2",
                "DescribeVolumes",
                "Volumes",
                Filters=[{"Name": "attachment.instance-id", "Values": part}],
            )
            for part in parts_of(ids, FILTER)
        )
    )
    return {str(each["VolumeId"]): each for told in answers for each in told}


async def _marked(calls: Calls, fleet: str) -> list[Answer]:
    """Return the instances that carry the fleet's tag and aren't terminated."""
    filters = [
        {"Name": f"tag:{FLEET}", "Values": [fleet]},
        {"Name": "instance-state-name", "Values": list(_ALIVE)},
    ]
    told = await calls.pages("ec2", "DescribeInstances", "Reservations", Filters=filters)
    return [each for found in told for each in found["Instances"]]


def _strays(groups: Sequence[Described], marked: Iterable[Answer]) -> Iterable[Stray]:
    members = {m["InstanceId"] for group in groups for m in group.group.get("Instances", ())}
    for each in marked:
        if each["InstanceId"] not in members:
            state = each["State"]["Name"]
            yield Stray(
                str(each["InstanceId"]), f"carries the fleet's tag, is in no group ({state})"
            )
