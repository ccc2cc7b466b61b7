"""What others do to an instance behind its group's back, as DescribeInstances shows it afterwards.

A call of somebody's is not what is modelled here, but what it leaves:

- ModifyInstanceAttribute: the type, of a stopped instance; security groups, at any time
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html)
- ModifyInstanceMetadataOptions
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html)
- AssociateIamInstanceProfile
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateIamInstanceProfile.html)
- CreateReplaceRootVolumeTask: the root volume is another one, attached at that moment
  (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/replace-root.html)
- AttachVolume; StopInstances and StartInstances: the launch time is that of the last start
  (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html)
"""

from __future__ import annotations

from typing import Any

from . import door
from .world import World

__all__ = ["alter"]


def alter(world: World, instance: str, what: str, value: Any) -> None:
    """Let an instance be so.

    Args:
        world: Whose.
        instance: Which one.
        what: Of `ALTERATIONS`.
        value: What it is from now on.
    """
    if what not in ALTERATIONS:
        raise ValueError(f"no alteration {what!r}; there are {sorted(ALTERATIONS)}")
    ALTERATIONS[what](world, world.lives.find(instance), value)


def _type(world: World, instance: Any, value: str) -> None:
    world.supply.vcpus(value)
    instance.instance_type = value


def _groups(world: World, instance: Any, value: list[str]) -> None:
    backend = door.ec2(world.region)
    groups = [backend.get_security_group_from_id(each) for each in value]
    if None in groups:
        raise ValueError(f"no such security group among {value}")
    instance.nics[0]._group_set = groups
    instance.security_groups = groups


def _metadata(_: World, instance: Any, value: dict[str, str]) -> None:
    now = instance.metadata_options
    names = {"HttpTokens": "http_tokens", "HttpEndpoint": "http_endpoint"}
    for name, each in value.items():
        setattr(now, names[name], each)


def _profile(world: World, instance: Any, value: str) -> None:
    door.ec2(world.region).associate_iam_instance_profile(
        instance.id, iam_instance_profile_arn=value
    )


def _image(_: World, instance: Any, value: str) -> None:
    instance.image_id = value


def _root(world: World, instance: Any, value: str) -> None:
    _attach(world, instance, instance.root_device_name, value)


def _volume(world: World, instance: Any, value: str) -> None:
    _attach(world, instance, value, None)


def _attach(world: World, instance: Any, device: str, snapshot: str | None) -> None:
    backend, at = door.ec2(world.region), world.clock.date().replace(tzinfo=None)
    size = 8 if snapshot is None else None
    volume = backend.create_volume(
        size=size, zone_name=instance.placement.zone, snapshot_id=snapshot
    )
    backend.attach_volume(volume.id, instance.id, device, True)
    volume.attachment.attach_time = instance.block_device_mapping[device].attach_time = at


def _restart(world: World, instance: Any, _: Any) -> None:
    instance.launch_time = world.clock.date().replace(tzinfo=None)


def _hide(_: World, instance: Any, __: Any) -> None:
    """Without the time of its interface nobody can tell when it was launched first."""
    instance.nics[0].attach_time = None


ALTERATIONS = {
    "groups": _groups,
    "hide": _hide,
    "image": _image,
    "metadata": _metadata,
    "profile": _profile,
    "restart": _restart,
    "root": _root,
    "type": _type,
    "volume": _volume,
}
