"""Looking at all fleets that a journal knows; one that can't be looked at is told of as such."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from attrs import evolve

from immutable.catalog import Catalog
from immutable.connecting import place_of
from immutable.errors import FleetNotFound, ImmutableError
from immutable.fleet import Fleet
from immutable.journal import Journal
from immutable.model import Clock, FleetState, FleetURL

__all__ = ["AT_ONCE", "Connecting", "as_it_is", "connecting", "everywhere"]

Connecting = Callable[[str], AbstractAsyncContextManager[Fleet]]
"""How to get hold of a fleet by its address."""

AT_ONCE = 8
"""How many fleets are looked at at the same time."""


def connecting(
    journal: Journal,
    *,
    places: Sequence[str] = (),
    actor: str | None = None,
    clock: Clock | None = None,
) -> Connecting:
    """Return how to get hold of fleets by their addresses.

    Args:
        journal: Where their rollouts are written down.
        places: By which addresses backends are reached, where they need options:
            ``aws://eu-west-1?profile=prod``.
        actor: On whose behalf, as claimed; default the user.
        clock: The wall clock.

    Raises:
        InvalidValue: A place makes no sense.
    """
    given = [place_of(each) for each in places]

    def connect(address: str) -> AbstractAsyncContextManager[Fleet]:
        url = FleetURL.parse(address)
        for each in given:
            if (each.scheme, each.location) == (url.scheme, url.location):
                url = evolve(url, options={**each.options, **url.options})
        reached = url.identity(*url.options)
        return Fleet.connect(reached, journal=journal, actor=actor, clock=clock)

    return connect


async def everywhere(journal: Journal, connect: Connecting) -> dict[str, FleetState | str]:
    """Return what there is of each fleet, by its address; a text where that can't be told: why.

    Those fleets are looked at that the journal knows by a rollout, also by their first size, or by
    a policy. One that is gone is not told of.
    """
    known = [each.fleet for each in await journal.entries()]
    addresses = dict.fromkeys([*known, *(await journal.catalog()).policies])
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(address: str) -> FleetState | str | None:
        async with turns:
            try:
                async with connect(address) as fleet:
                    return await fleet.state()
            except FleetNotFound:
                return None
            except ImmutableError as error:
                return str(error)

    seen = zip(addresses, await asyncio.gather(*map(look, addresses)), strict=True)
    return {address: found for address, found in seen if found is not None}


async def as_it_is(journal: Journal) -> tuple[Catalog, float]:
    """Return the catalog, and the time by the journal's clock: that of its revocations."""
    seen: list[tuple[Catalog, float]] = []

    def look(catalog: Catalog, now: float) -> tuple[()]:
        seen.append((catalog, now))
        return ()

    await journal.change_catalog(look)
    return seen[-1]
