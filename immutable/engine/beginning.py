"""How a rollout begins, and how one that lost its controller is taken up again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from attrs import evolve, frozen

from immutable.backend import Backend
from immutable.engine.admitting import hearing
from immutable.engine.retrying import patiently
from immutable.errors import FleetBusy, JournalError, NothingToRecover, PlanRefused, PlanStale
from immutable.journal import Entry, Journal, Lease
from immutable.model import Clock, FleetState, Group, Plan, Problem, Record, Resize, Status
from immutable.model.quantities import duration
from immutable.model.records import Claimed, Ended, Started
from immutable.model.serial import digest
from immutable.planning.compile import staleness

__all__ = [
    "Seen",
    "Turn",
    "begin",
    "first_look",
    "first_records",
    "new_entry",
    "new_rollout_id",
    "take_over",
]

_ATTEMPTS = 10


@frozen
class Seen:
    """A look at a fleet.

    Attributes:
        state: What was there.
        asked: The loop's time at which it was asked for.
    """

    state: FleetState
    asked: float


@frozen
class Turn:
    """The right to drive one rollout now.

    Attributes:
        entry: The rollout as the journal lists it.
        lease: The lease on it.
        seen: What it began with, which spares its driver a look; None if nobody has looked.
    """

    entry: Entry
    lease: Lease
    seen: Seen | None = None


def new_rollout_id(clock: Clock) -> str:
    """Return an identifier that sorts by time and that nobody else has."""
    stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{os.urandom(3).hex()}"


async def begin(
    backend: Backend,
    fleet: str,
    journal: Journal,
    clock: Clock,
    plan: Plan,
    *,
    rollout: str,
    controller: str,
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
        controller: Who will drive it.
        actor: On whose behalf.
        reason: Why, in the actor's words.

    Raises:
        FleetBusy: Another rollout runs on the fleet.
        PlanRefused: Its image is revoked, the fleet's policy does not let it pass, or a rollout
            that has ended holds a group still.
        PlanStale: The fleet is no longer what the plan was made for.
    """
    heard = await hearing(journal, clock.now(), plan, actor=actor, starting=True)
    if heard.problems:
        raise PlanRefused(heard.problems)
    running = await journal.entries(fleet=plan.fleet, unfinished=True)
    if running:
        raise FleetBusy(plan.fleet, running[0].rollout)
    entry = new_entry(plan, clock, rollout=rollout, actor=actor, reason=reason)
    entry = evolve(entry, controller=controller, fence=1)
    seen = await first_look(backend, fleet)
    started, *over = await first_records(seen.state, plan, journal)
    records = [started, Claimed(controller, 1), *over]
    return Turn(entry, await journal.begin(entry, records), seen)


def new_entry(plan: Plan, clock: Clock, *, rollout: str, actor: str, reason: str) -> Entry:
    """Return a rollout as the journal lists it that nobody drives yet."""
    return Entry(
        rollout=rollout,
        fleet=plan.fleet,
        plan=plan,
        actor=actor,
        reason=reason,
        started_at=clock.now(),
        status=Status.PENDING,
        controller="",
        fence=0,
        expires_at=0.0,
    )


async def first_look(backend: Backend, fleet: str) -> Seen:
    """Look at a fleet before anything is done to it."""
    asked = asyncio.get_running_loop().time()
    state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    return Seen(state, asked)


async def first_records(state: FleetState, plan: Plan, journal: Journal) -> list[Record]:
    """Return what is to be known of the fleet before the first action.

    Args:
        state: The fleet as it is.
        plan: What is to be carried out.
        journal: Where ended rollouts stand.

    Raises:
        PlanRefused: A rollout that has ended holds a group still.
        PlanStale: The fleet is no longer what the plan was made for.
    """
    held = [each for each in state.groups if each.hold and each.hold.until > state.at]
    if held and (problems := _orphaned(held, state.at, await journal.entries(fleet=plan.fleet))):
        raise PlanRefused(problems)
    changed = staleness(plan, state)
    if changed:
        raise PlanStale(changed)
    groups = tuple(sorted(state.groups, key=lambda each: each.number != plan.stable.number))
    wanted = plan.bounds.wanted if plan.kept else groups[0].size
    resize = next((step.size for step in plan.steps if isinstance(step, Resize)), wanted)
    ready = min(state.ready, resize)
    started = Started(
        digest(plan), groups, wanted=resize, ready=ready, at=state.at, slots=state.slots
    )
    # A plan without steps is over before it begins; the record says that it was asked for.
    return [started] if plan.steps else [started, Ended(Status.SUCCEEDED, "nothing to do")]


# It would be refused the first hold that it asks for, until that time is over.
def _orphaned(held: Sequence[Group], at: float, known: Sequence[Entry]) -> tuple[Problem, ...]:
    """Return which groups are held by rollouts that have ended: nobody will let go of them."""
    ended = {each.rollout: each.status for each in known if each.status.ended}
    problems = []
    for group in held:
        hold = group.hold
        if hold is not None and hold.rollout in ended:
            status, left = ended[hold.rollout].name.lower(), duration(round(hold.until - at))
            what = f"r{group.number} is held by rollout {hold.rollout}, which ended as {status}"
            way_out = f"let go of it with sweep; else its time is over in {left}"
            problems.append(Problem(what, way_out))
    return tuple(problems)


async def take_over(journal: Journal, fleet: str, controller: str) -> Turn:
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
            return Turn(entry, await journal.claim(entry.rollout, controller))
        except FleetBusy:
            await asyncio.sleep(0.1)
        except JournalError:
            # It may have ended just now; whoever ended it was quicker.
            if await journal.entries(rollout=entry.rollout, unfinished=True):
                raise
