"""EC2's own actions on instances, as far as moto answers them differently from AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, after, before, motos, ours
from .errors import AwsError

if TYPE_CHECKING:
    from .world import World

motos(
    "ec2",
    "DescribeInstances", "DescribeInstanceStatus", "DescribeInstanceTypes", "DescribeVpcs",
    "DescribeInstanceTypeOfferings", "DescribeInstanceAttribute", "ModifyInstanceAttribute",
    "DescribeSubnets", "CreateVpc", "CreateSubnet", "DeleteSubnet", "DescribeAvailabilityZones",
    "CreateTags", "DeleteTags", "DescribeTags", "CreateSecurityGroup", "DescribeSecurityGroups",
    "DeleteSecurityGroup", "AuthorizeSecurityGroupIngress", "CreateInternetGateway",
    "AttachInternetGateway", "DescribeRegions", "DescribeVolumes", "DescribeNetworkInterfaces",
    "CreateKeyPair", "DescribeKeyPairs", "DeleteKeyPair", "DeleteVolume", "DeleteSnapshot", "ModifySubnetAttribute", "DescribeSnapshots",
    "DescribeRouteTables", "DescribeInternetGateways", "GetConsoleOutput", "RunInstances",
)  # fmt: skip


def _template(world: World, call: Call) -> dict[str, Any]:
    """The data of the launch template that the call names."""
    given = call.get("LaunchTemplate")
    if not given:
        return {}
    return dict(door.ec2(world.region)._get_template_from_args(given).data)


def _zone(world: World, call: Call, data: dict[str, Any]) -> str:
    subnet = call.get("SubnetId") or next(
        (n["SubnetId"] for n in data.get("NetworkInterfaces", []) if "SubnetId" in n), None
    )
    if subnet:
        return str(door.ec2(world.region).get_subnet(subnet).availability_zone)
    placement = call.get("Placement", data.get("Placement", {}))
    return str(placement.get("AvailabilityZone") or world.zones()[0])


@before("ec2", "RunInstances")
def run_instances(world: World, call: Call) -> dict[str, Any] | None:
    """Check what AWS checks, and how many can be had; a repeated token gets the first answer.

    "Ensuring idempotency in Amazon EC2 API requests"
    (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html): the same token with
    other parameters is `IdempotentParameterMismatch`; when the instances were terminated,
    `IdempotentInstanceTerminated`.
    """
    token = call.get("ClientToken")
    if token and (known := world.tokens.get(("RunInstances", token))):
        return _replay(world, call, known)
    data = _template(world, call)
    image = call.get("ImageId") or data.get("ImageId", "")
    kind = call.get("InstanceType") or data.get("InstanceType", "m1.small")
    world.supply.fits(world.parameters.resolve(image), kind)
    zone = _zone(world, call, data)
    least, most = call.params["MinCount"], call.params["MaxCount"]
    if least > most or least < 1:
        raise AwsError("InvalidParameterValue", "Invalid value for minCount and maxCount")
    if call.get("DryRun"):
        return None
    count = world.supply.grant(kind, zone, [zone], least, most)
    if call.get("SubnetId"):
        world.supply.addresses(call.params["SubnetId"], count)
    call.form["MinCount"] = str(count)
    return None


def _asked(call: Call) -> dict[str, Any]:
    return {k: v for k, v in call.params.items() if k not in {"ClientToken", "DryRun"}}


def _replay(world: World, call: Call, known: tuple[dict[str, Any], list[str]]) -> dict[str, Any]:
    asked, ids = known
    if asked != _asked(call):
        raise AwsError(
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous, but non-identical request.",
        )
    lives = [world.lives.all[each] for each in ids]
    if all(life.state in {"shutting-down", "terminated"} for life in lives):
        raise AwsError(
            "IdempotentInstanceTerminated",
            "The request uses the same client token as a previous request whose instances have "
            "been terminated.",
        )
    instances = [_brief(life.instance) for life in lives]
    return {"ReservationId": "r-" + ids[0][2:], "OwnerId": door.ACCOUNT, "Instances": instances}


def _brief(instance: Any) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "ImageId": instance.image_id,
        "InstanceType": instance.instance_type,
        "State": {"Code": instance.state_code, "Name": instance.state},
        "Placement": {"AvailabilityZone": instance.placement.zone},
        "ClientToken": instance.client_token,
        "SubnetId": instance.subnet_id,
        "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in instance.get_tags()],
    }


@after("ec2", "RunInstances")
def remember_token(world: World, call: Call) -> None:
    """The answer belongs to the token from now on."""
    if token := call.get("ClientToken"):
        reservation = list(door.ec2(world.region).reservations.values())[-1]
        ids = [instance.id for instance in reservation.instances]
        world.tokens["RunInstances", token] = (_asked(call), ids)


@before("ec2", "DeleteSecurityGroup")
def delete_security_group(world: World, call: Call) -> None:
    """One that an instance has can't be deleted.

    "If you attempt to delete a security group that is associated with an instance or network
    interface […] the operation fails with `DependencyViolation`"
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html).
    """
    wanted = {call.get("GroupId"), call.get("GroupName")} - {None}
    for life in world.lives.all.values():
        if life.state == "terminated":
            continue
        for group in life.instance.security_groups:
            if wanted & {group.id, group.name}:
                said = f"resource {group.id} has a dependent object"
                raise AwsError("DependencyViolation", said)


@ours("ec2", "TerminateInstances")
def terminate_instances(world: World, call: Call) -> dict[str, Any]:
    """Shutting down takes time; one unknown id and nothing is terminated.

    TerminateInstances (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html).
    """
    ids = call.params["InstanceIds"]
    if unknown := [each for each in ids if each not in world.lives.all]:
        which = f"ID{'s' * (len(unknown) > 1)} '{', '.join(unknown)}' do"
        said = f"The instance {which}{'es' * (len(unknown) == 1)} not exist"
        raise AwsError("InvalidInstanceID.NotFound", said)
    for each in ids:
        if world.lives.find(each).disable_api_termination:
            raise AwsError(
                "OperationNotPermitted",
                f"The instance '{each}' may not be terminated. Modify its "
                "'disableApiTermination' instance attribute and try again.",
            )
    if call.get("DryRun"):
        said = "Request would have succeeded, but DryRun flag is set."
        raise AwsError("DryRunOperation", said)
    return {"TerminatingInstances": [_terminated(world, each) for each in ids]}


def _terminated(world: World, instance_id: str) -> dict[str, Any]:
    codes = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopped": 80}
    was = world.lives.shut_down(instance_id)
    now = world.lives.all[instance_id].state
    return {
        "InstanceId": instance_id,
        "CurrentState": {"Code": codes[now], "Name": now},
        "PreviousState": {"Code": codes[was], "Name": was},
    }


_STOPPED = {"running": (16, 64, "stopping"), "stopped": (80, 80, "stopped")}
"""From which states an instance can be stopped: its code, and what it is told to be then."""


@ours("ec2", "StopInstances")
def stop_instances(world: World, call: Call) -> dict[str, Any]:
    """Running instances stop, their volumes stay; nobody does if one of them is gone.

    StopInstances (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html).
    One that is stopped already may be named, and is told to be just that.
    """
    ids = call.params["InstanceIds"]
    for each in ids:
        if each not in world.lives.all:
            said = f"The instance ID '{each}' does not exist"
            raise AwsError("InvalidInstanceID.NotFound", said)
        if world.lives.all[each].state not in _STOPPED:
            said = f"The instance '{each}' is not in a state from which it can be stopped."
            raise AwsError("IncorrectInstanceState", said)
    return {"StoppingInstances": [_stopped(world, each) for each in ids]}


def _stopped(world: World, instance_id: str) -> dict[str, Any]:
    was = world.lives.all[instance_id].state
    code, now, name = _STOPPED[was]
    world.lives.stop(instance_id)
    return {
        "InstanceId": instance_id,
        "CurrentState": {"Code": now, "Name": name},
        "PreviousState": {"Code": code, "Name": was},
    }
