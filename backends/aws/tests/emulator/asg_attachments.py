"""Target groups of Auto Scaling groups: attached, in service, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, ours
from .errors import NotEmulated, invalid
from .groups import Group

if TYPE_CHECKING:
    from .world import World


def _group(world: World, call: Call) -> Group:
    return world.groups.find(call.params["AutoScalingGroupName"])


@ours("autoscaling", "AttachLoadBalancerTargetGroups")
def attach_target_groups(world: World, call: Call) -> dict[str, Any]:
    """Members are registered with it, and new ones will be.

    AttachLoadBalancerTargetGroups (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachLoadBalancerTargetGroups.html).
    """
    return _attach(world, _group(world, call), call.params["TargetGroupARNs"])


@ours("autoscaling", "AttachTrafficSources")
def attach_sources(world: World, call: Call) -> dict[str, Any]:
    """The same, by its newer name (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachTrafficSources.html)."""
    return _attach(world, _group(world, call), _sources(call))


def _sources(call: Call) -> list[str]:
    sources = call.params["TrafficSources"]
    if other := [s for s in sources if s.get("Type", "elbv2") != "elbv2"]:
        raise NotEmulated(f"traffic sources of type {other[0]['Type']}")
    return [source["Identifier"] for source in sources]


def _attach(world: World, group: Group, arns: list[str]) -> dict[str, Any]:
    known = door.elbv2(world.region).target_groups
    for arn in arns:
        if arn not in known:
            raise invalid(f"Provided Target Groups '{arn}' may not be valid. Please ensure they exist and try again.")  # fmt: skip
    for arn in arns:
        if arn not in group.target_groups:
            group.target_groups.append(arn)
            here: list[tuple[str, int | None]] = [
                (m.id, None) for m in group.members.values() if m.state == "InService"
            ]
            running = [p for p in here if world.lives.all[p[0]].state == "running"]
            if running and group.on("AddToLoadBalancer"):
                world.targets.register(arn, running)
    return {}


@ours("autoscaling", "DetachLoadBalancerTargetGroups")
def detach_target_groups(world: World, call: Call) -> dict[str, Any]:
    """Members are deregistered, and drain.

    DetachLoadBalancerTargetGroups (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachLoadBalancerTargetGroups.html).
    """
    return _detach(world, _group(world, call), call.params["TargetGroupARNs"])


@ours("autoscaling", "DetachTrafficSources")
def detach_sources(world: World, call: Call) -> dict[str, Any]:
    """The same, by its newer name."""
    return _detach(world, _group(world, call), _sources(call))


def _detach(world: World, group: Group, arns: list[str]) -> dict[str, Any]:
    for arn in arns:
        if arn not in group.target_groups:
            raise invalid(f"The target group '{arn}' is not attached to the group")
    for arn in arns:
        group.target_groups.remove(arn)
        if arn in door.elbv2(world.region).target_groups:
            delay = world.targets.deregister(arn, list(group.members))
            group.leaving_pools[arn] = world.clock.now() + delay
    return {}


def _states(world: World, group: Group) -> list[tuple[str, str]]:
    """Attached target groups, and those that still drain, with their states.

    `LoadBalancerTargetGroupState`: InService once a member passed a health check, at once if it was
    attached when the group was created; Removing while members are deregistered
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LoadBalancerTargetGroupState.html).
    """
    lines = []
    for arn in group.target_groups:
        pool = world.targets.pool(arn)
        mine = [t for key, t in pool.targets.items() if key[0] in group.members]
        healthy = any(world.targets.state(pool, target)[0] == "healthy" for target in mine)
        lines.append((arn, "InService" if healthy or arn in group.born_with else "Added"))
    now = world.clock.now()
    leaving = [arn for arn, until in group.leaving_pools.items() if until > now]
    return lines + [(arn, "Removing") for arn in leaving if arn not in group.target_groups]


@ours("autoscaling", "DescribeLoadBalancerTargetGroups")
def describe_target_groups(world: World, call: Call) -> dict[str, Any]:
    """What is attached, and what is being removed."""
    lines = _states(world, _group(world, call))
    groups = [{"LoadBalancerTargetGroupARN": arn, "State": state} for arn, state in lines]
    return {"LoadBalancerTargetGroups": groups}


@ours("autoscaling", "DescribeTrafficSources")
def describe_sources(world: World, call: Call) -> dict[str, Any]:
    """The same, by its newer name."""
    return {
        "TrafficSources": [
            {"Identifier": arn, "TrafficSource": arn, "State": state, "Type": "elbv2"}
            for arn, state in _states(world, _group(world, call))
        ]
    }


@ours("autoscaling", "DescribeLoadBalancers")
def describe_classic(world: World, call: Call) -> dict[str, Any]:
    """Classic load balancers: none."""
    _group(world, call)
    return {"LoadBalancers": []}
