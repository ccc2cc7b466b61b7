"""Commands that tell a rollout what to do, whichever process drives it."""

from __future__ import annotations

import click
from attrs import frozen

from immutable.cli.options import as_json, where
from immutable.cli.progress import follow
from immutable.cli.running import REFUSED, command, console, fail, show_json
from immutable.engine.ledger import Ledger
from immutable.errors import Conflict, FleetBusy, NothingToRecover
from immutable.fleet import Fleet
from immutable.model import Order, PlanKind, Result, RolloutEnded, Status
from immutable.report import documents
from immutable.rollout import Rollout

__all__ = ["abort", "cancel", "pause", "promote", "resume"]


@frozen
class _Kind:
    """An order as a command.

    Attributes:
        order: The order.
        text: What it does, for its help.
        taken: What happens once a controller has taken it up; ``{url}`` is the fleet's address.
        end: How the rollout ends by it; None when it doesn't.
    """

    order: Order
    text: str
    taken: str
    end: Status | None = None


_KINDS = (
    _Kind(
        Order.PAUSE,
        "Stop a rollout where it is, until resume.",
        "it stays where it is until: immutable resume {url}",
    ),
    _Kind(
        Order.RESUME,
        "Undo a pause; a bake begins again.",
        "it goes on; see how: immutable watch {url}",
    ),
    _Kind(
        Order.PROMOTE,
        "Go on now: approve, or cut a bake short.",
        "it goes on unless a gate says fail; see how: immutable watch {url}",
    ),
    _Kind(
        Order.ABORT,
        "Bring a fleet back to where its rollout began.",
        "it goes back; see how: immutable watch {url}",
        Status.ROLLED_BACK,
    ),
    _Kind(
        Order.CANCEL,
        "Stop a rollout for good; all stays as it is.",
        "it stops; bring the fleet whole again with: immutable rollback {url}",
        Status.CANCELLED,
    ),
)


async def _running(fleet: Fleet, kind: _Kind) -> Rollout:
    """Return the rollout that the order is for, or say why there is none, and leave."""
    entries = await fleet.history()
    if not entries:
        raise NothingToRecover(fleet.address)
    last = entries[-1]
    if last.status.ended:
        ended = last.status.value.replace("_", " ")
        back = last.status is Status.SUCCEEDED and last.plan.kind is PlanKind.REPLACE
        hints = [f"use: immutable rollback {fleet.address}"] if back and kind.end else []
        fail(REFUSED, f"no rollout runs on {fleet.address}; {last.rollout} {ended}", *hints)
    return await fleet.rollout(last.rollout)


async def _give(fleet: Fleet, rollout: Rollout, kind: _Kind, reason: str) -> str:
    """Give the order, and return which controller took it up; empty when none is alive."""
    try:
        match kind.order:
            case Order.ABORT:
                await rollout.abort(reason=reason, take_over=False)
            case Order.CANCEL:
                await rollout.cancel(reason=reason, take_over=False)
            case _:
                await getattr(rollout, kind.order.value)(reason=reason)
        by = await rollout.taken_up()
        if kind.order is Order.ABORT and by:
            await _check_turned(rollout)
    except Conflict:
        way_out = f"use: immutable rollback {fleet.address}"
        fail(REFUSED, f"rollout {rollout.id} is past the point of no return", way_out)
    return by


async def _check_turned(rollout: Rollout) -> None:
    """Make sure that the point of no return didn't come in between."""
    ledger = await rollout.ledger()
    if ledger.committed and not ledger.back:
        raise Conflict("too late")


async def _carry_out(fleet: Fleet, kind: _Kind, after: int, *, as_json: bool) -> Result | None:
    """Drive the rollout to the end that the order asks for; None when somebody else does by now.

    Raises:
        RolloutEnded: It ended otherwise.
    """
    try:
        return await follow(fleet, fleet.recover(), as_json=as_json, after=after)
    except RolloutEnded as ended:
        if ended.result.status is kind.end:
            return ended.result
        raise
    except (FleetBusy, NothingToRecover):
        return None


async def _tell(fleet: Fleet, kind: _Kind, reason: str, *, as_json: bool) -> None:
    screen = console(error=as_json)
    rollout = await _running(fleet, kind)
    name, before = f"{kind.order.value} {rollout.id}:", await rollout.ledger()
    by, result = await _give(fleet, rollout, kind, reason), None
    if not by and kind.end is not None and not (await rollout.status()).status.ended:
        screen.print(f"{name} no controller is alive: this process takes over", markup=False)
        result = await _carry_out(fleet, kind, before.heard, as_json=as_json)
        by = "" if result is not None else await rollout.taken_up()
    status = await rollout.status()
    if not by and result is None and status.status.ended:
        fail(REFUSED, f"rollout {rollout.id} {status.status.value} before it was told to")
    if as_json:
        show_json(documents.order(kind.order, reason, by, status, result))
    elif by:
        happens = _no_effect(kind, before) or kind.taken.format(url=fleet.address)
        screen.print(f"{name} {by} took it up; {happens}", markup=False)
    elif result is None:
        way_on = f"carry on with: immutable recover {fleet.address}"
        screen.print(f"{name} no controller is alive; the order waits for one", markup=False)
        screen.print(f"  {way_on}", markup=False)


def _no_effect(kind: _Kind, before: Ledger) -> str:
    """Return why the order changes nothing, if so."""
    if kind.order is Order.RESUME and not before.paused:
        return "it was not paused"
    if kind.order in (Order.PAUSE, Order.RESUME, Order.PROMOTE, Order.ABORT) and before.back:
        return "it is going back already"
    if kind.order is Order.PAUSE and before.committed:
        return "it is past the point of no return, where nothing is paused any more"
    return ""


def _command(kind: _Kind) -> click.Command:
    @click.command(kind.order.value, help=kind.text)
    @click.argument("url")
    @click.option("--reason", default="", help="Why; goes into the record.")
    @where
    @as_json
    @command
    async def give(
        url: str, reason: str, journal: str | None, actor: str | None, as_json: bool
    ) -> None:
        async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
            await _tell(fleet, kind, reason, as_json=as_json)

    return give


pause, resume, promote, abort, cancel = (_command(kind) for kind in _KINDS)
