"""Taking an image out of use, and bringing it back.

DEPRECATED images are used as before by whoever names them; families pass over them. A new use of
an OBSOLETE one is an error, and so is each VM that a managed group would make of it; running VMs
are not affected ("Deprecate a custom image"; ``DeprecationStatus.state`` in the API reference).
"""

from __future__ import annotations

from immutable.backend import Invalid
from immutable_gcp.calls import Answer
from immutable_gcp.hands import Hands
from immutable_gcp.images import Reference, describe, parse

__all__ = ["restore_image", "withdraw_image"]

_UNUSABLE = ("OBSOLETE", "DELETED")
_WITHDRAWN = ("DEPRECATED", *_UNUSABLE)


async def withdraw_image(hands: Hands, artifact: str, *, launchable: bool) -> bool:
    """Make an image DEPRECATED, or OBSOLETE; return whether that changed anything.

    What its owner has written beside the state, such as a replacement, stays.

    Raises:
        Gone: There is none.
        Invalid: It names no single image.
        Denied: It is somebody else's.
    """
    image = _single(hands, artifact)
    there = _status(await describe(hands.calls, image))
    state = "DEPRECATED" if launchable else "OBSOLETE"
    if there.get("state") in (_WITHDRAWN if launchable else _UNUSABLE):
        return False
    await _deprecate(hands, image, {**there, "state": state})
    return True


async def restore_image(hands: Hands, artifact: str) -> bool:
    """Clear the deprecation of an image; return whether that changed anything.

    Raises:
        Gone: There is none.
        Invalid: It names no single image, or Google doesn't take the deprecation back.
        Denied: It is somebody else's.
    """
    image = _single(hands, artifact)
    if _status(await describe(hands.calls, image)).get("state") not in _WITHDRAWN:
        return False
    await _deprecate(hands, image, {})
    # The reference has this request; the guide has said that a deprecation can be reverted, and
    # says now that it can't.
    if (left := _status(await describe(hands.calls, image)).get("state")) in _WITHDRAWN:
        way_out = "make another image of it, with --source-image"
        raise Invalid(f"image {artifact} is still {left}: Google took nothing back; {way_out}")
    return True


def _single(hands: Hands, artifact: str) -> Reference:
    found = parse(artifact, hands.calls.place.project)
    if found is None or found[1]:
        raise Invalid(f"{artifact} names no single image: write projects/P/global/images/NUMBER")
    return found


def _status(described: Answer) -> Answer:
    status: Answer = described.get("deprecated") or {}
    return status


async def _deprecate(hands: Hands, image: Reference, status: Answer) -> None:
    project, _, name = image
    await hands.change(
        "images",
        "deprecate",
        about=name,
        project=project,
        image=name,
        deprecation_status_resource=status,
    )
