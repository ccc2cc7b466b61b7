"""Volumes take their time, have one writer in one zone, and outlive who had them.

Documents: API_CreateVolume, API_AttachVolume, API_DeleteVolume, API_CreateSnapshot (Amazon EC2 API
Reference), "Ensuring idempotency in Amazon EC2 API requests".
"""

from __future__ import annotations

import pytest


@pytest.fixture
def two(emulator, stage):
    """Two running instances in the first zone."""
    emulator.laws(boot=0.05, shutdown=0.05, volume=5, snapshot=5)
    image = stage.image("web-1")
    made = stage.ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2, SubnetId=stage.subnets[0]
    )
    return [each["InstanceId"] for each in made["Instances"]]


def made(stage, zone=0, **words):
    given = {"AvailabilityZone": stage.zones[zone], "Size": 8, "VolumeType": "gp3"}
    return stage.ec2.create_volume(**(given | words))["VolumeId"]


def told(stage, volume):
    (found,) = stage.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return found["State"], [(e["InstanceId"], e["State"]) for e in found["Attachments"]]


def attach(stage, volume, instance, device="/dev/sdf"):
    stage.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)


def test_a_volume_is_made_then_free_then_of_one_instance(emulator, stage, two, refused):
    volume = made(stage)
    assert told(stage, volume) == ("creating", [])
    words = {"VolumeId": volume, "InstanceId": two[0], "Device": "/dev/sdf"}
    refused("IncorrectState", stage.ec2.attach_volume, **words)
    emulator.skip(seconds=6)
    assert told(stage, volume) == ("available", [])
    attach(stage, volume, two[0])
    assert told(stage, volume) == ("in-use", [(two[0], "attaching")])
    emulator.skip(seconds=6)
    assert told(stage, volume) == ("in-use", [(two[0], "attached")])
    for instance in two:
        refused("VolumeInUse", stage.ec2.attach_volume, **(words | {"InstanceId": instance}))
    refused("VolumeInUse", stage.ec2.delete_volume, VolumeId=volume)


def test_it_outlives_its_instance_and_is_free_when_that_is_gone(emulator, stage, two):
    volume = made(stage)
    emulator.skip(seconds=6)
    attach(stage, volume, two[0])
    emulator.laws(shutdown=5)
    stage.ec2.terminate_instances(InstanceIds=[two[0]])
    assert told(stage, volume)[0] == "in-use"
    emulator.skip(seconds=6)
    assert told(stage, volume) == ("available", [])
    attach(stage, volume, two[1])
    assert told(stage, volume)[0] == "in-use"


def test_another_zone_another_device_and_who_does_not_run_are_refused(
    emulator, stage, two, refused
):
    here, also, there = made(stage), made(stage), made(stage, zone=1)
    emulator.skip(seconds=6)
    call = stage.ec2.attach_volume
    words = {"InstanceId": two[0], "Device": "/dev/sdf"}
    refused("InvalidVolume.ZoneMismatch", call, VolumeId=there, **words)
    refused("InvalidVolume.NotFound", call, VolumeId="vol-0123456789abcdef0", **words)
    attach(stage, here, two[0])
    refused("InvalidParameterValue", call, VolumeId=also, **words)
    stage.ec2.terminate_instances(InstanceIds=[two[1]])
    refused("IncorrectState", call, VolumeId=also, InstanceId=two[1], Device="/dev/sdf")


def test_a_token_makes_one_volume(stage, refused):
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "slot", "Value": "0"}]}]
    first = made(stage, ClientToken="t", TagSpecifications=tags)
    assert made(stage, ClientToken="t", TagSpecifications=tags) == first
    words = {"AvailabilityZone": stage.zones[0], "Size": 9, "ClientToken": "t"}
    refused("IdempotentParameterMismatch", stage.ec2.create_volume, **words)
    named = [{"Name": "tag:slot", "Values": ["0"]}]
    (found,) = stage.ec2.describe_volumes(Filters=named)["Volumes"]
    assert found["VolumeId"] == first


def test_a_snapshot_is_pending_and_without_a_token_there_are_two(emulator, stage, two):
    volume = made(stage)
    ids = [stage.ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(2)]
    assert len(set(ids)) == 2

    def states():
        found = stage.ec2.describe_snapshots(SnapshotIds=ids)["Snapshots"]
        return {each["State"] for each in found}

    assert states() == {"pending"}
    emulator.skip(seconds=6)
    assert states() == {"completed"}
