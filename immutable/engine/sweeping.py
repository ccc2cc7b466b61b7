"""Undoing temporary changes that nobody is there to undo."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import Backend, BackendError, Context, Gone
from immutable.engine.retrying import CALL_SECONDS, patiently
from immutable.engine.tokens import derived
from immutable.journal import Journal
from immutable.model import Delete
from immutable.planning.sweeping import Leftover, leftovers

__all__ = ["sweep"]

_ATTEMPTS = 5


async def sweep(
    backend: Backend, fleet: str, address: str, journal: Journal, *, dry_run: bool
) -> tuple[Leftover, ...]:
    """Undo what is nobody's any more, and return all that rollouts have left, as it is now.

    No rollout stands behind this, so no record does: the marks on the cloud are all that it needs,
    and repeating it does no harm.

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
    found, refused = [], ""
    for each in leftovers(state, known):
        swept = each.sweep and not dry_run
        if swept and not refused:
            refused = await _undo(backend, fleet, each)
        # Each needs the one before: no group goes whose scaling settings are on no other yet.
        found.append(evolve(each, sweep=False, why=refused) if swept and refused else each)
    return tuple(found)


async def _undo(backend: Backend, fleet: str, leftover: Leftover) -> str:
    """Undo one thing, as its own rollout would; returns why it stays, if it does.

    A hold that somebody takes meanwhile is another rollout's, or has a higher fence: either way
    the backend refuses.
    """
    number, kind = leftover.revision, type(leftover.action).__name__
    token = derived(leftover.rollout, "sweep", kind, number, leftover.fence)
    ctx = Context(leftover.rollout, leftover.plan, leftover.fence, token, CALL_SECONDS)
    act = backend.delete_revision if isinstance(leftover.action, Delete) else backend.release
    try:
        await patiently(lambda: act(fleet, number, ctx), attempts=_ATTEMPTS)
    except Gone:
        return ""
    except BackendError as error:
        return f"for the cloud refused: {error}"
    return ""
