"""Catalogs for tests, and what a record does to one: said anew, beside the journal's tables."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from attrs import evolve

from immutable.catalog import Assignment, Catalog, Revocation, Version
from immutable.catalog.state import FleetPolicy
from immutable.model.catalog import (
    CatalogRecord,
    ChannelAssigned,
    Followed,
    GlassBroken,
    PolicySet,
    Restored,
    Retired,
    Revoked,
    VersionAdded,
)

PRODUCTION = "web@production"


def digest_of(version: str) -> str:
    return f"sha256:{sha256(version.encode()).hexdigest()}"


def added(version: str, parent: str = "", name: str = "web") -> VersionAdded:
    artifact = f"memory:///{name}-{version}"
    base = digest_of(parent) if parent else ""
    return VersionAdded(digest_of(version), name, version, base, (artifact,), "{}", actor="ada")


def known(version: str, parent: str = "") -> Version:
    (found,) = after(Catalog(), [added(version, parent)]).versions.values()
    return found


def catalog_of(*versions: str, **parents: str) -> Catalog:
    """A catalog of these versions, each of no parent, and of further ones by their parents."""
    records = [added(each) for each in versions]
    return after(Catalog(), records + [added(n.strip("v"), p) for n, p in parents.items()])


def after(catalog: Catalog, records: Sequence[CatalogRecord]) -> Catalog:
    for record in records:
        catalog = _after(catalog, record)
    return catalog


def _after(catalog: Catalog, record: CatalogRecord) -> Catalog:
    match record:
        case VersionAdded(digest, name, version, parent, artifacts):
            made = Version(digest, name, version, parent, artifacts)
            return evolve(catalog, versions={**catalog.versions, digest: made})
        case Revoked(digest, at, reason, _, actor):
            made = Revocation(digest, at, reason, actor)
            return evolve(catalog, revocations={**catalog.revocations, digest: made})
        case Restored(digest):
            left = {name: each for name, each in catalog.revocations.items() if name != digest}
            still = {name: at for name, at in catalog.retired.items() if name != digest}
            return evolve(catalog, revocations=left, retired=still)
        case Retired(digest):
            return evolve(catalog, retired={**catalog.retired, digest: 0.0})
        case ChannelAssigned(channel, digest, _, back, actor, reason):
            before = catalog.channels.get(channel, ())
            made = Assignment(channel, len(before) + 1, digest, 0.0, back, actor, reason)
            return evolve(catalog, channels={**catalog.channels, channel: (*before, made)})
        case PolicySet(fleet, policy, actor, reason):
            left = {name: each for name, each in catalog.policies.items() if name != fleet}
            made = {fleet: FleetPolicy(fleet, policy, 0.0, actor, reason)} if policy else {}
            return evolve(catalog, policies=left | made)
        case Followed(fleet, following):
            left = {name: each for name, each in catalog.followers.items() if name != fleet}
            made = {fleet: following} if following else {}
            return evolve(catalog, followers=left | made)
        case GlassBroken():
            return evolve(catalog, bypasses={**catalog.bypasses, record.fleet: record})
