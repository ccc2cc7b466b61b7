"""Retiring images of the catalog that no fleet, channel or way back needs."""

from __future__ import annotations

from functools import partial

from immutable.catalog import Catalog, Version
from immutable.catalog.retiring import Retention, retire, unneeded
from immutable.catalog.revoking import restore
from immutable.errors import CatalogRefused
from immutable.images.collecting import ways_back
from immutable.images.looking import Connecting, as_it_is, everywhere
from immutable.journal import Journal
from immutable.model import FleetState, FleetURL
from immutable.model.catalog import CatalogRecord, Retired
from immutable.model.image import artifact_parts

__all__ = ["retire_images"]


async def retire_images(
    journal: Journal,
    how: Retention,
    connect: Connecting,
    *,
    ways: int = 3,
    actor: str,
    reason: str = "",
    dry_run: bool = False,
) -> tuple[Version, ...]:
    """Retire images that nobody needs, and return them: they are launched no more.

    What a fleet began to use meanwhile is restored: fleets are looked at before and after.

    Args:
        journal: Where the catalog and the rollouts are.
        how: For how long images are kept that nobody needs.
        connect: How to get hold of a fleet, such as `connecting` returns.
        ways: What the newest so many rollouts of each fleet came from and went to stays.
        actor: On whose behalf, as claimed.
        reason: Why.
        dry_run: Whether to touch nothing.

    Raises:
        CatalogRefused: A fleet can't be looked at: what it runs might be retired.
    """
    used = await _used(journal, connect, ways)
    if dry_run:
        return unneeded(*await as_it_is(journal), used, how)
    retired = await journal.change_catalog(
        lambda catalog, now: retire(catalog, now, used, how, actor=actor, reason=reason)
    )
    digests = [each.digest for each in retired if isinstance(each, Retired)]
    after = await _used(journal, connect, ways) if digests else frozenset()
    for digest in after & {*digests}:
        await journal.change_catalog(partial(_needed_after_all, digest, actor))
    catalog = await journal.catalog()
    return tuple(catalog.versions[each] for each in digests if each not in after)


def _needed_after_all(
    digest: str, actor: str, catalog: Catalog, _: float
) -> tuple[CatalogRecord, ...]:
    return restore(catalog, digest, reason="a fleet began to use it", actor=actor)


async def _used(journal: Journal, connect: Connecting, ways: int) -> frozenset[str]:
    """Return the digests of what fleets run, are going to, or would go back to.

    Raises:
        CatalogRefused: A fleet can't be looked at.
    """
    states = await everywhere(journal, connect)
    unseen = [f"{address}: {why}" for address, why in states.items() if isinstance(why, str)]
    if unseen:
        reason = f"what these fleets run can't be told: {'; '.join(unseen)}"
        raise CatalogRefused(reason, "nothing is retired before they can be looked at")
    catalog, back = await journal.catalog(), await ways_back(journal, ways)
    found = {
        version.digest
        for address, state in states.items() if isinstance(state, FleetState)
        for group in state.groups
        for version in catalog.launched_as(
            FleetURL.parse(address).scheme, group.revision.image.artifact
        )
    }  # fmt: skip
    # Whatever backend it is of: a way back is told by the identifier alone.
    found |= {
        version.digest for version in catalog.versions.values()
        if back & {artifact_parts(address)[2] for address in version.artifacts}
    }  # fmt: skip
    return frozenset(found)
