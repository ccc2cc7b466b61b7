"""Taking a gallery image version out of use, and bringing it back.

Azure has hints only: a version that is excluded from the latest, or past its end of life, is
launched as before by whoever names it ("Store and share images in an Azure Compute Gallery"). What
may be changed of a version is written as a whole, as ``az sig image-version update`` does it; there
is no condition on that, so that somebody else's change in the same round trip is lost. What the
fields were before is kept in a tag.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

from immutable.backend import Invalid
from immutable_azure.hands import Hands
from immutable_azure.images import is_exact
from immutable_azure.marks import MOST_TAGS
from immutable_azure.names import key, short

__all__ = ["WITHDRAWN", "restore_image", "withdraw_image"]

WITHDRAWN = "immutable:withdrawn"
"""The tag that tells how a version was before it was withdrawn."""

_VERSIONS = "compute.gallery_image_versions"
_FIELDS = ("excludeFromLatest", "endOfLifeDate")
_TOLD = ("id", "name", "type", "systemData")
_STATES = ("provisioningState", "replicationStatus")


async def withdraw_image(hands: Hands, artifact: str, *, launchable: bool) -> bool:
    """Exclude a version from the latest, and end its life; return whether that changed anything.

    Raises:
        Gone: There is none.
        Invalid: It is no version of a gallery, or launches were to be forbidden.
        Denied: The caller may not.
    """
    _check(hands, artifact)
    if not launchable:
        raise Invalid(
            f"Azure can't forbid launches from {artifact}: whoever names a version can use it;"
            " deprecate it, and delete it when no set has it"
        )
    told = await _read(hands, artifact)
    profile, now = told["properties"].get("publishingProfile") or {}, hands.calls.now()
    tags = told.get("tags") or {}
    if WITHDRAWN in tags and profile.get("excludeFromLatest") and _is_over(profile, now):
        return False
    if WITHDRAWN not in tags:
        before = {name: profile[name] for name in _FIELDS if profile.get(name)}
        tags = {**tags, WITHDRAWN: json.dumps(before)}
        if len(tags) > MOST_TAGS:
            raise Invalid(f"{artifact} has {MOST_TAGS} tags: take one of yours away")
    end = profile["endOfLifeDate"] if _is_over(profile, now) else _text(now)
    await _write(hands, artifact, told, tags, {"excludeFromLatest": True, "endOfLifeDate": end})
    return True


async def restore_image(hands: Hands, artifact: str) -> bool:
    """Let a version's fields be as before it was withdrawn; return whether that changed anything.

    One that somebody else excludes from the latest was not withdrawn here, and stays so.

    Raises:
        Gone: There is none.
        Invalid: It is no version of a gallery.
        Denied: The caller may not.
    """
    _check(hands, artifact)
    told = await _read(hands, artifact)
    tags = dict(told.get("tags") or {})
    if WITHDRAWN not in tags:
        return False
    before = {"excludeFromLatest": False, **_saved(tags.pop(WITHDRAWN))}
    await _write(hands, artifact, told, tags, before)
    return True


def _check(hands: Hands, artifact: str) -> None:
    """Refuse what is no version of a gallery in this subscription.

    Raises:
        Invalid: It isn't; says what can be done instead.
    """
    if not short(artifact, "versions") or not is_exact(artifact):
        kind = "a managed image" if artifact.startswith("/") else "no gallery image version"
        way_out = "only exact versions of a gallery can be withdrawn; delete what must not be used"
        raise Invalid(f"{artifact} is {kind}: {way_out}")
    owner, here = short(artifact, "subscriptions"), hands.calls.place.subscription
    if key(owner) != key(here):
        way_out = f"reach it by azure://{owner}/{short(artifact, 'resourceGroups')}"
        raise Invalid(f"{artifact} is in another subscription than {here}: {way_out}")


def _where(artifact: str) -> tuple[str, str, str, str]:
    kinds = ("resourceGroups", "galleries", "images", "versions")
    group, gallery, image, version = (short(artifact, kind) for kind in kinds)
    return group, gallery, image, version


async def _read(hands: Hands, artifact: str) -> dict[str, Any]:
    about = "/".join(_where(artifact)[1:])
    told: dict[str, Any] = await hands.calls.ask(f"{_VERSIONS}.get", *_where(artifact), about=about)
    return told


async def _write(
    hands: Hands,
    artifact: str,
    told: dict[str, Any],
    tags: dict[str, str],
    fields: dict[str, Any],
) -> None:
    """Write a version as it was read, but for its tags and the fields."""
    body = {name: value for name, value in copy.deepcopy(told).items() if name not in _TOLD}
    properties = {k: v for k, v in body["properties"].items() if k not in _STATES}
    kept = (properties.get("publishingProfile") or {}).items()
    profile = {name: value for name, value in kept if name not in (*_FIELDS, "publishedDate")}
    properties["publishingProfile"] = profile | fields
    await hands.begin(
        f"{_VERSIONS}.begin_create_or_update",
        *_where(artifact),
        body | {"properties": properties, "tags": tags},
        about="/".join(_where(artifact)[1:]),
        wait=True,
    )


def _is_over(profile: dict[str, Any], now: float) -> bool:
    """Return whether a version is past its end of life."""
    end = profile.get("endOfLifeDate")
    return bool(end) and datetime.fromisoformat(str(end)).timestamp() <= now


def _text(now: float) -> str:
    return datetime.fromtimestamp(int(now), UTC).isoformat().replace("+00:00", "Z")


def _saved(text: str) -> dict[str, Any]:
    """Return what the tag tells; nothing of what somebody else has made of it."""
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return {k: told[k] for k in _FIELDS if k in told} if isinstance(told, dict) else {}
