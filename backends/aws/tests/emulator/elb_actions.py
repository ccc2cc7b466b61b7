"""Elastic Load Balancing's actions that moto answers differently from AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door, quotas_elb
from .calls import Call, after, before, motos, ours
from .errors import AwsError
from .targets import REASONS, ZONE_OFF, Pool, Target, forwarded

if TYPE_CHECKING:
    from .world import World

CHANGES = (
    "CreateListener", "ModifyListener", "DeleteListener", "CreateRule", "ModifyRule",
    "DeleteRule", "SetRulePriorities", "CreateLoadBalancer", "DeleteLoadBalancer",
    "CreateTargetGroup", "DeleteTargetGroup", "SetSubnets",
)  # fmt: skip
motos(
    "elbv2", *CHANGES, "DescribeListeners", "DescribeRules", "DescribeLoadBalancers",
    "DescribeTargetGroups", "DescribeTargetGroupAttributes", "ModifyTargetGroupAttributes",
    "ModifyTargetGroup", "DescribeLoadBalancerAttributes", "ModifyLoadBalancerAttributes",
    "AddTags", "RemoveTags", "DescribeTags", "DescribeListenerAttributes",
)  # fmt: skip


@after("elbv2", *CHANGES)
def used_by(world: World, call: Call) -> None:
    """Which target groups are in use follows from the listeners."""
    world.targets.refresh()


@before("elbv2", "CreateListener", "ModifyListener", "CreateRule", "ModifyRule")
def forwards(world: World, call: Call) -> None:
    """What a forward action may say.

    `TargetGroupTuple`: weights from 0 to 999
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupTuple.html);
    how many target groups an action and a load balancer may have: `quotas_elb`.
    """
    actions = call.get("DefaultActions") or call.get("Actions") or []
    for arn, weight in forwarded(actions).items():
        world.targets.pool(arn)
        if not 0 <= weight <= 999:
            said = f"Target group weight '{weight}' must be between 0 and 999"
            raise AwsError("ValidationError", said)
    quotas_elb.forwards(world, call, actions)


@before("elbv2", "CreateTargetGroup")
def target_group(world: World, call: Call) -> dict[str, Any] | None:
    """A name has at most 32 characters; the same settings again give the same group.

    CreateTargetGroup, "This operation is idempotent, which means that it completes at most one time.
    If you attempt to create multiple target groups with the same settings, each call succeeds"
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html).
    """
    name, kept = call.params["Name"], door.elbv2(world.region).target_groups
    same = next((group for group in kept.values() if group.name == name), None)
    if same is not None and world.tokens.get(("CreateTargetGroup", same.arn)) == call.params:
        return {"TargetGroups": [_group_told(same)]}
    if same is None:
        quotas_elb.one_more_group(world, len(kept))
    if len(name) > 32:
        said = f"Target group name '{name}' cannot be longer than '32' characters"
        raise AwsError("ValidationError", said)
    return None


def _group_told(group: Any) -> dict[str, Any]:
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": int(group.port),
        "VpcId": group.vpc_id,
        "TargetType": group.target_type,
        "LoadBalancerArns": list(group.load_balancer_arns),
    }


@after("elbv2", "CreateTargetGroup")
def target_group_made(world: World, call: Call) -> None:
    """Remember with which settings."""
    kept = door.elbv2(world.region).target_groups
    made = next(group for group in kept.values() if group.name == call.params["Name"])
    world.tokens["CreateTargetGroup", made.arn] = call.params


@ours("elbv2", "RegisterTargets")
def register_targets(world: World, call: Call) -> dict[str, Any]:
    """Register, where there is room; see `Targets.register`."""
    wanted = [(each["Id"], each.get("Port")) for each in call.params["Targets"]]
    quotas_elb.register(world, call.params["TargetGroupArn"], [name for name, _ in wanted])
    world.targets.register(call.params["TargetGroupArn"], wanted)
    return {}


@ours("elbv2", "DeregisterTargets")
def deregister_targets(world: World, call: Call) -> dict[str, Any]:
    """Let drain; see `Targets.deregister`.

    "If the specified target does not exist, the action returns successfully"
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html).
    """
    for each in call.params["Targets"]:
        world.targets.deregister(call.params["TargetGroupArn"], [each["Id"]], each.get("Port"))
    return {}


@ours("elbv2", "DescribeTargetHealth")
def describe_target_health(world: World, call: Call) -> dict[str, Any]:
    """All targets, or those that are named: who isn't registered is `unused` then.

    DescribeTargetHealth (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html).
    """
    pool = world.targets.pool(call.params["TargetGroupArn"])
    if not call.get("Targets"):
        return {"TargetHealthDescriptions": [_told(world, pool, t) for t in pool.targets.values()]}
    told = []
    for each in call.params["Targets"]:
        found = [
            target
            for (name, port), target in pool.targets.items()
            if name == each["Id"] and port == int(each.get("Port") or port)
        ]
        told += [_told(world, pool, target) for target in found]
        if not found:
            missing = Target(each["Id"], int(each.get("Port") or pool.group.port), 0.0)
            told.append(_line(pool, missing, "unused", "Target.NotRegistered"))
    return {"TargetHealthDescriptions": told}


def _told(world: World, pool: Pool, target: Target) -> dict[str, Any]:
    state, reason = world.targets.state(pool, target)
    line = _line(pool, target, state, reason)
    if reason == "Target.NotInUse" and pool.used is not None:
        line["TargetHealth"]["Description"] = ZONE_OFF
    return line


def _line(pool: Pool, target: Target, state: str, reason: str | None) -> dict[str, Any]:
    port = pool.group.health_check_port
    health = {"State": state}
    if reason:
        health |= {"Reason": reason, "Description": REASONS[reason]}
    return {
        "Target": {"Id": target.id, "Port": target.port},
        "HealthCheckPort": str(target.port if port == "traffic-port" else port),
        "TargetHealth": health,
    }
