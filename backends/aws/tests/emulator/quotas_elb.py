"""Quotas of Elastic Load Balancing: told, and held against what would exceed them.

"Quotas for your Application Load Balancers"
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html),
"Quotas for your Network Load Balancers"
(https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, ours
from .errors import AwsError
from .targets import forwarded

if TYPE_CHECKING:
    from .world import World


@ours("elbv2", "DescribeAccountLimits")
def describe_account_limits(world: World, call: Call) -> dict[str, Any]:
    """The quotas that are modelled.

    DescribeAccountLimits (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeAccountLimits.html),
    Limit: numbers are told as text
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Limit.html).
    """
    return {"Limits": [{"Name": n, "Max": str(most)} for n, most in world.supply.limits.items()]}


def one_more_group(world: World, there: int) -> None:
    """CreateTargetGroup.

    Raises:
        AwsError: `TooManyTargetGroups`.
    """
    if there >= world.supply.limits["target-groups"]:
        said = "You've reached the limit on your number of target groups."
        raise AwsError("TooManyTargetGroups", said)


def forwards(world: World, call: Call, actions: list[Any]) -> None:
    """Target groups of an action, and of a load balancer over all its listeners.

    TooManyUniqueTargetGroupsPerLoadBalancer: "If a target group is used by multiple actions for a
    load balancer, it is counted as only one use"
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyListener.html).

    Raises:
        AwsError: there are too many, of groups or of targets.
    """
    limits = world.supply.limits
    most = limits["target-groups-per-action-on-application-load-balancer"]
    if any(len(forwarded([action])) > most for action in actions):
        said = f"The maximum number of target groups per forward action is {most}"
        raise AwsError("TooManyUniqueTargetGroupsPerLoadBalancer", said)
    balancer, used = _others(world, call)
    if balancer is None or not actions:
        return
    used |= set(forwarded(actions))
    if balancer.type != "network":
        most = limits["target-groups-per-application-load-balancer"]
        if len(used) > most:
            said = f"The maximum number of target groups per load balancer is {most}"
            raise AwsError("TooManyUniqueTargetGroupsPerLoadBalancer", said)
    _targets(world, balancer, used, [])


def register(world: World, arn: str, ids: list[str]) -> None:
    """RegisterTargets.

    What Auto Scaling does with a member for which there is no room isn't in AWS's pages, and isn't
    held against quotas here.

    Raises:
        AwsError: `TooManyTargets`
            (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html).
    """
    pool = world.targets.pool(arn)
    there = {key[0] for key in pool.targets} | set(ids)
    most = world.supply.limits["targets-per-target-group"]
    if len(there) > most:
        raise _too_many(f"target group {pool.group.name}", most)
    for balancer in door.elbv2(world.region).load_balancers.values():
        used = _used(balancer)
        if arn in used:
            _targets(world, balancer, used, [(arn, each) for each in ids])


def _targets(world: World, balancer: Any, used: set[str], new: list[tuple[str, str]]) -> None:
    """All targets of a load balancer.

    A Network Load Balancer counts a target once for each target group, up to 500 in all when it
    balances across zones; of an Application Load Balancer the page says nothing like it.
    """
    told = {(arn, key[0]) for arn in used for key in world.targets.pool(arn).targets} | set(new)
    limits = world.supply.limits
    if balancer.type != "network":
        count, name = len({each for _, each in told}), "targets-per-application-load-balancer"
    elif balancer.attrs.get("load_balancing.cross_zone.enabled") == "true":
        count, name = len(told), "targets-per-availability-zone-per-network-load-balancer"
    else:
        count, name = len(told), "targets-per-network-load-balancer"
        _zones(world, told)
    if count > limits[name]:
        raise _too_many(f"load balancer {balancer.name}", limits[name])


def _zones(world: World, told: set[tuple[str, str]]) -> None:
    most = world.supply.limits["targets-per-availability-zone-per-network-load-balancer"]
    counts: dict[str, int] = {}
    for _, name in told:
        zone = world.lives.all[name].zone if name in world.lives.all else ""
        counts[zone] = counts.get(zone, 0) + 1
    if full := sorted(zone for zone, count in counts.items() if zone and count > most):
        raise _too_many(f"zone {full[0]}", most)


def _too_many(where: str, most: int) -> AwsError:
    return AwsError("TooManyTargets", f"You've reached the limit on the number of targets: {where} may have {most}.")  # fmt: skip


def _used(balancer: Any, without: Any = None) -> set[str]:
    return {
        arn
        for listener in balancer.listeners.values()
        for rule in listener.rules.values()
        if rule is not without
        for arn in forwarded(rule.actions)
    }


def _others(world: World, call: Call) -> tuple[Any, set[str]]:
    """The load balancer that a call changes, and the target groups of all rules but its own."""
    for balancer in door.elbv2(world.region).load_balancers.values():
        if call.get("LoadBalancerArn") == balancer.arn:
            return balancer, _used(balancer)
        for listener in balancer.listeners.values():
            rules = list(listener.rules.values())
            mine = [rule for rule in rules if rule.arn == call.get("RuleArn")]
            if mine or listener.arn == call.get("ListenerArn"):
                if call.action == "ModifyListener":
                    mine = [rule for rule in rules if rule.priority == "default"]
                return balancer, _used(balancer, *mine)
    return None, set()
