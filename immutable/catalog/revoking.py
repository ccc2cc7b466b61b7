"""Revoking an image, and taking that back: what may be done, and what goes on record."""

from __future__ import annotations

from immutable.catalog.state import Catalog
from immutable.errors import CatalogRefused, InvalidValue
from immutable.model.catalog import Restored, Revoked

__all__ = ["restore", "revocable", "revoke"]


def revocable(catalog: Catalog, reference: str) -> str:
    """Return the digest of what can be revoked: a version, or what a version was built on.

    Raises:
        InvalidValue: There is no such image.
    """
    if "@" in reference:
        way_out = "name the version: a channel points at another one tomorrow"
        raise InvalidValue("image", reference, "a channel, which is never revoked", way_out)
    return reference if catalog.knows(reference) else catalog.find(reference).digest


def revoke(
    catalog: Catalog,
    reference: str,
    now: float,
    *,
    reason: str,
    actor: str,
    at: float | None = None,
    force: bool = False,
) -> tuple[Revoked, ...]:
    """Return what revoking an image writes down; nothing if it is revoked from then on already.

    Args:
        catalog: The catalog as it is.
        reference: ``web:1.4.2``, or a digest: of a version, or of what one was built on.
        now: The time.
        reason: Why; who comes upon it wants to know.
        actor: On whose behalf, as claimed.
        at: From when on; None for now.
        force: Whether also if a channel points at it, or at one that was built on it.

    Raises:
        InvalidValue: There is no such image, there is no reason, or the time is past.
        CatalogRefused: A channel points at it, or its revocation holds already.
    """
    digest, since = revocable(catalog, reference), now if at is None else at
    if not reason.strip():
        raise InvalidValue("reason", reason, "no reason", "say why: all who run it will ask")
    if since < now:
        raise InvalidValue("at", since, "in the past", "leave it out, to revoke it now")
    there = catalog.revocations.get(digest)
    if there is not None and there.at <= now:
        if at is None:
            return ()
        way_out = "restore it first"
        raise CatalogRefused(f"{reference} is revoked already: {there.reason}", way_out)
    pointing = catalog.pointing(digest)
    if pointing and not force:
        names = ", ".join(pointing)
        way_out = "assign another version to it first, or force it"
        raise CatalogRefused(f"{reference}, or what was built on it, is what {names} has", way_out)
    return (Revoked(digest, since, reason, forced=bool(pointing), actor=actor),)


def restore(catalog: Catalog, reference: str, *, reason: str, actor: str) -> tuple[Restored, ...]:
    """Return what taking back a revocation, or that an image was retired, writes down.

    Args:
        catalog: The catalog as it is.
        reference: As for `revoke`.
        reason: Why.
        actor: On whose behalf, as claimed.

    Raises:
        InvalidValue: There is no such image.
        CatalogRefused: It was neither revoked itself nor retired; says which one was revoked.
    """
    digest = revocable(catalog, reference)
    if digest in catalog.revocations or digest in catalog.retired:
        return (Restored(digest, reason, actor),)
    above = [each for each in catalog.lineage(digest) if each in catalog.revocations]
    what = f"it is {above[0]} that was" if above else "nothing that it was built on was either"
    way_out = f"restore {above[0]}" if above else ""
    raise CatalogRefused(f"{reference} was not revoked itself; {what}", way_out)
