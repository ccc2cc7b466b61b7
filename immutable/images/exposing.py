"""Which fleets run an image, or what was built on it; and getting them off one that was revoked.

A fleet that can't be looked at is told of as such: nobody may take silence for an answer.
"""

from __future__ import annotations

import asyncio
from math import inf

from attrs import frozen

from immutable.catalog import Catalog, Version
from immutable.catalog.revoking import revocable
from immutable.errors import ImmutableError, InvalidValue
from immutable.images.looking import AT_ONCE, Connecting, everywhere
from immutable.journal import Entry, Journal
from immutable.model import FleetState, FleetURL, Plan

__all__ = [
    "Escape",
    "Exposed",
    "Exposure",
    "Underway",
    "escapes",
    "exposure",
    "stop_rollouts",
]


@frozen
class Exposed:
    """A group of a fleet that runs an image.

    Attributes:
        fleet: The fleet's address.
        revision: The group's number.
        artifact: What its instances were started from.
        images: Which versions that is, such as ``web:1.4.2``.
        instances: The identifiers of its instances.
    """

    fleet: str
    revision: int
    artifact: str
    images: tuple[str, ...]
    instances: tuple[str, ...]


@frozen
class Underway:
    """A rollout that brings a fleet to an image.

    Attributes:
        fleet: The fleet's address.
        rollout: The rollout's identifier.
        candidate: The number of the revision that it goes to.
    """

    fleet: str
    rollout: str
    candidate: int


@frozen
class Exposure:
    """Who runs an image, or what was built on it.

    Attributes:
        image: The image's digest.
        found: The groups that do, by fleet.
        rollouts: Rollouts under way to it.
        unseen: The fleets that could not be looked at, with why.
    """

    image: str
    found: tuple[Exposed, ...] = ()
    rollouts: tuple[Underway, ...] = ()
    unseen: tuple[tuple[str, str], ...] = ()

    @property
    def staying(self) -> tuple[Exposed, ...]:
        """One group of each fleet that runs it, though all rollouts to it went back."""
        leaving = {(each.fleet, each.candidate) for each in self.rollouts}
        stay = [each for each in self.found if (each.fleet, each.revision) not in leaving]
        return tuple({each.fleet: each for each in stay}.values())


@frozen
class Escape:
    """How a fleet gets off an image.

    Attributes:
        fleet: The fleet's address.
        plan: The plan of a replacement; None where there is none.
        reason: Why there is none.
    """

    fleet: str
    plan: Plan | None
    reason: str = ""


async def exposure(
    journal: Journal,
    reference: str,
    connect: Connecting,
) -> Exposure:
    """Return who runs an image, or what was built on it, among the fleets that the journal knows.

    Args:
        journal: Where the catalog and the rollouts are.
        reference: ``web:1.4.2``, or a digest: of a version, or of what one was built on.
        connect: How to get hold of a fleet, such as `connecting` returns.

    Raises:
        InvalidValue: There is no such image.
    """
    catalog, entries = await journal.catalog(), await journal.entries(unfinished=True)
    digest = revocable(catalog, reference)
    states = await everywhere(journal, connect)
    return Exposure(
        digest,
        tuple(
            each for address, state in states.items() if isinstance(state, FleetState)
            for each in _exposed(catalog, digest, address, state)
        ),
        tuple(_underway(each) for each in entries if _goes_to(catalog, digest, each)),
        tuple((address, why) for address, why in states.items() if isinstance(why, str)),
    )  # fmt: skip


def _affected(catalog: Catalog, digest: str, version: Version) -> bool:
    return digest in catalog.lineage(version.digest)


def _versions(catalog: Catalog, digest: str, fleet: str, artifact: str) -> tuple[Version, ...]:
    """Return the versions on an image that an artifact of a fleet is."""
    there = catalog.launched_as(FleetURL.parse(fleet).scheme, artifact)
    return tuple(each for each in there if _affected(catalog, digest, each))


def _exposed(catalog: Catalog, digest: str, address: str, state: FleetState) -> list[Exposed]:
    found = []
    for group in state.groups:
        artifact = group.revision.image.artifact
        versions = _versions(catalog, digest, address, artifact)
        members = tuple(each.id for each in state.members(group.number))
        if versions and (members or group.size):
            names = tuple(str(each) for each in versions)
            found.append(Exposed(address, group.number, artifact, names, members))
    return found


def _goes_to(catalog: Catalog, digest: str, entry: Entry) -> bool:
    there = entry.plan.candidate.image.artifact
    return bool(_versions(catalog, digest, entry.fleet, there))


def _underway(entry: Entry) -> Underway:
    return Underway(entry.fleet, entry.rollout, entry.plan.candidate.number)


# -- getting off it --------------------------------------------------------------------------------


async def stop_rollouts(exposed: Exposure, connect: Connecting, *, reason: str) -> dict[str, str]:
    """Tell all rollouts that go to an image to go back.

    Returns:
        What became of each, by its identifier; empty for one that goes back.
    """
    told = {}
    for each in exposed.rollouts:
        try:
            async with connect(each.fleet) as fleet:
                await (await fleet.rollout(each.rollout)).abort(reason=reason, take_over=False)
            told[each.rollout] = ""
        except ImmutableError as error:
            told[each.rollout] = str(error)
    return told


async def escapes(
    journal: Journal, exposed: Exposure, connect: Connecting, *, to: str = ""
) -> tuple[Escape, ...]:
    """Return how each fleet that runs an image gets off it: a plan, to be approved and applied.

    Args:
        journal: Where the catalog is.
        exposed: Who runs it.
        connect: How to get hold of a fleet.
        to: The image to go to: ``web:1.4.3``, a channel, or a digest. By default the newest
            version of the same name that is not revoked and was made for the fleet's place.

    Returns:
        One for each fleet that runs it; a fleet that only a rollout brings to it goes back.
    """
    catalog, turns = await journal.catalog(), asyncio.Semaphore(AT_ONCE)

    async def escape(runs: Exposed) -> Escape:
        try:
            artifact = _way_out(catalog, exposed.image, runs, to)
            async with turns, connect(runs.fleet) as fleet:
                return Escape(runs.fleet, await fleet.plan(artifact))
        except ImmutableError as error:
            return Escape(runs.fleet, None, str(error))

    return tuple(await asyncio.gather(*map(escape, exposed.staying)))


def _way_out(catalog: Catalog, digest: str, runs: Exposed, to: str) -> str:
    """Return what a fleet is to launch instead.

    Raises:
        InvalidValue: There is nothing that it could.
    """
    url = FleetURL.parse(runs.fleet)
    if to:
        return catalog.find(to).artifact(url.scheme, url.location)
    names = {name.partition(":")[0] for name in runs.images}
    for version in reversed(tuple(catalog.versions.values())):
        bad = _affected(catalog, digest, version) or catalog.revocation(version.digest, inf)
        if version.name in names and not bad and any(version.places(url.scheme)):
            return version.artifact(url.scheme, url.location)
    what, way_out = " and ".join(sorted(names)), "build one, or name another image"
    raise InvalidValue("image", what, "there is no version that is not revoked", way_out)
