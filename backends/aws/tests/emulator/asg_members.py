"""Members by name: terminated, set aside, taken out, put in, protected, called sick, launched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .choosing import emptiest
from .errors import AwsError, NotEmulated, invalid
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
    """This one goes; with decrement nothing takes its place.

    TerminateInstanceInAutoScalingGroup
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html):
    deregistered from the load balancers first; replaced unless the desired capacity is decremented,
    which must not fall below the minimum. Scale-in protection and a suspended Terminate are about
    what the group does by itself and don't stop it ("Use instance scale-in protection …": manual
    termination).
    """
    if call.get("InstanceIds"):
        raise NotEmulated("InstanceIds of autoscaling:TerminateInstanceInAutoScalingGroup")
    instance_id = call.get("InstanceId")
    if not instance_id:
        raise invalid("InstanceId is required")
    group = world.groups.of(instance_id)
    if group is None:
        said = f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        raise invalid(said)
    member = group.members[instance_id]
    if member.state.startswith("Terminating"):
        assert member.activity is not None
        return {"Activity": member.activity.told(group.arn)}
    decrement = call.params["ShouldDecrementDesiredCapacity"]
    before = group.desired
    if decrement and member.counts:
        if group.desired - member.weight < group.low:
            raise invalid(
                f"Currently, desiredSize equals minSize ({group.low}). Terminating instance "
                "without replacement will violate group's min size constraint. Either set "
                "shouldDecrementDesiredCapacity flag to false or lower group's min size."
            )
        group.desired -= member.weight
    cause = f"At {world.scaling.stamp()} instance {instance_id} was taken out of service in response to a user request"  # fmt: skip
    cause += f", shrinking the capacity from {before} to {group.desired}." if decrement else "."
    activity = world.scaling.terminate(group, member, cause)
    world.scaling.nudge(group)
    return {"Activity": activity.told(group.arn)}


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
        world.scaling.leave_pools(group, member)
        member.state = "Standby"
        told.append(_noted(world, group, f"Moving EC2 instance to Standby: {member.id}", member))
    world.scaling.nudge(group)
    return {"Activities": told}


def _noted(world: World, group: Group, what: str, member: Member) -> dict[str, Any]:
    cause = f"At {world.scaling.stamp()} instance {member.id} was moved in response to a user request."  # fmt: skip
    activity = world.groups.begin(group, what, cause)
    world.groups.end(activity)
    return activity.told(group.arn)


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
        world.scaling.leave_pools(group, member)
        del group.members[member.id]
        told.append(_noted(world, group, f"Detaching EC2 instance: {member.id}", member))
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


@ours("autoscaling", "LaunchInstances")
def launch_instances(world: World, call: Call) -> dict[str, Any]:
    """Launch so many in one zone, at once, and tell their ids or why not.

    "Launching instances with synchronous provisioning"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/launching-instances-synchronous-provisioning.html)
    and LaunchInstances (…/APIReference/API_LaunchInstances.html): raises the desired capacity by what was
    launched; the token makes it idempotent for eight hours.
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    token = call.params["ClientToken"]
    asked = {k: v for k, v in call.params.items() if k != "ClientToken"}
    if known := group.tokens.get(token):
        if known[0] != asked:
            said = "The client token was used before with other parameters."
            raise AwsError("IdempotentParameterMismatch", said)
        return dict(known[1])
    count = call.params["RequestedCapacity"]
    if group.desired + count > group.high:
        said = (
            f"The requested capacity {count} would exceed the max size {group.high} of the group."
        )
        raise invalid(said)
    zone, subnet = _place(world, group, call)
    ids, errors = _launched(world, group, count, zone, subnet)
    group.desired += len(ids)
    place = {"AvailabilityZone": zone, "AvailabilityZoneId": world.zone_id(zone)}
    answer: dict[str, Any] = {
        "AutoScalingGroupName": group.name,
        "ClientToken": token,
        "Instances": [],
        "Errors": [{**place, "SubnetId": subnet, "MarketType": "OnDemand", **e} for e in errors],
    }
    if ids:
        kind = group.members[ids[0]].type
        answer["Instances"].append(
            {**place, "SubnetId": subnet, "MarketType": "OnDemand", "InstanceType": kind, "InstanceIds": ids}
        )  # fmt: skip
    group.tokens[token] = (asked, answer)
    return answer


def _place(world: World, group: Group, call: Call) -> tuple[str, str]:
    zones, subnets = call.get("AvailabilityZones"), call.get("SubnetIds")
    if not (zones or subnets) and len(group.zones) > 1:
        raise invalid("Either AvailabilityZones or SubnetIds must be specified for this group.")
    if subnets:
        found = [(s, z) for s, z in group.subnets if s == subnets[0]]
    else:
        wanted = zones[0] if zones else emptiest(group.zones, group.live())[0]
        found = [(s, z) for s, z in group.subnets if z == wanted]
    if not found:
        raise invalid(f"{(subnets or zones)[0]} is not part of the group's configuration.")
    return found[0][1], found[0][0]


def _launched(
    world: World, group: Group, count: int, zone: str, subnet: str
) -> tuple[list[str], list[dict[str, str]]]:
    cause = f"At {world.scaling.stamp()} a user request launched instances."
    ids: list[str] = []
    for _ in range(count):
        try:
            ids.append(world.scaling.launch(group, zone, cause, subnet).id)
        except AwsError as error:
            return ids, [{"ErrorCode": error.code, "ErrorMessage": error.message}]
    return ids, []
