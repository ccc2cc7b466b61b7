"""LaunchInstances: members by name of the zone, with their ids or the reason in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .choosing import emptiest
from .errors import AwsError, invalid
from .groups import Group

if TYPE_CHECKING:
    from .world import World


@ours("autoscaling", "LaunchInstances")
def launch_instances(world: World, call: Call) -> dict[str, Any]:
    """Launch so many in one zone, at once, and tell their ids or why not.

    "Launching instances with synchronous provisioning"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/launching-instances-synchronous-provisioning.html)
    and LaunchInstances
    (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchInstances.html): at most 100
    instances; with `retry-with-group-configuration` what could not be launched is added to the
    desired capacity, and the group goes on trying. A repeated token gets the first answer.
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
    if count > 100:
        raise invalid("At most 100 instances can be launched by a call.")
    if group.desired + count > group.high:
        said = (
            f"The requested capacity {count} would exceed the max size {group.high} of the group."
        )
        raise invalid(said)
    answer = _launch(world, group, call, count)
    group.tokens[token] = (asked, answer)
    return answer


def _launch(world: World, group: Group, call: Call, count: int) -> dict[str, Any]:
    zone, subnet = _place(world, group, call)
    ids, errors = _launched(world, group, count, zone, subnet)
    again = call.get("RetryStrategy") == "retry-with-group-configuration"
    group.desired += count if again else len(ids)
    world.scaling.nudge(group)
    place = {
        "AvailabilityZone": zone,
        "AvailabilityZoneId": world.zone_id(zone),
        "SubnetId": subnet,
        "MarketType": "OnDemand",
    }
    answer: dict[str, Any] = {
        "AutoScalingGroupName": group.name,
        "ClientToken": call.params["ClientToken"],
        "Instances": [],
        "Errors": [{**place, **error} for error in errors],
    }
    if ids:
        kind = group.members[ids[0]].type
        answer["Instances"] = [{**place, "InstanceType": kind, "InstanceIds": ids}]
    return answer


def _place(world: World, group: Group, call: Call) -> tuple[str, str]:
    """The zone and the subnet of the group that the call names."""
    zones, subnets = call.get("AvailabilityZones"), call.get("SubnetIds")
    if by_id := call.get("AvailabilityZoneIds"):
        if zones:
            raise invalid("You cannot specify both AvailabilityZones and AvailabilityZoneIds.")
        zones = [z for z in group.zones if world.zone_id(z) in by_id] or by_id
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
