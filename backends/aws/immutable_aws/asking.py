"""What a look asks beside the groups: health of targets, and what EC2 knows of members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from immutable.backend import Slot
from immutable.toolkit.requests import parts_of, together
from immutable.toolkit.sights import Sight
from immutable_aws.calls import Answer, Calls
from immutable_aws.marks import FLEET
from immutable_aws.slots import SLOT, slots_of

__all__ = [
    "FILTER",
    "healths_of",
    "instances_of",
    "launched",
    "passing",
    "slots_seen",
    "snapshots_of_fleet",
    "terminated",
    "volumes_of",
]

FILTER = 200
"""How many values a filter of EC2 may have."""


async def healths_of(calls: Calls, arns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the state of each target of some target groups; the worst of several ports."""
    ordered = sorted(arns)
    answers = await together(
        *(
            calls.ask("elbv2", "DescribeTargetHealth", about=arn, TargetGroupArn=arn)
            for arn in ordered
        )
    )
    return {arn: _states(answer) for arn, answer in zip(ordered, answers, strict=True)}


def _states(answer: Answer) -> dict[str, str]:
    told: dict[str, str] = {}
    for each in answer.get("TargetHealthDescriptions", ()):
        name, state = each["Target"]["Id"], each["TargetHealth"]["State"]
        if told.get(name, "healthy") == "healthy":
            told[name] = state
    return told


async def launched(calls: Calls, names: Sequence[str]) -> dict[str, Sight]:
    """Return when instances were launched, and where they are; those that EC2 shows already.

    By filter: with a list of ids one that EC2 doesn't show yet makes the whole call fail.
    """
    found = await instances_of(calls, names)
    return {
        each["InstanceId"]: Sight(each["LaunchTime"].timestamp(), each.get("PrivateIpAddress", ""))
        for each in found
    }


async def terminated(calls: Calls, names: Sequence[str]) -> set[str]:
    """Return which instances are terminated."""
    state = {"Name": "instance-state-name", "Values": ["terminated"]}
    return {each["InstanceId"] for each in await instances_of(calls, names, state)}


async def instances_of(calls: Calls, names: Sequence[str], *more: dict[str, Any]) -> list[Answer]:
    """Return those of some instances that EC2 shows, and that *more* filters let pass."""
    answers = await together(
        *(
            calls.pages(
                "ec2",
                "DescribeInstances",
                "Reservations",
                Filters=[{"Name": "instance-id", "Values": part}, *more],
            )
            for part in parts_of(names, FILTER)
        )
    )
    return [each for told in answers for found in told for each in found["Instances"]]


async def passing(calls: Calls, names: Sequence[str]) -> set[str]:
    """Return which instances pass both of EC2's status checks."""
    answers = await together(
        *(
            calls.pages("ec2", "DescribeInstanceStatus", "InstanceStatuses", InstanceIds=part)
            for part in parts_of(names, FILTER)
        )
    )
    return {
        each["InstanceId"]
        for told in answers
        for each in told
        if each["InstanceStatus"]["Status"] == each["SystemStatus"]["Status"] == "ok"
    }


async def volumes_of(calls: Calls, fleet: str) -> list[Answer]:
    """Return the volumes of a fleet's slots."""
    return await calls.pages("ec2", "DescribeVolumes", "Volumes", Filters=_of_slots(fleet))


async def snapshots_of_fleet(calls: Calls, fleet: str) -> list[Answer]:
    """Return the snapshots of a fleet's slots."""
    filters = _of_slots(fleet)
    return await calls.pages(
        "ec2", "DescribeSnapshots", "Snapshots", Filters=filters, OwnerIds=["self"]
    )


def _of_slots(fleet: str) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{FLEET}", "Values": [fleet]}, {"Name": "tag-key", "Values": [SLOT]}]


async def slots_seen(calls: Calls, fleet: str, names: Iterable[str]) -> tuple[Slot, ...]:
    """Return slots of a fleet as they are; snapshots are asked for only while one is free."""
    wanted, volumes = tuple(names), await volumes_of(calls, fleet)
    slots = slots_of(wanted, volumes, ())
    if all(slot.holder for slot in slots):
        return slots
    return slots_of(wanted, volumes, await snapshots_of_fleet(calls, fleet))
