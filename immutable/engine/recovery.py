"""How a rollout whose controller is gone is taken up: by the journal, else by the fleet's marks."""

from __future__ import annotations

import asyncio
from secrets import randbelow

from attrs import evolve, frozen

from immutable.backend import Backend, Conflict, FleetState
from immutable.engine.beginning import Turn, new_entry, take_over
from immutable.engine.keeper import Keeper
from immutable.engine.retrying import patiently
from immutable.errors import NothingToRecover, OrphanedRollout, PlanRefused, Problem
from immutable.journal import Journal
from immutable.model import Capabilities, Clock, Limits, Order, Plan, PlanKind
from immutable.model.quantities import duration
from immutable.model.records import Committed, Sealed
from immutable.model.serial import digest
from immutable.planning.comparison import remains
from immutable.planning.compile import homeward
from immutable.planning.remnants import Remnant, find
from immutable.planning.resuming import resumed

__all__ = ["Ways", "recover"]

_ATTEMPTS = 10
_ROUND = 1 << 20


@frozen
class Ways:
    """How a rollout is to be carried on, and on whose behalf.

    Attributes:
        plan: The plan to carry on with, where the journal has none.
        to_stable: Whether to return to stable.
        limits: How far to go on the way back when the plan is lost; default the backend's.
        actor: On whose behalf.
        reason: Why, in the actor's words.
    """

    plan: Plan | None = None
    to_stable: bool = False
    limits: Limits | None = None
    actor: str = ""
    reason: str = ""


async def recover(
    backend: Backend, fleet: str, address: str, keeper: Keeper, clock: Clock, ways: Ways
) -> Turn:
    """Take up the unfinished rollout of a fleet.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        address: The fleet's address.
        keeper: Who takes it up, and where it is written down.
        clock: The wall clock.
        ways: How it is to be carried on.

    Raises:
        NothingToRecover: There is none.
        FleetBusy: Its controller is alive.
        OrphanedRollout: The journal knows of none, the fleet shows one, and *ways* doesn't say how
            to carry it on.
        PlanRefused: It can't be carried on so; says why, and the way out.
        Conflict: It can't return to stable, for it is past its point of no return.
    """
    journal = keeper.journal
    known = await journal.entries(fleet=address, unfinished=True)
    if not known:
        return await _take_up(backend, fleet, address, keeper, clock, ways)
    entry = known[0]
    if ways.plan is not None:
        _check_same(ways.plan, entry.rollout, digest(entry.plan))
    if ways.to_stable:
        if await _only_forward(journal, entry.rollout):
            raise _no_way_back(entry.rollout)
        await journal.order(entry.rollout, Order.ABORT, actor=ways.actor, reason=ways.reason)
    return await take_over(journal, address, keeper.name)


async def _only_forward(journal: Journal, rollout: str) -> bool:
    events = await journal.events(rollout)
    return any(isinstance(event.record, (Committed, Sealed)) for event in events)


def _no_way_back(rollout: str) -> Conflict:
    return Conflict(f"rollout {rollout} is past its point of no return: use rollback")


async def _take_up(
    backend: Backend, fleet: str, address: str, keeper: Keeper, clock: Clock, ways: Ways
) -> Turn:
    """Enter a rollout into the journal that only the fleet's marks tell of, under its own name."""
    await asyncio.sleep(backend.capabilities.staleness)  # What it did last must be visible.
    state = await patiently(lambda: backend.observe(fleet), attempts=_ATTEMPTS)
    remnant = find(state)
    if remnant is None or await keeper.journal.entries(rollout=remnant.rollout):
        raise NothingToRecover(address)
    if ways.plan is None and not ways.to_stable:
        raise _orphaned(address, state, remnant)
    plan = _plan(address, state, remnant, backend.capabilities, ways)
    back = ways.to_stable and plan.kind is not PlanKind.SCALE
    why = f"return to stable by {ways.actor}" if back else ""
    records = resumed(plan, state, remnant, own=plan is ways.plan, back=why)
    entry = new_entry(plan, clock, rollout=remnant.rollout, actor=ways.actor, reason=ways.reason)
    entry = evolve(entry, fleet=address, controller=keeper.name, fence=_above(remnant.fence))
    return Turn(entry, await keeper.journal.begin(entry, records))


# Leases of one journal are numbered 1, 2, 3 …. Who takes a rollout up under another journal can't
# know how far that one has counted, nor who else does the same: so it takes a number from the next
# round of a million, by lot. The higher one wins at the fleet, and the other stops.
def _above(fence: int) -> int:
    return (fence // _ROUND + 1) * _ROUND + randbelow(_ROUND)


def _plan(
    address: str, state: FleetState, remnant: Remnant, able: Capabilities, ways: Ways
) -> Plan:
    """Return the plan to carry on with: the one given, or one made from what there is."""
    if ways.plan is not None:
        _check_same(ways.plan, remnant.rollout, remnant.plan)
    if ways.to_stable and remnant.committed:
        raise _no_way_back(remnant.rollout)
    if ways.plan is not None and not (ways.to_stable and ways.plan.kind is PlanKind.SCALE):
        return ways.plan
    home = remnant.home
    if home is None:
        what = f"nothing on {address} says which group rollout {remnant.rollout} comes from"
        way_out = "pass its plan too, or use rollback when its holds are over"
        raise PlanRefused((Problem(what, way_out),))
    return homeward(address, state, home, remnant.candidate, ways.limits, able)


def _check_same(plan: Plan, rollout: str, wanted: str) -> None:
    if not wanted:
        what = f"nothing on the fleet says which plan rollout {rollout} carries out"
        raise PlanRefused((Problem(what, "return to stable instead"),))
    if digest(plan) != wanted:
        what = f"rollout {rollout} carries out {wanted}, the plan is {digest(plan)}"
        raise PlanRefused((Problem(what, "pass its own plan, or return to stable"),))


def _orphaned(address: str, state: FleetState, remnant: Remnant) -> OrphanedRollout:
    """Return the error that says what there is, and offers what can be done."""
    silence = remnant.silence(state.at)
    sign = "it can't be told when it last gave a sign of life"
    if silence is not None:
        sign = f"it renewed its holds {duration(round(max(0.0, silence)))} ago"
    ways = []
    if remnant.plan:
        ways.append(
            f"carry on with its plan, {remnant.plan}:"
            f" recover(plan=…), immutable recover {address} --plan FILE"
        )
    if remnant.home is not None:
        ways.append(
            f"return to r{remnant.home.number}:"
            f" recover(to_stable=True), immutable recover {address} --to-stable"
        )
    if not ways:
        ways.append(f"see what is there: immutable fleet status {address}")
    found = (*remains(state), sign)
    return OrphanedRollout(address, remnant.rollout, remnant.plan, found, tuple(ways))
