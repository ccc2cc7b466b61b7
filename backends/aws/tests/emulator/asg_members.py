"""Members by name: terminated, set aside, taken out, put in, protected, called sick, launched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .errors import AwsError, invalid
from .groups import Group, Member
from .paging import page

if TYPE_CHECKING:
    from .world import World


def _shrink(group: Group, members: list[Member], what: str) -> None:
    """Lower the desired capacity by what leaves, not below the minimum."""
    less = group.desired - sum(m.weight for m in members)
    if less < group.low:
        raise invalid(
            f"AutoScalingGroup {group.name} has min-size={group.low}, max-size={group.high}, and "
            f"desired-size={group.desired}. To {what} {len(members)} instance"
            f"{'s' * (len(members) > 1)}, please update the AutoScalingGroup sizes appropriately."
        )
    group.desired = less


@ours("autoscaling", "TerminateInstanceInAutoScalingGroup")
def terminate(world: World, call: Call) -> dict[str, Any]:
    """These go; with decrement nothing takes their place.

    TerminateInstanceInAutoScalingGroup
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html):
    one by InstanceId, or up to 100 of a group by InstanceIds; replaced unless the desired capacity
    is decremented, which must not fall below the minimum. Scale-in protection "does not protect …
    from manual termination through … TerminateInstanceInAutoScalingGroup"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html).
    """
    several, one = call.get("InstanceIds"), call.get("InstanceId")
    if bool(several) == bool(one):
        raise invalid("Either InstanceId or InstanceIds must be specified")
    if several and not call.get("AutoScalingGroupName"):
        raise invalid("AutoScalingGroupName is required when using InstanceIds")
    ids = list(dict.fromkeys(several or [one]))
    group = world.groups.of(ids[0])
    for each in ids:
        if (owner := world.groups.of(each)) is None or owner is not group:
            said = f"Instance Id not found - No managed instance found for instance ID: {each}"
            raise invalid(said)
    assert group is not None
    members = [group.members[each] for each in ids]
    activities = _terminated(world, group, members, call.params["ShouldDecrementDesiredCapacity"])
    return {"Activities": activities} if several else {"Activity": activities[0]}


def _terminated(
    world: World, group: Group, members: list[Member], decrement: bool
) -> list[dict[str, Any]]:
    """Who is on its way already stays on it, and changes no size.

    While Terminate is suspended, the request is taken, and a member in service is terminated when it
    is resumed: AWS's pages don't say so in as many words ("you can still force instances to be
    terminated by using the delete-auto-scaling-group command with the force delete option",
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/suspend-resume-considerations.html), but
    the cluster autoscaler's record is that nothing is ever terminated then
    (https://github.com/kubernetes/autoscaler/pull/5601).
    """
    new = [m for m in members if not (m.state.startswith("Terminating") or m.condemned)]
    less, before = sum(m.weight for m in new if m.counts), group.desired
    if decrement and group.desired - less < group.low:
        raise invalid(
            f"Currently, desiredSize equals minSize ({group.low}). Terminating instance without "
            "replacement will violate group's min size constraint. Either set "
            "shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )
    if decrement:
        group.desired -= less
    for member in new:
        cause = f"At {world.scaling.stamp()} instance {member.id} was taken out of service in response to a user request"
        cause += f", shrinking the capacity from {before} to {group.desired}." if decrement else "."
        if group.on("Terminate") or member.state != "InService":
            world.scaling.terminate(group, member, cause)
        else:
            member.condemned = cause
            member.activity = world.groups.begin(
                group, f"Terminating EC2 instance: {member.id}", cause
            )
    world.scaling.nudge(group)
    return [m.activity.told(group.arn) for m in members if m.activity]


def _named(call: Call, group: Group, states: set[str], most: int = 20) -> list[Member]:
    """Members by id, all in one of the states; at most so many a call."""
    ids = call.get("InstanceIds") or []
    if len(ids) > most:
        raise AwsError("LimitExceeded", f"The maximum number of instance IDs is {most}.")
    members = [group.member(each) for each in ids]
    for member in members:
        if member.state not in states:
            raise invalid(
                f"The instance {member.id} is in {member.state} state, which is not one of "
                f"{', '.join(sorted(states))}."
            )
    return members


@ours("autoscaling", "EnterStandby")
def enter_standby(world: World, call: Call) -> dict[str, Any]:
    """Out of the target groups and of the count; replaced unless the capacity is decremented.

    "Temporarily remove instances from your Auto Scaling group"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html).
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    members = _named(call, group, {"InService"})
    if call.params["ShouldDecrementDesiredCapacity"]:
        _shrink(group, members, "place into standby")
    told = []
    for member in members:
        delay = world.scaling.leave_pools(group, member)
        member.state = "EnteringStandby" if delay else "Standby"
        what = f"Moving EC2 instance to Standby: {member.id}"
        told.append(_noted(world, group, what, member, delay, _stands))
    world.scaling.nudge(group)
    return {"Activities": told}


def _stands(group: Group, member: Member) -> None:
    if member.state == "EnteringStandby":
        member.state = "Standby"


def _gone(group: Group, member: Member) -> None:
    if member.state == "Detaching":
        group.members.pop(member.id, None)


def _noted(
    world: World,
    group: Group,
    what: str,
    member: Member,
    delay: float = 0.0,
    then: Callable[[Group, Member], None] = lambda *_: None,
) -> dict[str, Any]:
    """An activity that lasts as long as connections drain, and what comes then."""
    cause = f"At {world.scaling.stamp()} instance {member.id} was moved in response to a user request."  # fmt: skip
    activity = world.groups.begin(group, what, cause, progress=50)
    told = activity.told(group.arn)
    if delay:
        world.clock.after(delay, world.groups.end, activity)
        world.clock.after(delay, then, group, member)
    else:
        world.groups.end(activity)
        then(group, member)
    return told


@ours("autoscaling", "ExitStandby")
def exit_standby(world: World, call: Call) -> dict[str, Any]:
    """Back into service; the desired capacity grows by as many, within the maximum."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    members = _named(call, group, {"Standby"})
    if not group.on("Launch"):
        raise invalid("The Launch process is suspended: instances can't return from standby.")
    if group.desired + len(members) > group.high:
        raise invalid(
            f"AutoScalingGroup {group.name} has min-size={group.low}, max-size={group.high}, and "
            f"desired-size={group.desired}. To exit standby, please update the sizes appropriately."
        )
    group.desired += sum(m.weight for m in members)
    told = []
    for member in members:
        member.state = "Pending"
        told.append(
            _noted(world, group, f"Moving EC2 instance out of Standby: {member.id}", member)
        )
        world.clock.after(world.laws.reaction, world.scaling.serve, group, member)
    return {"Activities": told}


@ours("autoscaling", "DetachInstances")
def detach_instances(world: World, call: Call) -> dict[str, Any]:
    """Out of the group, running on by itself (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html)."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    members = _named(call, group, {"InService", "Standby"})
    if call.params["ShouldDecrementDesiredCapacity"]:
        _shrink(group, [m for m in members if m.counts], "detach")
    told = []
    for member in members:
        delay = world.scaling.leave_pools(group, member)
        member.state = "Detaching"
        what = f"Detaching EC2 instance: {member.id}"
        told.append(_noted(world, group, what, member, delay, _gone))
    world.scaling.nudge(group)
    return {"Activities": told}


@ours("autoscaling", "AttachInstances")
def attach_instances(world: World, call: Call) -> dict[str, Any]:
    """Running instances join; the desired capacity grows by as many, within the maximum."""
    group, ids = (
        world.groups.find(call.params["AutoScalingGroupName"]),
        call.get("InstanceIds") or [],
    )
    if group.desired + len(ids) > group.high:
        raise invalid("The attached instances would exceed the maximum size of the group.")
    for each in ids:
        life = world.lives.all.get(each)
        if life is None or life.state != "running" or world.groups.of(each):
            raise invalid(f"Invalid Instance ID(s): [{each}] specified")
    for each in ids:
        life = world.lives.all[each]
        template, _ = world.scaling.template(group)
        member = Member(each, life.type, life.zone, world.zone_id(life.zone), life.image, template)
        group.members[each] = member
        group.desired += 1
        world.scaling.serve(group, member)
    return {}


@ours("autoscaling", "SetInstanceProtection")
def set_instance_protection(world: World, call: Call) -> dict[str, Any]:
    """From scale-in only; at most 50 ids a call.

    SetInstanceProtection (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html).
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    states = {"InService", "Standby", "Pending", "Pending:Wait", "Pending:Proceed"}
    for member in _named(call, group, states, most=50):
        member.protected = call.params["ProtectedFromScaleIn"]
    world.scaling.nudge(group)
    return {}


@ours("autoscaling", "SetInstanceHealth")
def set_instance_health(world: World, call: Call) -> dict[str, Any]:
    """Whoever is called unhealthy is replaced, after the grace period unless told otherwise.

    SetInstanceHealth (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html).
    """
    group, status = world.groups.of(call.params["InstanceId"]), call.params["HealthStatus"]
    if group is None:
        said = f"Instance Id not found - No managed instance found for instance ID: {call.params['InstanceId']}"  # fmt: skip
        raise invalid(said)
    if status not in {"Healthy", "Unhealthy"}:
        raise invalid(f"Invalid value '{status}' for HealthStatus: Healthy or Unhealthy")
    member = group.members[call.params["InstanceId"]]
    grace = float(group.settings.get("HealthCheckGracePeriod") or 0) * world.laws.scale
    early = member.in_service is None or world.clock.now() < member.in_service + grace
    if not (early and call.get("ShouldRespectGracePeriod", True)):
        member.health = status
    return {}


@ours("autoscaling", "DescribeAutoScalingInstances")
def describe_instances(world: World, call: Call) -> dict[str, Any]:
    """Members by id, of whatever group; at most 50 ids."""
    ids = call.get("InstanceIds")
    if ids and len(ids) > 50:
        raise invalid("The number of instance ids that may be passed in is limited to 50")
    told = [
        member.told() | {"AutoScalingGroupName": group.name, "HealthStatus": member.health.upper()}
        for group in world.groups.all.values()
        for member in group.members.values()
        if not ids or member.id in ids
    ]
    shown, token = page(told, call, most=50, usual=50)
    return {"AutoScalingInstances": list(shown)} | token
