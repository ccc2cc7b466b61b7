"""Undoing temporary changes that nobody is there to undo."""

from __future__ import annotations

import hashlib

from attrs import evolve

from immutable.backend import Backend, BackendError, Context
from immutable.engine.retrying import CALL_SECONDS, patiently
from immutable.journal import Journal
from immutable.planning.sweeping import Leftover, leftovers

__all__ = ["sweep"]

_ATTEMPTS = 5


async def sweep(
    backend: Backend, fleet: str, address: str, journal: Journal, *, dry_run: bool
) -> tuple[Leftover, ...]:
    """Undo what is nobody's any more, and return all temporary changes that were found.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        address: The fleet's address.
        journal: Which rollouts have ended.
        dry_run: Whether to touch nothing.

    Raises:
        BackendError: The fleet can't be seen.
        JournalError: The journal can't be read.
    """
    state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    known = {each.rollout: each.status for each in await journal.entries(fleet=address)}
    found = leftovers(state, known)
    if dry_run:
        return found
    return tuple([await _undone(backend, fleet, each) for each in found])


async def _undone(backend: Backend, fleet: str, leftover: Leftover) -> Leftover:
    if not leftover.sweep:
        return leftover
    hold, number = leftover.hold, leftover.revision
    # As its own rollout would: a hold that somebody takes meanwhile has a higher fence.
    token = hashlib.sha256(f"{hold.rollout}/sweep/{number}/{hold.fence}".encode()).hexdigest()[:32]
    ctx = Context(hold.rollout, hold.plan, hold.fence, token, CALL_SECONDS)
    try:
        await patiently(lambda: backend.release(fleet, number, ctx), attempts=_ATTEMPTS)
    except BackendError as error:
        return evolve(leftover, sweep=False, why=f"since the cloud refused: {error}")
    return leftover
