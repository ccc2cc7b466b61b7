"""Adding versions, and pointing channels at them: what may be done, and what goes on record."""

from __future__ import annotations

from immutable.catalog.state import Catalog, Revocation, Version, channel_name
from immutable.errors import CatalogRefused
from immutable.model.catalog import ChannelAssigned, VersionAdded

__all__ = ["add", "assign", "roll_back"]


def add(catalog: Catalog, added: VersionAdded) -> tuple[VersionAdded, ...]:
    """Return what adding a version writes down.

    One that is there already has, from then on, the signatures that it is added with.

    Raises:
        CatalogRefused: Another image has that name and version.
    """
    for other in catalog.versions.values():
        named_so = (other.name, other.version) == (added.name, added.version)
        if named_so and other.digest != added.digest:
            reason = f"{other} is {other.digest} already, and this is {added.digest}"
            raise CatalogRefused(reason, "give it another version")
    return (added,)


def assign(
    catalog: Catalog, channel: str, reference: str, now: float, *, actor: str, reason: str = ""
) -> tuple[ChannelAssigned, ...]:
    """Return what pointing a channel at a version writes down; nothing if it does already.

    Args:
        catalog: The catalog as it is.
        channel: The channel, such as ``web@production``; it need not be there yet.
        reference: The version: ``web:1.4.2``, another channel of the image, or the digest.
        now: The time.
        actor: On whose behalf, as claimed.
        reason: Why.

    Raises:
        InvalidValue: It is no channel, or there is no such version.
        CatalogRefused: The version is of another image, revoked, or retired.
    """
    name, version = channel_name(channel), catalog.find(reference)
    if version.name != name:
        way_out = f"assign a version of {name}"
        raise CatalogRefused(f"{channel} can't point at {version}, another image", way_out)
    if (found := catalog.revocation(version.digest, now)) is not None:
        raise CatalogRefused(_because(version, found), "assign another version")
    if version.digest in catalog.retired:
        raise CatalogRefused(f"{version} is retired", "restore it first")
    before = catalog.current(channel)
    if before is not None and before.digest == version.digest:
        return ()
    came_from = before.digest if before is not None else ""
    return (
        ChannelAssigned(channel, version.digest, came_from, back=False, actor=actor, reason=reason),
    )


def roll_back(
    catalog: Catalog, channel: str, now: float, *, actor: str, reason: str = ""
) -> tuple[ChannelAssigned, ...]:
    """Return what pointing a channel at where it came from writes down.

    Versions that were revoked, or retired, meanwhile are passed over.

    Args:
        catalog: The catalog as it is.
        channel: The channel.
        now: The time.
        actor: On whose behalf, as claimed.
        reason: Why.

    Raises:
        InvalidValue: There is no such channel.
        CatalogRefused: There is nothing to go back to that is not revoked.
    """
    present = catalog.find(channel)
    for each in catalog.way_back(channel):
        gone = each.digest in catalog.retired
        usable = not gone and catalog.revocation(each.digest, now) is None
        if each.digest != present.digest and usable:
            return (
                ChannelAssigned(
                    channel, each.digest, present.digest, back=True, actor=actor, reason=reason
                ),
            )
    why = f"{channel} has pointed at nothing before {present} that is not revoked"
    raise CatalogRefused(why, "assign a version to it")


def _because(version: Version, found: Revocation) -> str:
    inherited = "" if found.digest == version.digest else f", with {found.digest} below it"
    return f"{version} is revoked{inherited}: {found.reason}"
