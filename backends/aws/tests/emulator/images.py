"""Images: what RegisterImage says about them is kept, names are unique, states are AWS's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, after, before, motos
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
