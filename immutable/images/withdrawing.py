"""Telling the clouds of a revocation: marking artifacts as not to be used, and as usable again.

The catalog comes first: what is revoked is refused by it from then on, whatever becomes of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby

from attrs import evolve, frozen

from immutable.backend import Backend, BackendError, SupportsWithdrawal, Throttled
from immutable.catalog import Catalog, Version
from immutable.catalog.revoking import revocable
from immutable.connecting import default_actor, opened_backend, place_of
from immutable.engine.retrying import patiently
from immutable.errors import CatalogRefused, InvalidValue, RegistryError
from immutable.images.looking import as_it_is
from immutable.journal import Journal
from immutable.model import Clock, FleetURL, SystemClock
from immutable.model.catalog import Withdrawn
from immutable.model.image import artifact_parts
from immutable.registry import backend_class

__all__ = ["Outcome", "Withdrawal", "restore_image", "withdraw_image"]

_ATTEMPTS = 5
_EVERY = "*"
Change = Callable[[SupportsWithdrawal, str], Awaitable[bool]]


class Outcome(StrEnum):
    """What became of one artifact."""

    DONE = "done"
    ALREADY = "already"
    """It was so before."""
    UNSUPPORTED = "not supported there"
    """The backend has no way to mark images."""
    REVOKED = "still revoked"
    """Not restored: it is an artifact of a version that is revoked by something else."""
    FAILED = "failed"


@frozen
class Withdrawal:
    """What became of one artifact.

    Attributes:
        image: The version that it is an artifact of, such as ``web:1.4.2``.
        artifact: Its address, such as ``aws://eu-west-1/ami-0abc123``.
        outcome: What became of it.
        reason: Why; empty where there is nothing to say.
    """

    image: str
    artifact: str
    outcome: Outcome = Outcome.DONE
    reason: str = ""


async def withdraw_image(
    journal: Journal,
    reference: str,
    *,
    launchable: bool,
    places: Sequence[str] = (),
    actor: str | None = None,
    clock: Clock | None = None,
) -> tuple[Withdrawal, ...]:
    """Mark all that a revoked image became, and all that were built on it, in their clouds.

    What has been done goes into the catalog's log. Can be repeated: what failed is tried again.

    Args:
        journal: Where the catalog is.
        reference: The image, as for `immutable.catalog.revoke`.
        launchable: True marks artifacts as deprecated; groups that have them still launch them.
            False lets nothing be launched from them any more, so that fleets which run them don't
            heal, and can't be replaced with a way back.
        places: By which addresses backends are reached, where they need options:
            ``aws://eu-west-1?profile=prod``. By default an artifact's own address says it.
        actor: On whose behalf, as claimed; default the user.
        clock: The wall clock that backends are given.

    Raises:
        InvalidValue: There is no such image, or an address makes no sense.
        CatalogRefused: It is not revoked.
    """
    catalog, now = await as_it_is(journal)
    digest = revocable(catalog, reference)
    if catalog.revocation(digest, now) is None:
        raise CatalogRefused(f"{reference} is not revoked", "revoke it first")

    def change(backend: SupportsWithdrawal, artifact: str) -> Awaitable[bool]:
        return backend.withdraw_image(artifact, launchable=launchable)

    work = _Work(journal, change, "deprecated" if launchable else "disabled", actor, clock)
    return await work.done(list(_artifacts(catalog, digest)), places)


async def restore_image(
    journal: Journal,
    reference: str,
    *,
    places: Sequence[str] = (),
    actor: str | None = None,
    clock: Clock | None = None,
) -> tuple[Withdrawal, ...]:
    """Let clouds launch again what an image became, and what was built on it.

    What is revoked still, by itself or by something else that it was built on, is left as it is.

    Args:
        journal: Where the catalog is.
        reference: As for `withdraw_image`.
        places: As for `withdraw_image`.
        actor: On whose behalf, as claimed; default the user.
        clock: The wall clock that backends are given.

    Raises:
        InvalidValue: There is no such image, or an address makes no sense.
    """
    catalog, now = await as_it_is(journal)
    wanted, kept = [], []
    for each in _artifacts(catalog, revocable(catalog, reference)):
        scheme, _, identifier = artifact_parts(each.artifact)
        problems = catalog.against(scheme, identifier, now)
        if problems:
            reason = "; ".join(problem.what for problem in problems)
            kept.append(evolve(each, outcome=Outcome.REVOKED, reason=reason))
        else:
            wanted.append(each)

    def change(backend: SupportsWithdrawal, artifact: str) -> Awaitable[bool]:
        return backend.restore_image(artifact)

    work = _Work(journal, change, "available", actor, clock)
    return (*await work.done(wanted, places), *kept)


def _artifacts(catalog: Catalog, digest: str) -> Iterator[Withdrawal]:
    """Yield the artifacts of an image and of what was built on it, each once, by place."""
    itself: list[Version] = [catalog.versions[digest]] if digest in catalog.versions else []
    versions = (*itself, *catalog.descendants(digest))
    found = {address: str(version) for version in versions for address in version.artifacts}
    for address in sorted(found, key=lambda each: (artifact_parts(each)[:2], each)):
        yield Withdrawal(found[address], address)


# Of aws://eu-west-1?profile=p an artifact in eu-west-2 has the profile, and its own region.
def _addresses(scheme: str, region: str, given: Sequence[FleetURL]) -> tuple[FleetURL, ...]:
    """Return the addresses by which a place may be reached, the most fitting first."""
    same = [each for each in given if each.scheme == scheme]
    exact = [each for each in same if each.location == region]
    if exact or not same:
        return (*exact[:1],) or (FleetURL(scheme, region, _EVERY),)
    return (evolve(same[0], location=region), same[0])


@frozen
class _Work:
    """One change of many artifacts."""

    journal: Journal
    change: Change
    state: str
    actor: str | None
    clock: Clock | None

    async def done(
        self, wanted: Sequence[Withdrawal], places: Sequence[str]
    ) -> tuple[Withdrawal, ...]:
        """Change all of them, place by place, and return what became of each."""
        given = [place_of(each) for each in places]
        found: list[Withdrawal] = []
        for (scheme, region), group in groupby(
            wanted, lambda each: artifact_parts(each.artifact)[:2]
        ):
            found += await self._there(list(group), _addresses(scheme, region, given))
        return tuple(found)

    async def _there(
        self, wanted: Sequence[Withdrawal], addresses: Sequence[FleetURL]
    ) -> list[Withdrawal]:
        wrong: Exception | None = None
        for each in addresses:
            try:
                # On a thread: finding reads the disk, and loading may import a cloud's SDK.
                kind = await asyncio.to_thread(backend_class, each.scheme)
                if not issubclass(kind, SupportsWithdrawal):
                    return [evolve(every, outcome=Outcome.UNSUPPORTED) for every in wanted]
                async with opened_backend(each, clock=self.clock or SystemClock()) as backend:
                    return [await self._one(backend, every) for every in wanted]
            except InvalidValue as error:
                wrong = error  # No place of this backend's: the next address may be one.
            except (BackendError, RegistryError) as error:
                wrong = error
                break
        return [evolve(each, outcome=Outcome.FAILED, reason=str(wrong)) for each in wanted]

    async def _one(self, backend: Backend, wanted: Withdrawal) -> Withdrawal:
        assert isinstance(backend, SupportsWithdrawal)
        try:
            changed = await self._changed(backend, artifact_parts(wanted.artifact)[2])
        except BackendError as error:
            return evolve(wanted, outcome=Outcome.FAILED, reason=str(error))
        if not changed:
            return evolve(wanted, outcome=Outcome.ALREADY)
        record = Withdrawn(wanted.artifact, self.state, self.actor or default_actor())
        await self.journal.change_catalog(lambda _catalog, _now: (record,))
        return wanted

    async def _changed(self, backend: SupportsWithdrawal, identifier: str) -> bool:
        """Change one; an attempt whose answer was lost counts as one that has changed it."""
        unsure = False

        async def attempt() -> bool:
            nonlocal unsure
            try:
                return await self.change(backend, identifier)
            except Throttled:
                raise
            except BaseException:
                unsure = True
                raise

        changed = await patiently(attempt, attempts=_ATTEMPTS)
        return changed or unsure
