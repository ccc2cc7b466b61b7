"""Looking for drift: the backend's inspection, the fleet as it is, and what the journal knows."""

from __future__ import annotations

import asyncio

from immutable.backend import Backend, SupportsDrift
from immutable.engine.referring import known
from immutable.engine.retrying import patiently
from immutable.journal import Entry, Journal
from immutable.model import FleetState, PlanKind, Status
from immutable.model.drift import DriftReport, Inspection
from immutable.planning.drifting import Rotations, blank, report, with_rotations
from immutable.planning.rotation import rotated

__all__ = ["look_for_drift"]

_ATTEMPTS = 10


async def look_for_drift(
    backend: Backend, fleet: str, address: str, journal: Journal, max_age: float | None
) -> DriftReport:
    """Return how far a fleet is what its revision says. Touches nothing.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        address: The fleet's address.
        journal: What tells a rollout from a change that nobody has planned.
        max_age: Seconds that an instance may become old; None for any age.

    Raises:
        Gone: There is no such fleet.
        BackendError: It can't be looked at.
        JournalError: The journal can't be read.
    """
    before = await journal.entries(fleet=address, unfinished=True)
    inspection = await _inspect(backend, fleet)
    # The other way round, what was launched in between would be unknown.
    state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    if len(state.groups) > 1 and not before:
        # A look that is out of date may still show what the last rollout has given up.
        await asyncio.sleep(backend.capabilities.staleness)
        state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    if inspection is None:
        inspection = blank(state, "this backend can't inspect instances")
    inspection = with_rotations(state, inspection, await _rotations(state))
    entries = await journal.entries(fleet=address)
    revisions = _revisions(state, [*before, *entries])
    return report(address, state, inspection, revisions, max_age)


async def _inspect(backend: Backend, fleet: str) -> Inspection | None:
    if not isinstance(backend, SupportsDrift):
        return None
    able: SupportsDrift = backend
    return await patiently(lambda: able.inspect(fleet), attempts=_ATTEMPTS)


async def _rotations(state: FleetState) -> dict[int, Rotations]:
    """Return what became of the secrets of each group's revision; values are read by nobody."""
    found = {}
    for group in state.groups:
        pinned = {n: ref for n, ref in group.revision.config.secrets.items() if ref.version}
        told = await known({name: ref.at("") for name, ref in pinned.items()})
        lacking = tuple(name for name in pinned if not told.current.get(name))
        found[group.number] = Rotations(
            rotated(group.revision, told.current), len(lacking) < len(pinned), lacking
        )
    return found


def _revisions(state: FleetState, entries: list[Entry]) -> frozenset[int] | None:
    """Return the revisions that instances may be of; None when nobody knows.

    A rollout that ended while the fleet was looked at counts as one that goes on: what it gave up
    last may still be seen.
    """
    underway = [entry for entry in entries if not entry.status.ended]
    if underway:
        plans = [entry.plan for entry in underway]
        return frozenset(rev.number for p in plans for rev in (p.stable, p.candidate))
    if len(state.groups) == 1:
        return frozenset({state.groups[0].number})
    there = {group.number for group in state.groups}
    for entry in reversed(entries):
        if entry.plan.kind is PlanKind.REPLACE and entry.status is Status.SUCCEEDED:
            number = entry.plan.candidate.number
            return frozenset({number}) if number in there else None
        if entry.plan.kind is PlanKind.REPLACE and entry.status is Status.CANCELLED:
            return None
    return None
