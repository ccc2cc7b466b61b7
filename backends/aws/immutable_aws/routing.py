"""Weighted traffic: a target group for each revision, divided by the load balancer's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import (
    Conflict,
    Context,
    FleetState,
    Gone,
    Invalid,
    Transient,
)
from immutable.toolkit.owning import check_holder
from immutable.toolkit.weights import check_table, without
from immutable_aws.calls import Answer, Calls
from immutable_aws.hands import Hands
from immutable_aws.looking import rules_of
from immutable_aws.marks import FLEET, REVISION, ROLLOUT, Rule, tags_of
from immutable_aws.names import target_group_name
from immutable_aws.reading import Described
from immutable_aws.traffic import (
    forwards_to,
    table_of,
    weights_for,
    with_table,
)

__all__ = [
    "describe_target_group",
    "dividing",
    "find_rules",
    "give_up",
    "join_rules",
    "leave_rules",
    "make_target_group",
    "own_target_group",
    "remove_target_groups",
    "route",
    "serving_target_group",
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


async def serving_target_group(calls: Calls, group: Described) -> Answer:
    """Return the one target group by which a group can be given a share of the traffic.

    Raises:
        Invalid: There isn't one; says why and the way out.
    """
    out = "use traffic=instances: shares of instances instead of weights"
    if len(group.target_groups) != 1:
        raise Invalid(
            f"{group.name} has {len(group.target_groups)} target groups, weights need one; {out}"
        )
    found = await describe_target_group(calls, group.target_groups[0])
    if found.get("Protocol") not in ("HTTP", "HTTPS"):
        raise Invalid(
            f"target group {found['TargetGroupName']} is not one of an Application Load Balancer;"
            f" {out}"
        )
    return found


async def find_rules(calls: Calls, target_group: Mapping[str, Any]) -> list[tuple[Rule, Answer]]:
    """Return every rule that forwards to a target group, with its description."""
    arn = target_group["TargetGroupArn"]
    found: list[tuple[Rule, Answer]] = []
    for balancer in target_group.get("LoadBalancerArns", ()):
        listeners = await calls.pages(
            "elbv2", "DescribeListeners", "Listeners", LoadBalancerArn=balancer
        )
        for listener in listeners:
            name = listener["ListenerArn"]
            rules = await calls.pages("elbv2", "DescribeRules", "Rules", ListenerArn=name)
            found += [
                (Rule(name, each["RuleArn"], bool(each.get("IsDefault"))), each)
                for each in rules
                if forwards_to(each["Actions"], arn)
            ]
    return found


async def dividing(
    calls: Calls, target_group: Mapping[str, Any], own: str | None = None
) -> list[tuple[Rule, Answer]]:
    """Return the rules by which a fleet's traffic can be divided.

    Args:
        calls: The door to AWS.
        target_group: What serves.
        own: The target group that an attempt which was cut off has begun to add.

    Raises:
        Invalid: There are none, or one divides it with something else already.
    """
    name = target_group["TargetGroupName"]
    found = await find_rules(calls, target_group)
    if not found:
        raise Invalid(
            f"no listener forwards to target group {name}: its members would never be healthy;"
            " add a listener or a rule first"
        )
    for rule, described in found:
        if table_of(described["Actions"]).keys() - {target_group["TargetGroupArn"], own}:
            raise Invalid(
                f"rule {rule.arn} divides its traffic between {name} and others already;"
                " let it forward to one target group"
            )
    return found


# -- making ----------------------------------------------------------------------------------------


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
    try:
        answer = await calls.ask("elbv2", "DescribeTargetGroups", about=name, Names=[name])
    except Gone:
        return None
    (found,) = answer["TargetGroups"]
    arn = str(found["TargetGroupArn"])
    owner = (await target_group_tags(calls, arn)).get(ROLLOUT)
    if owner != ctx.rollout:
        whose = f"rollout {owner}'s" if owner else "not ours"
        raise Conflict(f"target group {name} is there, and {whose}", owner=owner)
    return arn


async def target_group_tags(calls: Calls, arn: str) -> dict[str, str]:
    """Return the tags of a target group."""
    answer = await calls.ask("elbv2", "DescribeTags", about=arn, ResourceArns=[arn])
    return tags_of(answer["TagDescriptions"][0]) if answer["TagDescriptions"] else {}


async def join_rules(
    hands: Hands,
    fleet: str,
    rules: Sequence[tuple[Rule, Answer]],
    serving: str,
    new: str,
) -> None:
    """Let rules forward to a new target group too, at weight 0: only so is it checked for health.

    What serves keeps all of the traffic.
    """
    for rule, described in rules:
        table = table_of(described["Actions"])
        if new not in table:
            table = weights_for({1: 100, 2: 0}, {1: serving, 2: new})
            await _write(hands, fleet, rule, described["Actions"], table)


async def _write(
    hands: Hands,
    fleet: str,
    rule: Rule,
    actions: Sequence[Mapping[str, Any]],
    table: Mapping[str, int],
) -> None:
    new = with_table(actions, table)
    if rule.default:
        await hands.change(
            "elbv2",
            "ModifyListener",
            fleet,
            about=rule.listener,
            ListenerArn=rule.listener,
            DefaultActions=new,
        )
    else:
        await hands.change(
            "elbv2", "ModifyRule", fleet, about=rule.arn, RuleArn=rule.arn, Actions=new
        )


async def actions_of(calls: Calls, rule: Rule) -> list[Answer]:
    """Return what a rule does, as it is now."""
    answer = await calls.ask("elbv2", "DescribeRules", about=rule.arn, RuleArns=[rule.arn])
    return list(answer["Rules"][0]["Actions"])


# -- dividing --------------------------------------------------------------------------------------


async def route(
    hands: Hands, fleet: str, weights: Mapping[int, float], state: FleetState, ctx: Context
) -> None:
    """Set the whole table: one request for each rule, each written only if it differs.

    ``ModifyRule`` and ``ModifyListener`` replace a rule's list as a whole and know no condition.
    """
    groups = await hands.eyes.groups(fleet)
    _check_holders(hands, groups, ctx)
    check_table(state, weights)
    rules = rules_of(groups)
    if not rules:
        raise Invalid(f"the groups of {fleet} share one pool: their traffic can't be divided")
    pools = _pools(groups)
    table = weights_for(weights, pools)
    for rule in rules:
        actions = await actions_of(hands.calls, rule)
        found = table_of(actions)
        others = found.keys() - table.keys()
        if others:
            raise Conflict(f"rule {rule.arn} forwards to {min(others)} too, which isn't ours")
        if found != table:
            _check_holders(hands, await hands.eyes.groups(fleet), ctx)
            await _write(hands, fleet, rule, actions, table)


def _check_holders(hands: Hands, groups: Sequence[Described], ctx: Context) -> None:
    for group in groups:
        check_holder(group.marks.hold, group.name, ctx, hands.calls.now())


def _pools(groups: Sequence[Described]) -> dict[int, str]:
    pools = {
        group.marks.revision: group.target_groups[0] for group in groups if group.target_groups
    }
    if len(set(pools.values())) < len(groups):
        raise Invalid("groups that share a target group can't have weights of their own")
    return pools


# -- removing --------------------------------------------------------------------------------------


async def leave_rules(
    hands: Hands, groups: Sequence[Described], group: Described, ctx: Context
) -> None:
    """Take a group's target group out of the rules, unless another group uses it too."""
    fleet = group.marks.fleet
    shared = {arn for each in groups if each.name != group.name for arn in each.target_groups}
    mine = [arn for arn in group.target_groups if arn not in shared]
    for rule in rules_of(groups) if mine else ():
        try:
            actions = await actions_of(hands.calls, rule)
        except Gone:
            continue
        table = table_of(actions)
        left = without(table, mine)
        if left and left != table:
            await hands.owned(fleet, group.marks.revision, ctx)
            await _write(hands, fleet, rule, actions, left)


async def give_up(
    hands: Hands, fleet: str, rule: Rule, actions: Sequence[Mapping[str, Any]], arn: str
) -> None:
    """Take one target group out of a rule, if others are left."""
    table = table_of(actions)
    left = without(table, [arn])
    if left and left != table:
        await _write(hands, fleet, rule, actions, left)


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
