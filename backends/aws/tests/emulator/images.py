"""Images: what RegisterImage says about them is kept, names are unique, states are AWS's.

Disabling and deprecating: "Disable an Amazon EC2 AMI"
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/disable-an-ami.html), "Deprecate an Amazon EC2 AMI"
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, after, before, motos, ours
from .errors import AwsError

if TYPE_CHECKING:
    from .world import World

motos("ec2", "CreateImage", "RegisterImage", "DescribeImages", "DeregisterImage", "DisableImage", "EnableImage",
      "DescribeImageAttribute", "ModifyImageAttribute")  # fmt: skip

STATES = ("pending", "available", "invalid", "deregistered", "transient", "failed", "error", "disabled")  # fmt: skip
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html, imageState."""


@before("ec2", "CreateImage", "RegisterImage")
def unique_name(world: World, call: Call) -> None:
    """A name is taken once in an account and region ("InvalidAMIName.Duplicate",
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)."""
    for image in door.ec2(world.region).amis.values():
        if image.name == call.params["Name"] and image.owner_id == door.ACCOUNT:
            said = f"AMI name {image.name} is already in use by AMI {image.id}"
            raise AwsError("InvalidAMIName.Duplicate", said)


@after("ec2", "RegisterImage")
def as_registered(world: World, call: Call) -> None:
    """Keep architecture and root snapshot, which moto drops.

    RegisterImage: the architecture is i386 unless one is given for an image that is backed by EBS
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RegisterImage.html).
    """
    amis = door.ec2(world.region).amis.values()
    image = next(i for i in reversed(amis) if i.name == call.params["Name"])
    image.architecture = call.get("Architecture", "i386")
    image.virtualization_type = call.get("VirtualizationType", "paravirtual")
    image.root_device_name = call.get("RootDeviceName", "/dev/sda1")
    image.root_device_type = "ebs"
    for mapping in call.get("BlockDeviceMappings") or []:
        if mapping["DeviceName"] == image.root_device_name and "SnapshotId" in mapping.get(
            "Ebs", {}
        ):
            kept = door.ec2(world.region).snapshots
            image.ebs_snapshot = kept.get(mapping["Ebs"]["SnapshotId"], image.ebs_snapshot)


def _own(world: World, call: Call) -> Any:
    """An image that the caller may change: its own.

    Raises:
        AwsError: there is none, or it is somebody else's ("AuthFailure",
            https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
    """
    wanted = call.params["ImageId"]
    image = door.ec2(world.region).amis.get(wanted)
    if image is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{wanted}]' does not exist")
    if image.owner_id != door.ACCOUNT:
        raise AwsError("AuthFailure", f"Not authorized for images: [{wanted}]")
    return image


@before("ec2", "DisableImage", "EnableImage")
def in_a_state_to_change(world: World, call: Call) -> None:
    """Only the owner, and only an image that is made; not one that is pending or has failed."""
    image = _own(world, call)
    if image.state not in {"available", "disabled"}:
        said = f"The image ID '{image.id}' is not available"
        raise AwsError("InvalidAMIID.Unavailable", said)


@after("ec2", "DisableImage")
def private(world: World, call: Call) -> None:
    """Disabling removes all launch permissions; enabling gives none of them back."""
    if not call.get("DryRun"):
        _own(world, call).launch_permissions.clear()


@before("ec2", "DescribeImages")
def without_disabled(world: World, call: Call) -> None:
    """A disabled image does not appear by default (API_DescribeImages, IncludeDisabled)."""
    del world
    if call.get("IncludeDisabled") or call.get("ImageIds"):
        return
    name = f"Filter.{len(call.get('Filters') or []) + 1}"
    call.form[f"{name}.Name"] = "state"
    for number, state in enumerate((each for each in STATES if each != "disabled"), 1):
        call.form[f"{name}.Value.{number}"] = state


@ours("ec2", "EnableImageDeprecation")
def deprecate(world: World, call: Call) -> dict[str, Any]:
    """Deprecate an image at a time that is not past, to the minute, 10 years ahead at most.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html.
    """
    image = _own(world, call)
    now, wanted = datetime.fromtimestamp(world.clock.now(), UTC), call.params["DeprecateAt"]
    if not now <= wanted <= now + timedelta(days=3653):
        said = f"The date {wanted.isoformat()} is in the past, or more than 10 years from now"
        raise AwsError("InvalidParameterValue", said)
    _dry(call)
    nearest = round(wanted.timestamp() / 60) * 60
    told = datetime.fromtimestamp(nearest, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    image.deprecation_time = told
    return {"Return": True}


@ours("ec2", "DisableImageDeprecation")
def undeprecate(world: World, call: Call) -> dict[str, Any]:
    """Cancel the deprecation of an image.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImageDeprecation.html.
    """
    image = _own(world, call)
    _dry(call)
    image.deprecation_time = None
    return {"Return": True}


def _dry(call: Call) -> None:
    if call.get("DryRun"):
        said = "Request would have succeeded, but DryRun flag is set."
        raise AwsError("DryRunOperation", said)


def change(world: World, image_id: str, **fields: Any) -> None:
    """Put an image into a state, or give it another owner.

    Raises:
        ValueError: no such state.
    """
    image = door.ec2(world.region).amis[image_id]
    if fields.get("state", "available") not in STATES:
        raise ValueError(f"no image state {fields['state']!r}; there are {STATES}")
    for name, value in fields.items():
        setattr(image, name, value)
