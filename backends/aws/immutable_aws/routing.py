"""Weighted traffic: a target group for each revision, divided by the load balancer's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Conflict, Context, FleetState, Gone, Invalid
from immutable.toolkit.owning import check_holder
from immutable.toolkit.weights import check_table, without
from immutable_aws.calls import Answer, Calls
from immutable_aws.hands import Hands
from immutable_aws.looking import rules_of
from immutable_aws.marks import Rule
from immutable_aws.reading import Described
from immutable_aws.traffic import forwards_to, table_of, weights_for, with_table

__all__ = [
    "check_undivided",
    "dividing",
    "find_rules",
    "give_up",
    "join_rules",
    "leave_rules",
    "route",
]


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
    found = await find_rules(calls, target_group)
    check_undivided(found, target_group, own)
    return found


def check_undivided(
    found: Sequence[tuple[Rule, Answer]], target_group: Mapping[str, Any], own: str | None = None
) -> None:
    """Refuse rules by which a fleet's traffic can't be divided.

    Args:
        found: The rules that forward to what serves.
        target_group: What serves.
        own: The target group that an attempt which was cut off has begun to add.

    Raises:
        Invalid: There are none, or one divides it with something else already.
    """
    name = target_group["TargetGroupName"]
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


# -- joining ---------------------------------------------------------------------------------------


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
) -> bool:
    """Take a group's target group out of the rules, unless another group uses it too.

    Returns:
        Whether any rule had to be looked at.
    """
    fleet = group.marks.fleet
    shared = {arn for each in groups if each.name != group.name for arn in each.target_groups}
    mine = [arn for arn in group.target_groups if arn not in shared]
    rules = rules_of(groups) if mine else ()
    for rule in rules:
        try:
            actions = await actions_of(hands.calls, rule)
        except Gone:
            continue
        table = table_of(actions)
        left = without(table, mine)
        if left and left != table:
            await hands.owned(fleet, group.marks.revision, ctx)
            await _write(hands, fleet, rule, actions, left)
    return bool(rules)


async def give_up(
    hands: Hands, fleet: str, rule: Rule, actions: Sequence[Mapping[str, Any]], arn: str
) -> None:
    """Take one target group out of a rule, if others are left."""
    table = table_of(actions)
    left = without(table, [arn])
    if left and left != table:
        await _write(hands, fleet, rule, actions, left)
