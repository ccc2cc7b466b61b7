"""Removing what builds have left that nobody carries on."""

from __future__ import annotations

from collections.abc import Callable

from immutable.builders import Builder, Traces
from immutable.engine.keeper import controller_name
from immutable.errors import FleetBusy
from immutable.images.leasing import leased
from immutable.images.noting import traces
from immutable.journal import Build, Journal
from immutable.model import Status
from immutable.model.records import Ended

__all__ = ["sweep_builds"]


async def sweep_builds(
    builder: Builder, name: str, place: str, journal: Journal, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Remove what builds of one builder in one place have left; return it in words.

    Those that nobody works on are ended; of those that have failed or were cancelled, what could
    not be removed then is. Builds that somebody works on, and images that are finished, stay.

    Args:
        builder: What removes it.
        name: What the builder is called.
        place: Where it works, as the builds say it.
        journal: Which builds there were.
        say: Takes what is done, line by line.

    Raises:
        BackendError: It can't be removed.
    """
    removed: list[str] = []
    for build in await journal.builds():
        if (build.builder, build.place) != (name, place) or build.status is Status.SUCCEEDED:
            continue
        if build.live:
            say(f"build {build.id} is under way: left alone")
            continue
        removed += await _swept(builder, build, journal, say)
    return tuple(removed)


async def _swept(
    builder: Builder, build: Build, journal: Journal, say: Callable[[str], None]
) -> tuple[str, ...]:
    if build.status.ended:
        return await _removed(builder, await traces(journal, build), say)
    try:
        lease = await journal.claim(build.id, controller_name())
    except FleetBusy:
        return ()
    async with leased(journal, lease):
        gone = await _removed(builder, await traces(journal, build), say)
    reason = "its process was gone; what it left is removed"
    await journal.append(lease, [Ended(Status.FAILED, reason)])
    return gone


async def _removed(builder: Builder, left: Traces, say: Callable[[str], None]) -> tuple[str, ...]:
    gone = await builder.cleanup(left)
    for each in gone:
        say(f"build {left.build}: removed {each}")
    return gone
