"""Taking an AMI out of use, and bringing it back.

A deprecated AMI is launched as before by whoever names it: launch templates, Auto Scaling groups.
A disabled one is launched by nobody, is not listed, and has lost its launch permissions; running
instances are not affected ("Deprecate an Amazon EC2 AMI", "Disable an Amazon EC2 AMI", EC2 User
Guide).
"""

from __future__ import annotations

from datetime import UTC, datetime

from immutable.backend import Gone, Invalid
from immutable_aws.calls import Answer
from immutable_aws.hands import Hands
from immutable_aws.images import AMI, deprecated, describe_images

__all__ = ["moment", "restore_image", "withdraw_image"]


async def withdraw_image(hands: Hands, ami: str, *, launchable: bool) -> bool:
    """Deprecate an AMI, or disable it; return whether that changed anything.

    Raises:
        Gone: There is none.
        Invalid: It isn't made, or is no AMI.
        Denied: It is another account's.
    """
    described = await _described(hands, ami)
    if described["State"] == "disabled":
        return False
    if not launchable:
        await _change(hands, "DisableImage", ami)
        return True
    at = moment(hands.calls.now())
    if deprecated(described, at):
        return False
    await _change(hands, "EnableImageDeprecation", ami, DeprecateAt=at)
    return True


async def restore_image(hands: Hands, ami: str) -> bool:
    """Enable an AMI and cancel its deprecation; return whether that changed anything.

    A deprecation that somebody has planned for later stays. Launch permissions that went with the
    disabling are not given back.

    Raises:
        Gone: There is none.
        Invalid: It isn't made, or is no AMI.
        Denied: It is another account's.
    """
    described = await _described(hands, ami)
    old = deprecated(described, moment(hands.calls.now()))
    if old:
        await _change(hands, "DisableImageDeprecation", ami)
    disabled = described["State"] == "disabled"
    if disabled:
        await _change(hands, "EnableImage", ami)
    return old or disabled


# 10:00:20 and 10:00:59 give 10:02:00: never past when it arrives, whatever EC2 rounds.
def moment(now: float) -> datetime:
    """Return from when on an AMI can be deprecated: EC2 takes whole minutes, none that is past."""
    return datetime.fromtimestamp((now // 60 + 2) * 60, UTC)


async def _described(hands: Hands, ami: str) -> Answer:
    if not AMI.fullmatch(ami):
        raise Invalid(f"{ami} is no AMI's id; write ami-0abc123…")
    found = (await describe_images(hands.calls, [ami])).get(ami)
    if found is None:
        raise Gone(f"no image {ami} in {hands.calls.place.region}")
    if found["State"] not in ("available", "disabled"):
        raise Invalid(f"image {ami} is {found['State']}: wait for it, or deregister it")
    return found


async def _change(hands: Hands, call: str, ami: str, **params: object) -> None:
    await hands.change("ec2", call, ami, about=ami, ImageId=ami, **params)
