"""Images: what a name means, pinned to an AMI and its root snapshot."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from immutable.backend import Gone, Image, ImageState, Invalid
from immutable_aws.calls import Answer, Calls

__all__ = ["AMI", "deprecated", "describe_images", "image_of", "resolve", "root_snapshot"]

AMI = re.compile(r"ami-[0-9a-f]{8,17}")
"""What an AMI's id looks like."""
_NAMED = 5


async def resolve(calls: Calls, reference: str) -> Image:
    """Return the image that a reference means, pinned.

    Args:
        calls: The door to AWS.
        reference: An AMI id; ``ssm:/path`` or ``/aws/service/…``, a parameter that holds one and
            is read once, here; or the name of an AMI of this account.

    Raises:
        Invalid: There is none, or none that can be launched; says what is there.
    """
    ami = reference
    if reference.startswith(("ssm:", "resolve:ssm:", "/")):
        ami = await _parameter(calls, reference.removeprefix("resolve:").removeprefix("ssm:"))
    if AMI.fullmatch(ami):
        found = await describe_images(calls, [ami])
        if ami not in found:
            raise Invalid(f"no image {ami} in {calls.place.region}; {await _there(calls)}")
        return image_of(found[ami], _now(calls))
    named = await calls.pages(
        "ec2",
        "DescribeImages",
        "Images",
        Owners=["self"],
        Filters=[{"Name": "name", "Values": [ami]}],
        IncludeDisabled=True,
    )
    if not named:
        raise Invalid(
            f"no image named {ami} of this account in {calls.place.region}; {await _there(calls)}"
        )
    if len(named) > 1:
        ids = ", ".join(sorted(each["ImageId"] for each in named))
        raise Invalid(f"{len(named)} images are named {ami}: {ids}; pass one of these")
    return image_of(named[0], _now(calls))


def _now(calls: Calls) -> datetime:
    return datetime.fromtimestamp(calls.now(), UTC)


async def describe_images(calls: Calls, ids: Sequence[str]) -> dict[str, Answer]:
    """Return the descriptions of images that exist, by id."""
    found = await calls.pages(
        "ec2",
        "DescribeImages",
        "Images",
        # By filter: with ids a single one that is missing makes the call fail.
        Filters=[{"Name": "image-id", "Values": sorted(set(ids))}],
        IncludeDisabled=True,
    )
    return {each["ImageId"]: each for each in found}


async def _parameter(calls: Calls, name: str) -> str:
    try:
        answer = await calls.ask("ssm", "GetParameter", about=name, Name=name)
    except Gone as error:
        raise Invalid(
            f"no parameter {name} in {calls.place.region}; public ones are below"
            " /aws/service/ami-amazon-linux-latest/ and /aws/service/canonical/"
        ) from error
    value = str(answer["Parameter"]["Value"])
    if not AMI.fullmatch(value):
        raise Invalid(f"parameter {name} holds no AMI id; name one that does")
    return value


async def _there(calls: Calls) -> str:
    """Say what could be named: the newest images of this account."""
    found = await calls.pages("ec2", "DescribeImages", "Images", Owners=["self"])
    newest = sorted(found, key=lambda each: each.get("CreationDate", ""), reverse=True)[:_NAMED]
    names = ", ".join(f"{each.get('Name', '')} ({each['ImageId']})" for each in newest)
    return f"this account's newest are: {names}" if names else "this account has none"


def root_snapshot(described: Mapping[str, Any]) -> str:
    """Return the snapshot of an image's root volume; empty for one without."""
    root = described.get("RootDeviceName")
    for mapping in described.get("BlockDeviceMappings", ()):
        if mapping.get("DeviceName") == root:
            return str(mapping.get("Ebs", {}).get("SnapshotId", ""))
    return ""


def image_of(described: Mapping[str, Any], now: datetime) -> Image:
    """Return an image by its description.

    Its digest is the sha256 of ``aws``, the AMI's id and its root snapshot's, a line each: an AMI
    never changes, and whoever knows the snapshot can tell that it is the same.

    Raises:
        Invalid: Nothing can be launched from it; says why.
    """
    ami, state = described["ImageId"], described.get("State", "available")
    if state != "available":
        way_out = "enable it" if state == "disabled" else "wait for it"
        raise Invalid(f"image {ami} is {state}; {way_out}, or name another one")
    identity = "\n".join(("aws", ami, root_snapshot(described)))
    return Image(
        artifact=ami,
        digest=f"sha256:{hashlib.sha256(identity.encode()).hexdigest()}",
        name=described.get("Name", ""),
        state=ImageState.DEPRECATED if deprecated(described, now) else ImageState.AVAILABLE,
    )


def deprecated(described: Mapping[str, Any], now: datetime) -> bool:
    """Return whether an image is deprecated at a time."""
    text = str(described.get("DeprecationTime") or "")
    return bool(text) and datetime.fromisoformat(text) <= now
