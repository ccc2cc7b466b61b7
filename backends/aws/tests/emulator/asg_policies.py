"""Scaling policies, and the alarms that are made and pointed for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, ours
from .errors import AwsError, NotEmulated, invalid
from .groups import Group
from .paging import page

if TYPE_CHECKING:
    from .world import World

TRACKING = "TargetTrackingScaling"
AVERAGES = {
    "ASGAverageCPUUtilization": ("AWS/EC2", "CPUUtilization"),
    "ASGAverageNetworkIn": ("AWS/EC2", "NetworkIn"),
    "ASGAverageNetworkOut": ("AWS/EC2", "NetworkOut"),
    "ALBRequestCountPerTarget": ("AWS/ApplicationELB", "RequestCountPerTarget"),
}


def _group(world: World, call: Call) -> Group:
    return world.groups.find(call.params["AutoScalingGroupName"])


@ours("autoscaling", "PutScalingPolicy")
def put_policy(world: World, call: Call) -> dict[str, Any]:
    """Stored, told, restorable; nothing acts on it but `Emulator.alarm`.

    PutScalingPolicy: "Alarms: The CloudWatch alarms created for the target tracking scaling policy"
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html).
    """
    group, name = _group(world, call), call.params["PolicyName"]
    known = group.policies.get(name, {})
    arn = known.get("PolicyARN") or f"arn:aws:autoscaling:{world.region}:{door.ACCOUNT}:scalingPolicy:{len(group.policies)}:autoScalingGroupName/{group.name}:policyName/{name}"  # fmt: skip
    policy = {"PolicyType": "SimpleScaling", "Enabled": True, **call.params, "PolicyARN": arn}
    if policy["PolicyType"] == TRACKING:
        _check_label(group, policy["TargetTrackingConfiguration"])
    group.policies[name] = policy
    if policy["PolicyType"] != TRACKING:
        return {"PolicyARN": arn, "Alarms": []}
    world.alarms.drop(arn, also_made=True)
    _make_alarms(world, group, policy)
    return {"PolicyARN": arn, "Alarms": world.alarms.of(arn)}


def _check_label(group: Group, tracking: dict[str, Any]) -> None:
    """A label names a target group that is attached.

    PredefinedMetricSpecification: "You can't specify a resource label unless the target group is
    attached to the Auto Scaling group"
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PredefinedMetricSpecification.html).
    """
    label = tracking.get("PredefinedMetricSpecification", {}).get("ResourceLabel")
    attached = [arn.rpartition(":")[2] for arn in group.target_groups]
    if label is not None and not any(label.endswith(f"/{name}") for name in attached):
        raise invalid(f"The target group of the resource label {label} is not attached to {group.name}")  # fmt: skip


def _make_alarms(world: World, group: Group, policy: dict[str, Any]) -> None:
    """The alarms of target tracking, without the one that scales in where that is disabled.

    "How target tracking scaling for Amazon EC2 Auto Scaling works": Auto Scaling makes and manages
    the alarms
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html).
    """
    tracking = policy["TargetTrackingConfiguration"]
    sides = {"AlarmHigh": "GreaterThanThreshold", "AlarmLow": "LessThanThreshold"}
    if tracking.get("DisableScaleIn"):
        del sides["AlarmLow"]
    for side, operator in sides.items():
        alarm = {
            "AlarmName": f"TargetTracking-{group.name}-{side}-{policy['PolicyName']}",
            "AlarmActions": [policy["PolicyARN"]],
            "Threshold": tracking["TargetValue"],
            "ComparisonOperator": operator,
            **_metric(group, tracking),
        }
        world.alarms.put(alarm, made=True)


def _metric(group: Group, tracking: dict[str, Any]) -> dict[str, Any]:
    """What is tracked, as an alarm names it."""
    custom = tracking.get("CustomizedMetricSpecification")
    if custom is not None:
        if "MetricName" not in custom:
            raise NotEmulated("metric math in target tracking")
        return {name: custom[name] for name in ("MetricName", "Namespace", "Dimensions") if name in custom}  # fmt: skip
    predefined = tracking["PredefinedMetricSpecification"]
    space, name = AVERAGES[predefined["PredefinedMetricType"]]
    told = {"AutoScalingGroupName": group.name}
    if label := predefined.get("ResourceLabel"):
        balancer, _, pool = label.partition("/targetgroup/")
        told = {"LoadBalancer": balancer, "TargetGroup": f"targetgroup/{pool}"}
    dimensions = [{"Name": key, "Value": value} for key, value in told.items()]
    return {"MetricName": name, "Namespace": space, "Dimensions": dimensions}


def told(world: World, policy: dict[str, Any]) -> dict[str, Any]:
    """A policy as DescribePolicies writes it, with the alarms that start it."""
    return policy | {"Alarms": world.alarms.of(policy["PolicyARN"])}


@ours("autoscaling", "DescribePolicies")
def describe_policies(world: World, call: Call) -> dict[str, Any]:
    """Of one group, or of all."""
    name, wanted = call.get("AutoScalingGroupName"), call.get("PolicyNames")
    groups = [world.groups.find(name)] if name else list(world.groups.all.values())
    found = [
        told(world, policy)
        for group in groups
        for policy in group.policies.values()
        if not wanted or policy["PolicyName"] in wanted or policy["PolicyARN"] in wanted
    ]
    shown, token = page(found, call, most=100, usual=50)
    return {"ScalingPolicies": list(shown)} | token


@ours("autoscaling", "DeletePolicy")
def delete_policy(world: World, call: Call) -> dict[str, Any]:
    """By name, within its group; see `Alarms.drop`."""
    policy = _group(world, call).policies.pop(call.params["PolicyName"], None)
    if policy is None:
        raise invalid(f"No scaling policy found with name: {call.params['PolicyName']}")
    world.alarms.drop(policy["PolicyARN"], also_made=True)
    return {}


def group_deleted(world: World, group: Group) -> None:
    """Its policies go with a group, and the alarms that then have no action left."""
    for policy in group.policies.values():
        world.alarms.drop(policy["PolicyARN"], also_made=True, also_idle=True)
    group.policies.clear()


def alarm(world: World, name: str, policy: str, desired: int) -> None:
    """A CloudWatch alarm of a policy fires: Auto Scaling changes the size by itself.

    Not while AlarmNotification is suspended, the policy disabled, or, downwards, scale-in disabled.

    Raises:
        AwsError: no such group or policy.
    """
    group = world.groups.find(name)
    if policy not in group.policies:
        raise AwsError(
            "ValidationError", f"no policy {policy!r}; there are {sorted(group.policies)}"
        )
    kept = group.policies[policy]
    disabled = kept.get("TargetTrackingConfiguration", {}).get("DisableScaleIn") and desired < group.desired  # fmt: skip
    if not group.on("AlarmNotification") or not kept["Enabled"] or disabled:
        return
    was, group.desired = group.desired, min(max(desired, group.low), group.high)
    world.scaling.nudge(
        group,
        f"a monitor alarm in state ALARM triggered policy {policy} changing the desired capacity "
        f"from {was} to {group.desired}.",
    )
