"""The catalog of images as the JSON documents that ``--json`` prints; documented and stable."""

from __future__ import annotations

import json
from typing import Any

from immutable.catalog import Assignment, Catalog, Revocation, Version
from immutable.model.serial import to_json

__all__ = ["assignment", "policy", "revoked", "version"]


def version(catalog: Catalog, known: Version, now: float) -> dict[str, Any]:
    """Return a version and its surroundings.

    ``digest`` is its manifest's, ``lineage`` the digests of what it was built on, the nearest
    first, ``descendants`` those that were built on it, ``channels`` those that point at it.
    ``revoked`` says why it is not to be launched, ``revoke_at`` why it will not be: both null, or
    with the ``digest`` of the image that was revoked, ``at`` (seconds since 1970), ``reason`` and
    ``actor``.
    """
    pointing = [name for name in catalog.channels if catalog.find(name) == known]
    return {
        "name": known.name,
        "version": known.version,
        "digest": known.digest,
        "parent": known.parent,
        "artifacts": list(known.artifacts),
        "added_at": known.added_at,
        "lineage": list(catalog.lineage(known.digest)[1:]),
        "descendants": [str(each) for each in catalog.descendants(known.digest)],
        "channels": pointing,
        "revoked": _revocation(catalog.revocation(known.digest, now)),
        "revoke_at": _revocation(catalog.to_come(known.digest, now)),
    }


def _revocation(found: Revocation | None) -> dict[str, Any] | None:
    document: dict[str, Any] | None = to_json(found) if found is not None else None
    return document


def revoked(catalog: Catalog, digest: str) -> dict[str, Any]:
    """Return what a revocation came to.

    ``digest`` is the image that was revoked, ``at`` from when on, ``affected`` the versions that it
    holds for, ``channels`` those that point at one of them all the same.
    """
    itself = [str(catalog.versions[digest])] if digest in catalog.versions else []
    return {
        "digest": digest,
        "at": catalog.revocations[digest].at,
        "affected": itself + [str(each) for each in catalog.descendants(digest)],
        "channels": list(catalog.pointing(digest)),
    }


def assignment(catalog: Catalog, made: Assignment) -> dict[str, Any]:
    """Return where a channel points, or pointed: ``image`` is name and version, ``at`` when.

    ``number`` is 1, 2, 3 … within the channel, ``back`` whether it went back to where it came from.
    """
    document: dict[str, Any] = to_json(made)
    return document | {"image": str(catalog.versions[made.digest])}


def policy(catalog: Catalog, fleet: str, now: float) -> dict[str, Any]:
    """Return the policy that a fleet carries.

    ``require`` has its rules as the file has them, null for no policy; ``set_at`` (seconds since
    1970), ``actor`` and ``reason`` say since when and why. ``bypass`` says until when it keeps
    nothing back, who did that and why; null if it is in force.
    """
    carried, bypass = catalog.policies.get(fleet), catalog.bypass(fleet, now)
    document: dict[str, Any] = {"fleet": fleet, "require": None, "bypass": None}
    if carried is not None:
        require = json.loads(carried.policy)["require"]
        document |= {"require": require, "set_at": carried.at}
        document |= {"actor": carried.actor, "reason": carried.reason}
    if bypass is not None:
        told = {"until": bypass.until, "actor": bypass.actor, "reason": bypass.reason}
        document |= {"bypass": told}
    return document
