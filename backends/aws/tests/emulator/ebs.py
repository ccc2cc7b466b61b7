"""Volumes and snapshots in time: who may attach what, and what is told meanwhile.

moto attaches at once, to anybody, also what is attached already. Here, as Amazon's documents say:

- CreateVolume is `creating`, then `available`; its token makes it once ("Ensuring idempotency in
  Amazon EC2 API requests", https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html,
  and "Volume state", https://docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html).
- AttachVolume: "to a running or stopped instance"; "The volume and instance must be within the same
  Availability Zone" (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html);
  the codes are those of "Error codes for the Amazon EC2 API"
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html): VolumeInUse,
  InvalidVolume.ZoneMismatch, IncorrectState, InvalidVolume.NotFound. `attaching`, then `attached`.
- DeleteVolume: "The volume must be in the available state"
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVolume.html).
- A volume that was attached later outlives its instance, and is free when that is terminated
  ("Preserve data when an instance is terminated",
  https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/preserving-volumes-on-termination.html).
- CreateSnapshot is `pending`, then `completed`; it takes no token
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, before, ours
from .errors import AwsError

if TYPE_CHECKING:
    from .world import World

ATTACHABLE = {"running", "stopped"}
"""The states of instances that volumes can be attached to."""


def _dry(call: Call) -> None:
    if call.get("DryRun"):
        said = "Request would have succeeded, but DryRun flag is set."
        raise AwsError("DryRunOperation", said)


def _volume(world: World, volume_id: str) -> Any:
    found = door.ec2(world.region).volumes.get(volume_id)
    if found is None:
        said = f"The volume '{volume_id}' does not exist."
        raise AwsError("InvalidVolume.NotFound", said)
    return found


def _tags(call: Call, kind: str) -> dict[str, str]:
    return {
        tag["Key"]: tag.get("Value", "")
        for spec in call.get("TagSpecifications", [])
        if spec["ResourceType"] == kind
        for tag in spec["Tags"]
    }


def _listed(resource: Any) -> list[dict[str, str]]:
    return [{"Key": tag["key"], "Value": tag["value"]} for tag in resource.get_tags()]


@ours("ec2", "CreateVolume")
def create_volume(world: World, call: Call) -> dict[str, Any]:
    """Made once a token; `creating` for a while."""
    _dry(call)
    token = call.get("ClientToken")
    asked = {k: v for k, v in call.params.items() if k not in {"ClientToken", "DryRun"}}
    if token and (known := world.tokens.get(("CreateVolume", token))):
        if known[0] != asked:
            said = (
                "The request uses the same client token as a previous, but non-identical request."
            )
            raise AwsError("IdempotentParameterMismatch", said)
        return dict(known[1])
    if call.params["AvailabilityZone"] not in world.zones():
        said = f"The zone '{call.params['AvailabilityZone']}' does not exist."
        raise AwsError("InvalidZone.NotFound", said)
    volume = door.ec2(world.region).create_volume(
        size=call.get("Size"),
        zone_name=call.params["AvailabilityZone"],
        snapshot_id=call.get("SnapshotId"),
        encrypted=call.get("Encrypted", False),
        volume_type=call.get("VolumeType"),
    )
    volume.add_tags(_tags(call, "volume"))
    door.volume_state(volume, "creating")
    world.clock.after(world.laws.volume, door.volume_state, volume, None)
    answer = {
        "VolumeId": volume.id,
        "AvailabilityZone": call.params["AvailabilityZone"],
        "CreateTime": volume.create_time,
        "Encrypted": bool(call.get("Encrypted")),
        "Size": volume.size,
        "SnapshotId": volume.snapshot_id or "",
        "State": "creating",
        "Tags": _listed(volume),
        "VolumeType": volume.volume_type,
    }
    if token:
        world.tokens["CreateVolume", token] = (asked, answer)
    return answer


@ours("ec2", "AttachVolume")
def attach_volume(world: World, call: Call) -> dict[str, Any]:
    """One writer; in one zone; to who runs or is stopped."""
    volume, instance = _volume(world, call.params["VolumeId"]), call.params["InstanceId"]
    life = world.lives.all.get(instance)
    if life is None:
        said = f"The instance ID '{instance}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", said)
    if volume.attachment:
        said = f"{volume.id} is already attached to an instance"
        raise AwsError("VolumeInUse", said)
    if volume.status != "available":
        said = f"The volume '{volume.id}' is not 'available'."
        raise AwsError("IncorrectState", said)
    if life.state not in ATTACHABLE:
        said = f"Instance '{instance}' is not 'running'."
        raise AwsError("IncorrectState", said)
    if volume.zone.name != life.zone:
        said = (
            f"The volume '{volume.id}' is not in the same availability zone as "
            f"instance '{instance}'"
        )
        raise AwsError("InvalidVolume.ZoneMismatch", said)
    device = call.params["Device"]
    if device in life.instance.block_device_mapping:
        said = (
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
        raise AwsError("InvalidParameterValue", said)
    _dry(call)
    attachment = door.ec2(world.region).attach_volume(volume.id, instance, device)
    attachment.status = "attaching"
    world.clock.after(world.laws.volume, setattr, attachment, "status", "attached")
    return {
        "VolumeId": volume.id,
        "InstanceId": instance,
        "Device": device,
        "State": "attaching",
        "AttachTime": attachment.attach_time,
    }


@before("ec2", "DeleteVolume")
def delete_volume(world: World, call: Call) -> None:
    """Only one that nobody has."""
    volume = _volume(world, call.params["VolumeId"])
    if volume.attachment:
        instance = volume.attachment.instance.id
        said = f"Volume {volume.id} is currently attached to {instance}"
        raise AwsError("VolumeInUse", said)


@ours("ec2", "CreateSnapshot")
def create_snapshot(world: World, call: Call) -> dict[str, Any]:
    """As the volume is now; `pending` until it is stored."""
    volume = _volume(world, call.params["VolumeId"])
    _dry(call)
    snapshot = door.ec2(world.region).create_snapshot(volume.id, call.get("Description", ""))
    snapshot.add_tags(_tags(call, "snapshot"))
    snapshot.status = "pending"
    world.clock.after(world.laws.snapshot, setattr, snapshot, "status", "completed")
    return {
        "SnapshotId": snapshot.id,
        "VolumeId": volume.id,
        "Description": snapshot.description,
        "State": "pending",
        "Progress": "",
        "StartTime": snapshot.start_time,
        "OwnerId": door.ACCOUNT,
        "VolumeSize": volume.size,
        "Tags": _listed(snapshot),
    }
