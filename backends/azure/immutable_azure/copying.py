"""A new set's model, made from that of the set that serves the fleet. Pure."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from typing import Any

from immutable.backend import Invalid, Revision, to_json
from immutable_azure.marks import owners_tags

__all__ = ["MOST_USER_DATA", "image_reference", "model_like", "user_data_of", "what_of"]

MOST_USER_DATA = 64 * 1024
"""What user data may have, in bytes, once encoded ("User Data for Azure Virtual Machine")."""
_TOLD = ("provisioningState", "uniqueId", "timeCreated")
_COPIED = ("location", "plan", "zones", "extendedLocation")


def image_reference(artifact: str) -> dict[str, str]:
    """Return how a model names an image: a long name, or publisher:offer:sku:version."""
    if artifact.startswith("/"):
        return {"id": artifact}
    names = ("publisher", "offer", "sku", "version")
    return dict(zip(names, artifact.split(":"), strict=True))


# What Azure tells but never takes is left out; what it never tells can't be copied (README).
def model_like(
    pattern: Mapping[str, Any], revision: Revision, tags: Mapping[str, str], user_data: str
) -> dict[str, Any]:
    """Return the request that makes an empty set, in everything but its revision like another.

    Args:
        pattern: The description of the set that serves the fleet.
        revision: The new set's revision.
        tags: Our tags.
        user_data: In Base64; empty for none.
    """
    body = {name: copy.deepcopy(pattern[name]) for name in _COPIED if pattern.get(name)}
    body["sku"] = {k: v for k, v in pattern["sku"].items() if k != "capacity"} | {"capacity": 0}
    said = copy.deepcopy(dict(pattern["properties"]))
    for name in _TOLD:
        said.pop(name, None)
    profile = said["virtualMachineProfile"]
    profile.pop("timeCreated", None)
    profile.pop("userData", None)
    profile.setdefault("storageProfile", {})["imageReference"] = image_reference(
        revision.image.artifact
    )
    if user_data:
        profile["userData"] = user_data
    if str(said.get("orchestrationMode", "Uniform")).lower() == "uniform":
        # Nothing but a rollout replaces members, and no more are started than asked for.
        said["upgradePolicy"] = {"mode": "Manual"}
        said["overprovision"] = False
    body["properties"] = said
    identities = (pattern.get("identity") or {}).get("userAssignedIdentities") or {}
    if identities:
        named: dict[str, Any] = {name: {} for name in identities}
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": named}
    body["tags"] = {**owners_tags(pattern.get("tags") or {}), **tags}
    return body


def what_of(revision: Revision) -> dict[str, Any]:
    """Return a revision as plain data without its configuration, which user data has."""
    data: dict[str, Any] = to_json(revision)
    config = data.pop("config", None) or {}
    if config.get("environment") or config.get("secrets"):
        data["configured"] = True
    return data


def user_data_of(revision: Revision, theirs: str) -> str:
    """Return what members can read of a revision's configuration, in Base64.

    Without a configuration it is the owner's user data as it was. With one it is JSON: our part
    under ``immutable``, the owner's, in Base64, under ``userData``.

    Args:
        revision: The revision.
        theirs: The pattern's user data, in Base64; empty for none.

    Raises:
        Invalid: It is too long.
    """
    own = theirs
    try:
        before = json.loads(base64.b64decode(theirs)) if theirs else None
    except ValueError:
        before = None
    if isinstance(before, dict) and before.keys() <= {"immutable", "userData"}:
        own = str(before.get("userData", ""))
    if not what_of(revision).get("configured"):
        return own
    document = {"immutable": to_json(revision)["config"], **({"userData": own} if own else {})}
    text = base64.b64encode(json.dumps(document, sort_keys=True).encode()).decode()
    if len(text) > MOST_USER_DATA:
        raise Invalid(
            f"settings and user data have {len(text)} bytes, {MOST_USER_DATA} at most;"
            " keep long values elsewhere and pass where they are"
        )
    return text
