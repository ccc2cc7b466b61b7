"""Target groups: which one serves a group, and those that revisions have of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Conflict, Context, Gone, Invalid, Transient
from immutable.toolkit.owning import taken
from immutable_aws.calls import Answer, Calls
from immutable_aws.hands import Hands
from immutable_aws.marks import FLEET, REVISION, ROLLOUT, tags_of
from immutable_aws.names import target_group_name
from immutable_aws.reading import Described

__all__ = [
    "describe_target_group",
    "find_target_group",
    "make_target_group",
    "own_target_group",
    "remove_target_groups",
    "serving_target_group",
    "target_group_tags",
    "weighable",
]

_COPIED = [
    "Protocol",
    "ProtocolVersion",
    "Port",
    "VpcId",
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckEnabled",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
    "TargetType",
    "IpAddressType",
]


async def describe_target_group(calls: Calls, arn: str) -> Answer:
    """Return a target group's description."""
    answer = await calls.ask("elbv2", "DescribeTargetGroups", about=arn, TargetGroupArns=[arn])
    (found,) = answer["TargetGroups"]
    return dict(found)


async def find_target_group(calls: Calls, name: str) -> Answer | None:
    """Return the description of the target group of a name, if there is one."""
    try:
        answer = await calls.ask("elbv2", "DescribeTargetGroups", about=name, Names=[name])
    except Gone:
        return None
    (found,) = answer["TargetGroups"]
    return dict(found)


_OUT = "use traffic=instances: shares of instances instead of weights"


async def serving_target_group(calls: Calls, group: Described) -> Answer:
    """Return the one target group by which a group can be given a share of the traffic.

    Raises:
        Invalid: There isn't one; says why and the way out.
    """
    _check_one(group)
    return weighable(group, [await describe_target_group(calls, group.target_groups[0])])


def weighable(group: Described, described: Sequence[Answer]) -> Answer:
    """Return which of a group's target groups can be given a share of the traffic.

    Args:
        group: The group.
        described: Its target groups' descriptions.

    Raises:
        Invalid: None, or there are several; says why and the way out.
    """
    _check_one(group)
    found = described[0]
    if found.get("Protocol") not in ("HTTP", "HTTPS"):
        raise Invalid(
            f"target group {found['TargetGroupName']} is not one of an Application Load Balancer;"
            f" {_OUT}"
        )
    return found


def _check_one(group: Described) -> None:
    if len(group.target_groups) != 1:
        raise Invalid(
            f"{group.name} has {len(group.target_groups)} target groups, weights need one; {_OUT}"
        )


async def make_target_group(
    hands: Hands, fleet: str, number: int, pattern: Mapping[str, Any], ctx: Context
) -> str:
    """Make a revision's own target group, like *pattern*; returns its ARN.

    Raises:
        Conflict: There is one of its name, of another rollout or of nobody.
    """
    name = target_group_name(fleet, number)
    tags = {FLEET: fleet, REVISION: str(number), ROLLOUT: ctx.rollout}
    request = {key: pattern[key] for key in _COPIED if pattern.get(key) not in (None, "", {})}
    arn = await own_target_group(hands.calls, fleet, number, ctx)
    if arn is None:
        answer = await hands.change(
            "elbv2",
            "CreateTargetGroup",
            fleet,
            about=name,
            Name=name,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            **request,
        )
        arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
    told = await hands.calls.ask(
        "elbv2",
        "DescribeTargetGroupAttributes",
        about=name,
        TargetGroupArn=pattern["TargetGroupArn"],
    )
    await hands.change(
        "elbv2",
        "ModifyTargetGroupAttributes",
        fleet,
        about=name,
        TargetGroupArn=arn,
        Attributes=told["Attributes"],
    )
    return arn


async def own_target_group(calls: Calls, fleet: str, number: int, ctx: Context) -> str | None:
    """Return the target group that this rollout made for a revision, if it is there.

    Raises:
        Conflict: It is another rollout's, or nobody's.
    """
    name = target_group_name(fleet, number)
    found = await find_target_group(calls, name)
    if found is None:
        return None
    arn = str(found["TargetGroupArn"])
    owner = (await target_group_tags(calls, arn)).get(ROLLOUT)
    if owner != ctx.rollout:
        raise taken(f"a target group {name}", owner)
    return arn


async def target_group_tags(calls: Calls, arn: str) -> dict[str, str]:
    """Return the tags of a target group."""
    answer = await calls.ask("elbv2", "DescribeTags", about=arn, ResourceArns=[arn])
    return tags_of(answer["TagDescriptions"][0]) if answer["TagDescriptions"] else {}


async def remove_target_groups(hands: Hands, fleet: str, arns: Sequence[str]) -> None:
    """Delete those target groups that a rollout has made, and that nobody uses any more."""
    for arn in arns:
        try:
            tags = await target_group_tags(hands.calls, arn)
            if tags.get(FLEET) == fleet and ROLLOUT in tags:
                await hands.change(
                    "elbv2", "DeleteTargetGroup", fleet, about=arn, TargetGroupArn=arn
                )
        except Gone:
            continue
        except Conflict as error:
            # A rule of somebody else's forwards to it: it is not ours to decide any more.
            raise Transient(f"target group {arn} is still in use: {error}") from error
