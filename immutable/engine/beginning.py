"""How a rollout begins, and how one that lost its controller is taken up again."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime

from attrs import frozen

from immutable.backend import Backend
from immutable.engine.retrying import patiently
from immutable.errors import FleetBusy, NothingToRecover, PlanStale
from immutable.journal import Entry, Journal, Lease
from immutable.model import Clock, Plan, Resize, Status
from immutable.model.records import Ended, Started
from immutable.model.serial import digest
from immutable.planning.compile import staleness

__all__ = ["Turn", "begin", "controller_name", "new_rollout_id", "take_over"]

_ATTEMPTS = 10


@frozen
class Turn:
    """The right to drive one rollout now.

    Attributes:
        entry: The rollout as the journal lists it.
        lease: The lease on it.
    """

    entry: Entry
    lease: Lease


def new_rollout_id(clock: Clock) -> str:
    """Return an identifier that sorts by time and that nobody else has."""
    stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{os.urandom(3).hex()}"


def controller_name() -> str:
    """Return a name for this process that says where to look for it."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(2).hex()}"


async def begin(
    backend: Backend,
    fleet: str,
    journal: Journal,
    clock: Clock,
    plan: Plan,
    *,
    rollout: str,
    actor: str,
    reason: str,
) -> Turn:
    """Enter a rollout into the journal, with the fleet as it is before the first action.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        journal: Where to enter it.
        clock: The wall clock.
        plan: What to carry out.
        rollout: The identifier to give it.
        actor: On whose behalf.
        reason: Why, in the actor's words.

    Raises:
        FleetBusy: Another rollout runs on the fleet.
        PlanStale: The fleet is no longer what the plan was made for.
    """
    running = await journal.entries(fleet=plan.fleet, unfinished=True)
    if running:
        raise FleetBusy(plan.fleet, running[0].rollout)
    state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    changed = staleness(plan, state)
    if changed:
        raise PlanStale(changed)
    groups = tuple(sorted(state.groups, key=lambda each: each.number != plan.stable.number))
    wanted = plan.bounds.wanted if plan.kept else groups[0].size
    resize = next((step.size for step in plan.steps if isinstance(step, Resize)), wanted)
    ready = min(state.ready, resize)
    started = Started(digest(plan), groups, wanted=resize, ready=ready, at=state.at)
    entry = Entry(
        rollout=rollout,
        fleet=plan.fleet,
        plan=plan,
        actor=actor,
        reason=reason,
        started_at=clock.now(),
        status=Status.RUNNING,
        controller=controller_name(),
        fence=1,
        expires_at=clock.now() + journal.ttl,
    )
    # A plan without steps is over before it begins; the record says that it was asked for.
    over = [] if plan.steps else [Ended(Status.SUCCEEDED, "nothing to do")]
    return Turn(entry, await journal.begin(entry, [started, *over]))


async def take_over(journal: Journal, fleet: str) -> Turn:
    """Claim the unfinished rollout of a fleet, once its controller's lease has ended.

    Waits for at most one lease's life; a lease that is renewed meanwhile has a live owner.

    Raises:
        NothingToRecover: There is none.
        FleetBusy: Its controller is alive.
    """
    first: Entry | None = None
    while True:
        entries = await journal.entries(fleet=fleet, unfinished=True)
        if not entries:
            raise NothingToRecover(fleet)
        entry = entries[0]
        first = first or entry
        if entry.fence != first.fence or entry.expires_at > first.expires_at:
            raise FleetBusy(fleet, entry.rollout, f"{entry.controller} drives it")
        try:
            return Turn(entry, await journal.claim(entry.rollout, controller_name()))
        except FleetBusy:
            await asyncio.sleep(0.1)
