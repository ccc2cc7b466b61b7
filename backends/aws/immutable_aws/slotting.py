"""What would keep the members of a fleet with volumes waiting for a slot in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Problem
from immutable_aws.asking import volumes_of
from immutable_aws.calls import Calls
from immutable_aws.reading import Described
from immutable_aws.slots import HOOK, missing, number, volumes_by_slot

__all__ = ["slot_problems"]


async def slot_problems(
    calls: Calls, groups: Sequence[Described], group: Described, data: Mapping[str, Any]
) -> list[Problem]:
    """Return what is wrong with slots, and with what members need to get one.

    Args:
        calls: The door to AWS.
        groups: All groups of the fleet.
        group: The one that serves.
        data: Its launch template's.
    """
    if not group.marks.volumes:
        return []
    problems = _group_problems(group, data)
    hooks = await calls.ask(
        "autoscaling",
        "DescribeLifecycleHooks",
        about=group.name,
        AutoScalingGroupName=group.name,
    )
    if not any(each["LifecycleHookName"] == HOOK for each in hooks["LifecycleHooks"]):
        what = f"{group.name} has no lifecycle hook {HOOK}: members would serve without a volume"
        problems.append(Problem(what, "put it back: launching, ABANDON, 3600 s"))
    fleet = group.marks.fleet
    there = volumes_by_slot(await volumes_of(calls, fleet))
    for slot in sorted({name for each in groups for name in each.marks.slots}, key=number):
        found = there.get(slot, [])
        lacks = missing(found) if found else {each.name for each in group.marks.volumes}
        if lacks:
            what = f"slot {slot} of {fleet} lacks {', '.join(sorted(lacks))}: nobody gets it"
            problems.append(Problem(what, "restore the volume with its tags; see docs/aws.md"))
    return problems


def _group_problems(group: Described, data: Mapping[str, Any]) -> list[Problem]:
    problems = []
    zones = group.group.get("AvailabilityZones", ())
    if len(zones) != 1:
        what = f"{group.name} is in {', '.join(zones)}, its volumes are in one zone"
        problems.append(Problem(what, "let it have subnets of the volumes' zone only"))
    if not data.get("IamInstanceProfile"):
        what = f"members of {group.name} have no instance profile: they can't attach volumes"
        problems.append(Problem(what, "name one that has the policy of docs/aws-iam.md"))
    return problems
