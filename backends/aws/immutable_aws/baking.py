"""What builds of images leave: found by their tag, and removed.

Packer's builder for EBS tags instances, volumes, images and snapshots as it is told, but not the
key pair and the security group that it makes for a while (1.6). Those are known by the instance
that uses them, and by what was heard of the build. One that a lost machine had just asked for is
known by the time that is in its name: `stray` has the rule.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from immutable.backend import Conflict, Gone, Throttled
from immutable_aws.calls import Answer, Calls

if TYPE_CHECKING:
    from immutable.builders import Traces

__all__ = ["BUILD_TAG", "baked", "remove_bake", "stray"]

BUILD_TAG = "immutable:build"
"""What everything is tagged with that a build makes."""

_PREFIX = "packer_"
_PATIENCE = 240.0
"""Seconds that an instance may take to be terminated; AWS takes about one."""
_POLL = 3.0
_TIMED = re.compile(r"packer_([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONG = 3600.0
"""Seconds after which nobody's Packer uses what it made: it launches within minutes."""


def _tagged(build: str) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{BUILD_TAG}", "Values": [build]}]


async def baked(calls: Calls, build: str) -> tuple[tuple[str, str], ...]:
    """Return region and id of each image that a build has finished."""
    images = await _images(calls, build)
    done = sorted(each["ImageId"] for each in images if each["State"] == "available")
    return tuple((calls.place.region, each) for each in done)


async def _images(calls: Calls, build: str) -> list[Answer]:
    filters = _tagged(build)
    return await calls.pages("ec2", "DescribeImages", "Images", Owners=["self"], Filters=filters)


async def remove_bake(calls: Calls, traces: Traces) -> tuple[str, ...]:
    """Remove what a build has left but for finished images, and return it in words.

    Nothing is touched but what carries the build's tag, and what is named as Packer names what it
    makes for a while: by the traces, by an instance that carries the tag and uses it, or by a
    `stray`'s name, if nobody uses it.
    """
    instances = await _instances(calls, traces.build)
    keys = {each.get("KeyName", "") for each in instances} | set(traces.names)
    groups = {group["GroupName"] for each in instances for group in each["SecurityGroups"]}
    removed = await _end(calls, traces.build, instances)
    removed += await _disks(calls, traces.build)
    removed += await _keys(calls, {name for name in keys if name.startswith(_PREFIX)})
    named = {name for name in groups | set(traces.names) if name.startswith(_PREFIX)}
    removed += await _groups(calls, named)
    return tuple(removed + await _strays(calls, traces))


def stray(name: str, traces: Traces, now: float) -> bool:
    """Whether a key pair or security group that nobody uses may be one that a build has left.

    Packer names it before it asks for it, but who is killed in between with the process that hears
    it has not written that down. The name is a UUID that begins with the time in seconds (packer's
    ``common/uuid``, ``TimeOrderedUUID``). So it is the build's, or has been left by somebody
    else's, when it was named while the build ran, and an hour ago.

    Args:
        name: What it is called.
        traces: The build.
        now: The time, in seconds since the epoch.
    """
    timed = _TIMED.fullmatch(name)
    if timed is None:
        return False
    named = int(timed[1], 16)
    return int(traces.begun) <= named <= traces.ended and named + _LONG < now


async def _strays(calls: Calls, traces: Traces) -> list[str]:
    """Remove what is a `stray` and nobody uses."""
    now = calls.now()
    if traces.begun + _LONG >= now:
        return []
    pairs = (await calls.ask("ec2", "DescribeKeyPairs", Filters=_named("key-name"))).get("KeyPairs")
    names = [each["KeyName"] for each in pairs or () if stray(each["KeyName"], traces, now)]
    removed = await _keys(calls, await _unused(calls, names))
    groups = await calls.pages(
        "ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=_named("group-name")
    )
    for name in sorted(each["GroupName"] for each in groups):
        if stray(name, traces, now):
            with suppress(Throttled):  # Not now: somebody uses it. The next sweep looks again.
                removed += await _groups(calls, {name})
    return removed


def _named(key: str) -> list[dict[str, Any]]:
    return [{"Name": key, "Values": [f"{_PREFIX}*"]}]


async def _unused(calls: Calls, keys: list[str]) -> set[str]:
    """Return the key pairs that no instance was launched with."""
    filters = [{"Name": "key-name", "Values": keys}]
    if not keys:
        return set()
    users = await calls.pages("ec2", "DescribeInstances", "Reservations", Filters=filters)
    return set(keys) - {each.get("KeyName", "") for some in users for each in some["Instances"]}


async def _instances(calls: Calls, build: str) -> list[Answer]:
    told = await calls.pages("ec2", "DescribeInstances", "Reservations", Filters=_tagged(build))
    return [each for reservation in told for each in reservation["Instances"]]


async def _end(calls: Calls, build: str, instances: list[Answer]) -> list[str]:
    """Terminate instances, and wait until they are: their security groups are in use till then."""
    alive = [each["InstanceId"] for each in instances if _exists(each)]
    if not alive:
        return []
    await calls.ask("ec2", "TerminateInstances", about=", ".join(alive), InstanceIds=alive)
    until = asyncio.get_running_loop().time() + _PATIENCE
    while any(_exists(each) for each in await _instances(calls, build)):
        if asyncio.get_running_loop().time() >= until:
            raise Conflict(f"{', '.join(alive)} don't end; look at them in the console")
        await asyncio.sleep(_POLL)
    return [f"instance {each}" for each in alive]


def _exists(instance: Answer) -> bool:
    return bool(instance["State"]["Name"] != "terminated")


async def _disks(calls: Calls, build: str) -> list[str]:
    """Remove images that are not finished, snapshots of no image, and volumes of no instance."""
    removed: list[str] = []
    used: set[str] = set()
    for each in await _images(calls, build):
        if each["State"] == "available":
            used |= _snapshots(each)
        else:
            await _gone(calls, "DeregisterImage", ImageId=each["ImageId"])
            removed.append(f"image {each['ImageId']}, which was not finished")
    told = await calls.pages("ec2", "DescribeSnapshots", "Snapshots", Filters=_tagged(build))
    for name in sorted({each["SnapshotId"] for each in told} - used):
        await _gone(calls, "DeleteSnapshot", SnapshotId=name)
        removed.append(f"snapshot {name}")
    told = await calls.pages("ec2", "DescribeVolumes", "Volumes", Filters=_tagged(build))
    for each in told:
        await _gone(calls, "DeleteVolume", VolumeId=each["VolumeId"])
        removed.append(f"volume {each['VolumeId']}")
    return removed


def _snapshots(image: Answer) -> set[str]:
    """Return the snapshots of all disks of an image, of which it may have more than its root."""
    disks = [each.get("Ebs", {}) for each in image.get("BlockDeviceMappings", ())]
    return {disk["SnapshotId"] for disk in disks if "SnapshotId" in disk}


async def _keys(calls: Calls, names: Collection[str]) -> list[str]:
    filters = [{"Name": "key-name", "Values": sorted(names)}]
    answer = await calls.ask("ec2", "DescribeKeyPairs", Filters=filters) if names else {}
    found = sorted(each["KeyName"] for each in answer.get("KeyPairs", ()))
    for name in found:
        await _gone(calls, "DeleteKeyPair", KeyName=name)
    return [f"key pair {name}" for name in found]


async def _groups(calls: Calls, names: Collection[str]) -> list[str]:
    filters = [{"Name": "group-name", "Values": sorted(names)}]
    if not names:
        return []
    told = await calls.pages("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=filters)
    for each in told:
        await _gone(calls, "DeleteSecurityGroup", GroupId=each["GroupId"])
    return [f"security group {each['GroupName']}" for each in told]


async def _gone(calls: Calls, call: str, **params: str) -> None:
    """Remove one thing; one that is gone already is done."""
    try:
        await calls.ask("ec2", call, about=next(iter(params.values())), **params)
    except Gone:
        return
