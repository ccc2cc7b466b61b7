"""Auto Scaling groups: created, changed, told, deleted."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from . import asg_policies, door, hooks
from .asg_tags import put_tags, told_tags
from .calls import Call, ours
from .errors import AwsError, NotEmulated, invalid
from .groups import Group
from .paging import page

if TYPE_CHECKING:
    from .world import World

KEPT = (
    "LaunchTemplate", "MixedInstancesPolicy", "DefaultCooldown", "HealthCheckType",
    "HealthCheckGracePeriod", "PlacementGroup", "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn", "CapacityRebalance", "ServiceLinkedRoleARN",
    "MaxInstanceLifetime", "Context", "DesiredCapacityType", "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy", "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy", "CapacityReservationSpecification",
)  # fmt: skip
"""Settings that are stored and told; which of them act is in the README."""

ELSEWHERE = {
    "AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity", "VPCZoneIdentifier",
    "AvailabilityZones", "TargetGroupARNs", "Tags", "LifecycleHookSpecificationList",
    "SkipZonalShiftValidation", "TrafficSources", "DeletionProtection",
}  # fmt: skip


def _known(call: Call) -> None:
    for name in call.params:
        if name not in KEPT and name not in ELSEWHERE:
            raise NotEmulated(f"{name} of {call.name}")
    if call.get("DeletionProtection", "none") != "none":
        raise NotEmulated("deletion protection of groups")


def _subnets(world: World, call: Call) -> list[tuple[str, str]]:
    """The subnets and their zones; without subnets, the default ones of the zones."""
    ec2 = door.ec2(world.region)
    wanted = [s.strip() for s in call.get("VPCZoneIdentifier", "").split(",") if s.strip()]
    if not wanted:
        defaults = ec2.get_default_subnets()
        wanted = [defaults[z].id for z in call.get("AvailabilityZones") or [] if z in defaults]
    if not wanted:
        raise invalid("At least one Availability Zone or VPC Subnet is required.")
    found = {subnet.id: subnet for subnet in ec2.describe_subnets()}
    if unknown := [each for each in wanted if each not in found]:
        raise invalid(f"The subnet ID '{unknown[0]}' does not exist")
    return [(each, str(found[each].availability_zone)) for each in wanted]


def _launches(world: World, call: Call, settings: dict[str, Any]) -> None:
    """There is one way to launch, and it names a template and an image that exist.

    Who may not run instances may not use a template: "Control Amazon EC2 launch template usage in
    Auto Scaling groups"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html).
    """
    if call.get("LaunchConfigurationName") or call.get("InstanceId"):
        raise NotEmulated("groups made from launch configurations or instances")
    if ("LaunchTemplate" in settings) == ("MixedInstancesPolicy" in settings):
        raise invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, "
            "InstanceId or MixedInstancesPolicy parameter."
        )
    given = settings.get("LaunchTemplate") or settings["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]  # fmt: skip
    found = world.templates.find(given)
    if world.denies("ec2:RunInstances"):
        said = f"You are not authorized to use launch template: {found.template.id}"
        raise AwsError("AccessDenied", said)
    try:
        world.supply.image(world.parameters.resolve(found.data.get("ImageId", "")))
    except AwsError as error:
        said = f"You must use a valid fully-formed launch template. {error.message}"
        raise invalid(said) from error
    given.setdefault("LaunchTemplateId", found.template.id)
    given["LaunchTemplateName"] = found.template.name


def _bounds(low: int, high: int, desired: int) -> None:
    if low > high:
        said = f"Max bound, {high}, must be greater than or equal to min bound, {low}"
        raise invalid(said)
    if not low <= desired <= high:
        raise invalid(
            f"Desired capacity:{desired} must be between the specified min size:{low} and max "
            f"size:{high}"
        )


@ours("autoscaling", "CreateAutoScalingGroup")
def create_group(world: World, call: Call) -> dict[str, Any]:
    """CreateAutoScalingGroup (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html)."""
    _known(call)
    name = call.params["AutoScalingGroupName"]
    if name in world.groups.all:
        pending = " is pending delete" if world.groups.all[name].status else " already exists"
        said = (
            f"AutoScalingGroup by this name already exists - A group with the name {name}{pending}"
        )
        raise AwsError("AlreadyExists", said)
    settings = {key: call.params[key] for key in KEPT if key in call.params}
    _launches(world, call, settings)
    low, high = call.params["MinSize"], call.params["MaxSize"]
    desired = call.get("DesiredCapacity", low)
    _bounds(low, high, desired)
    targets = _attachable(world, call.get("TargetGroupARNs") or [])
    targets += _attachable(world, [s["Identifier"] for s in call.get("TrafficSources") or []])
    for key, value in (
        ("DefaultCooldown", 300), ("HealthCheckType", "EC2"), ("HealthCheckGracePeriod", 0),
        ("TerminationPolicies", ["Default"]), ("NewInstancesProtectedFromScaleIn", False),
        ("CapacityRebalance", False),
    ):  # fmt: skip
        settings.setdefault(key, value)
    arn = f"arn:aws:autoscaling:{world.region}:{door.ACCOUNT}:autoScalingGroup:{uuid.uuid4()}:autoScalingGroupName/{name}"  # fmt: skip
    group = Group(
        name=name, arn=arn, created=world.clock.date(), low=low, high=high, desired=desired,
        settings=settings, subnets=_subnets(world, call), target_groups=targets,
        born_with=set(targets),
    )  # fmt: skip
    put_tags(group, call.get("Tags") or [])
    for hook in call.get("LifecycleHookSpecificationList") or []:
        hooks.put(group, hook)
    world.groups.all[name] = group
    world.scaling.nudge(
        group,
        f"a user request created an AutoScalingGroup changing the desired capacity from 0 to "
        f"{desired}.",
    )
    return {}


def _attachable(world: World, arns: list[str]) -> list[str]:
    known = door.elbv2(world.region).target_groups
    if unknown := [arn for arn in arns if arn not in known]:
        raise invalid(f"Provided Target Groups '{unknown[0]}' may not be valid. Please ensure they exist and try again.")  # fmt: skip
    return list(arns)


@ours("autoscaling", "UpdateAutoScalingGroup")
def update_group(world: World, call: Call) -> dict[str, Any]:
    """Bounds move the desired capacity along where it is not said.

    "If a new value for MinSize is specified without setting a value for DesiredCapacity, and the
    new MinSize is larger than the current size of the group, this sets the group's DesiredCapacity
    to the new MinSize value", and the same for MaxSize
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html).
    Members keep the template that they were launched from.
    """
    _known(call)
    group = _open(world, call)
    settings = {**group.settings, **{k: call.params[k] for k in KEPT if k in call.params}}
    if "LaunchTemplate" in call.params:
        settings.pop("MixedInstancesPolicy", None)
    elif "MixedInstancesPolicy" in call.params:
        settings.pop("LaunchTemplate", None)
    if {"LaunchTemplate", "MixedInstancesPolicy"} & set(call.params):
        _launches(world, call, settings)
    low, high = call.get("MinSize", group.low), call.get("MaxSize", group.high)
    wanted = call.get("DesiredCapacity")
    desired = min(max(group.desired, low), high) if wanted is None else wanted
    _bounds(low, high, desired)
    if {"VPCZoneIdentifier", "AvailabilityZones"} & set(call.params):
        group.subnets = _subnets(world, call)
    was, group.desired = group.desired, desired
    group.low, group.high, group.settings = low, high, settings
    cause = None
    if was != desired:
        cause = f"a user request update of AutoScalingGroup constraints to min: {low}, max: {high}, desired: {desired} changing the desired capacity from {was} to {desired}."  # fmt: skip
    world.scaling.nudge(group, cause)
    return {}


def _open(world: World, call: Call) -> Group:
    group = world.groups.find(call.params["AutoScalingGroupName"])
    if group.status:
        said = "You cannot perform this operation while the AutoScalingGroup is pending delete."
        raise AwsError("ScalingActivityInProgress", said)
    return group


@ours("autoscaling", "SetDesiredCapacity")
def set_desired_capacity(world: World, call: Call) -> dict[str, Any]:
    """Within the bounds; `HonorCooldown` is not modelled.

    SetDesiredCapacity (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html).
    """
    if call.get("HonorCooldown"):
        raise NotEmulated("HonorCooldown of autoscaling:SetDesiredCapacity")
    group, wanted = _open(world, call), call.params["DesiredCapacity"]
    for bound, over, word in ((group.high, wanted > group.high, "above max"), (group.low, wanted < group.low, "below min")):  # fmt: skip
        if over:
            said = f"New SetDesiredCapacity value {wanted} is {word} value {bound} for the AutoScalingGroup."
            raise invalid(said)
    was, group.desired = group.desired, wanted
    group.retry_at = 0.0
    world.scaling.nudge(
        group,
        f"a user request explicitly set group desired capacity changing the desired capacity from "
        f"{was} to {wanted}.",
    )
    return {}


@ours("autoscaling", "DeleteAutoScalingGroup")
def delete_group(world: World, call: Call) -> dict[str, Any]:
    """Refused while there are members or activities, unless it is forced.

    "If the group has instances or scaling activities in progress, you must specify the option to
    force the deletion in order for it to succeed"
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html).
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    if not call.get("ForceDelete"):
        if any(member.counts or member.state == "Standby" for member in group.members.values()):
            raise AwsError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances still in the group.",
            )
        if any(activity.open for activity in group.activities):
            raise AwsError(
                "ScalingActivityInProgress",
                "You cannot delete an AutoScalingGroup while there are scaling activities in "
                "progress for that group.",
            )
    asg_policies.group_deleted(world, group)
    group.status = "Delete in progress"
    group.desired = group.low = 0
    cause = f"At {world.scaling.stamp()} a user request force deleted AutoScalingGroup."
    for member in list(group.members.values()):
        if not member.state.startswith("Terminating"):
            world.scaling.terminate(group, member, cause, force=True)
        else:
            hooks.drop(member)
            world.scaling.shut_down(group, member)
    if not group.members:
        world.clock.after(world.laws.reaction, _forget, world, group)
    return {}


def _forget(world: World, group: Group) -> None:
    if world.groups.all.get(group.name) is group:
        world.groups.forget(group)


def told(world: World, group: Group, *, instances: bool = True) -> dict[str, Any]:
    """A group as DescribeAutoScalingGroups writes it."""
    sources = [{"Identifier": arn, "Type": "elbv2"} for arn in group.target_groups]
    said: dict[str, Any] = {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        **group.settings,
        "MinSize": group.low,
        "MaxSize": group.high,
        "DesiredCapacity": group.desired,
        "AvailabilityZones": group.zones,
        "LoadBalancerNames": [],
        "TargetGroupARNs": group.target_groups,
        "TrafficSources": sources,
        "Instances": [m.told() for m in group.members.values()] if instances else [],
        "CreatedTime": group.created,
        "SuspendedProcesses": [
            {"ProcessName": name, "SuspensionReason": why}
            for name, why in sorted(group.suspended.items())
        ],
        "VPCZoneIdentifier": ",".join(subnet for subnet, _ in group.subnets),
        "EnabledMetrics": [
            {"Metric": metric, "Granularity": "1Minute"} for metric in sorted(group.metrics)
        ],
        "Tags": told_tags(group),
    }
    if group.status:
        said["Status"] = group.status
    if group.warm_pool is not None:
        said |= {"WarmPoolConfiguration": group.warm_pool, "WarmPoolSize": 0}
    return said


@ours("autoscaling", "DescribeAutoScalingGroups")
def describe_groups(world: World, call: Call) -> dict[str, Any]:
    """By names or tag filters, 50 a page unless more are asked for; unknown names are left out.

    DescribeAutoScalingGroups (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html).
    """
    names = call.get("AutoScalingGroupNames")
    groups = [g for n, g in sorted(world.groups.all.items()) if not names or n in names]
    for wanted in call.get("Filters") or []:
        groups = [g for g in groups if _filtered(g, wanted["Name"], wanted.get("Values", []))]
    shown, token = page(groups, call, most=100, usual=50)
    full = call.get("IncludeInstances", True)
    return {"AutoScalingGroups": [told(world, g, instances=full) for g in shown]} | token


def _filtered(group: Group, name: str, values: list[str]) -> bool:
    if name == "tag-key":
        return any(key in group.tags for key in values)
    if name == "tag-value":
        return any(value in values for value, _ in group.tags.values())
    if name.startswith("tag:"):
        value = group.tags.get(name.removeprefix("tag:"))
        return value is not None and value[0] in values
    raise invalid(f"Invalid filter name '{name}'")


@ours("autoscaling", "DescribeScalingActivities")
def describe_activities(world: World, call: Call) -> dict[str, Any]:
    """The latest first; those of deleted groups where they are asked for.

    DescribeScalingActivities (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html).
    """
    name, ids = call.get("AutoScalingGroupName"), call.get("ActivityIds")
    found = [(g.arn, a) for g in world.groups.all.values() for a in g.activities]
    if name and name not in world.groups.all and not call.get("IncludeDeletedGroups"):
        world.groups.find(name)
    if call.get("IncludeDeletedGroups"):
        found += world.groups.past
    found = [(n, a) for n, a in found if (not name or a.group == name) and (not ids or a.id in ids)]
    found.sort(key=lambda pair: pair[1].start, reverse=True)
    shown, token = page(found, call, most=100, usual=100)
    return {"Activities": [activity.told(arn) for arn, activity in shown]} | token
