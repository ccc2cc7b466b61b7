"""What a killed build leaves, made by hand, and a look at what there is of any build."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Left", "leave", "there"]

_KEY = "packer_00000000-1111-2222-3333-444444444444"
_GROUP = "packer_00000000-1111-2222-3333-555555555555"
_LONE = "packer_00000000-1111-2222-3333-666666666666"


@frozen
class Left:
    """What was left: the names that nothing but a note tells of."""

    names: tuple[str, ...]


def leave(emulator, build: str) -> Left:
    """Leave an instance with its key and group, a key that no instance uses yet, and disks."""
    ec2 = emulator.client("ec2")
    tag = [{"Key": "immutable:build", "Value": build}]
    half = {"Architecture": "x86_64", "RootDeviceName": "/dev/sda1", "VirtualizationType": "hvm"}
    base = ec2.register_image(Name=f"base-{build}", **half)["ImageId"]
    suffix = {"b1": ""}.get(build, build)
    for name in (_KEY, _LONE):
        ec2.create_key_pair(KeyName=_named(name, suffix))
    group = ec2.create_security_group(GroupName=_named(_GROUP, suffix), Description="Temporary")
    ec2.run_instances(
        ImageId=base, InstanceType="t3.small", MinCount=1, MaxCount=1, KeyName=_named(_KEY, suffix),
        SecurityGroupIds=[group["GroupId"]],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tag}],
    )  # fmt: skip
    unfinished = ec2.register_image(Name=f"half-{build}", **half)["ImageId"]
    (image,) = ec2.describe_images(ImageIds=[unfinished])["Images"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    ec2.create_tags(Resources=[unfinished, snapshot, volume], Tags=tag)
    emulator.image(id=unfinished, state="pending")
    return Left((_named(_LONE, suffix),))


def _named(name: str, suffix: str) -> str:
    return name[: len(name) - len(suffix)] + suffix


def there(emulator) -> dict[str, list[str]]:
    """What builds have made for a while and that is there; finished images are no such thing."""
    ec2 = emulator.client("ec2")
    instances = [
        each["InstanceId"]
        for reservation in ec2.describe_instances()["Reservations"]
        for each in reservation["Instances"]
        if each["State"]["Name"] != "terminated"
    ]
    images = ec2.describe_images(Owners=["self"])["Images"]
    used = {m["Ebs"]["SnapshotId"] for i in images for m in i["BlockDeviceMappings"]}
    snapshots = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    found = {
        "instances": instances,
        "images": [each["ImageId"] for each in images if each["State"] != "available"],
        "snapshots": [e["SnapshotId"] for e in snapshots if e.get("Tags")
                      and e["SnapshotId"] not in used],
        "volumes": [each["VolumeId"] for each in ec2.describe_volumes()["Volumes"]],
        "keys": [each["KeyName"] for each in ec2.describe_key_pairs()["KeyPairs"]],
        "groups": [each["GroupName"] for each in ec2.describe_security_groups()["SecurityGroups"]
                   if each["GroupName"].startswith("packer_")],
    }  # fmt: skip
    return {kind: some for kind, some in found.items() if some}
