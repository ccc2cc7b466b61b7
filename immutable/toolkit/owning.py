"""Who may change, make, adopt and remove a group, by what is written on it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from immutable.backend import Conflict, Context, Hold, Invalid, Origin

__all__ = [
    "check_adoptable",
    "check_holder",
    "check_maker",
    "check_number",
    "check_remover",
    "held",
    "standing",
    "taken",
]


def check_holder(hold: Hold | None, group: str, ctx: Context, now: float) -> None:
    """Refuse whoever doesn't hold a group while somebody does (the contract's K5).

    Args:
        hold: The hold on it, over or not.
        group: Its name.
        ctx: Who asks.
        now: The time, by the cloud's clock.

    Raises:
        Conflict: Another rollout holds it, or a later lease of the same one does.
    """
    if hold is None or hold.until <= now:
        return
    if hold.rollout != ctx.rollout:
        raise Conflict(f"{group} is held by rollout {hold.rollout}", owner=hold.rollout)
    if hold.fence > ctx.fence:
        raise Conflict(f"{group}: lease {ctx.fence} is older than {hold.fence}", owner=hold.rollout)


def check_maker(maker: str, group: str, ctx: Context) -> None:
    """Refuse to go on with a group that is there to all but who has begun it (R6).

    Args:
        maker: Which rollout made it; empty for none.
        group: Its name.
        ctx: Who asks.

    Raises:
        Conflict: Somebody else asks.
    """
    if ctx.rollout != maker:
        raise _belongs(group, maker)


def check_remover(hold: Hold | None, maker: str, group: str, ctx: Context) -> None:
    """Refuse to remove a group to all but its maker and its last holder (D2).

    Args:
        hold: The hold on it, over or not.
        maker: Which rollout made it; empty for none.
        group: Its name.
        ctx: Who asks.

    Raises:
        Conflict: Somebody else asks.
    """
    holder = hold.rollout if hold is not None else ""
    if ctx.rollout not in (maker, holder):
        raise _belongs(group, holder or maker)


def _belongs(group: str, owner: str) -> Conflict:
    whose = f"rollout {owner}" if owner else "no rollout"
    return Conflict(f"{group} belongs to {whose}", owner=owner or None)


# Given out: 3, to us. We may have 3, and nobody 2; others neither.
def check_number(
    fleet: str, given_out: Iterable[tuple[int, str]], number: int, ctx: Context
) -> None:
    """Refuse a revision's number that is somebody else's, or was used (R6, R8).

    Args:
        fleet: The fleet.
        given_out: The highest number that each group says was given out, and to which rollout.
        number: The number that is asked for.
        ctx: Who asks.

    Raises:
        Conflict: It can't be had.
    """
    for last, rollout in given_out:
        if last >= number and rollout != ctx.rollout:
            raise Conflict(f"number {number} of {fleet} has been given out", owner=rollout or None)
        if last > number:
            raise Conflict(f"number {number} of {fleet} has been used")


def check_adoptable(
    name: str, kind: str, fleet: str, origin: Origin, fleets: Collection[str]
) -> None:
    """Refuse to adopt what is another fleet's, or would be a second fleet of its name.

    What was adopted as this fleet may be once more: what becomes of it later can be said anew.

    Args:
        name: The group's name, which the fleet is to have.
        kind: What the cloud calls a group.
        fleet: Whose it says that it is; empty for nobody's, and where there is no such group.
        origin: Where it says that it comes from.
        fleets: All fleets there are; it doesn't matter for a group that is somebody's.

    Raises:
        Invalid: It can't be adopted.
    """
    if fleet and not (fleet == name and origin is Origin.ADOPTED):
        raise Invalid(f"{kind} {name} is a part of fleet {fleet} already")
    if not fleet and name in fleets:
        raise Invalid(f"there is a fleet {name} already: nothing is to be adopted")


def taken(what: str, owner: str | None) -> Conflict:
    """Return the error that says whose a name is that was to be ours.

    Args:
        what: Kind and name of what is there.
        owner: Which rollout of the fleet made it; empty or None where it isn't ours.
    """
    whose = f"rollout {owner} made it" if owner else "it isn't ours"
    return Conflict(f"there is {what}, and {whose}", owner=owner or None)


# Held by A at size 3, now 2: A's next mark says 3 still, B's says 2.
def held(before: Hold | None, ctx: Context, until: float, size: int) -> Hold:
    """Return the hold by which a group is taken or renewed (H4, H5).

    Args:
        before: The hold on it, over or not.
        ctx: Who takes it.
        until: Until when.
        size: Its size now; a renewal keeps the one that was found first.
    """
    mine = before is not None and before.rollout == ctx.rollout
    found = before.size if before is not None and mine else size
    return Hold(ctx.rollout, ctx.fence, until, ctx.plan, size=found)


def standing(hold: Hold | None, at: float) -> tuple[Hold | None, Hold | None]:
    """Return the hold that binds at a time, and the one that is over: one of them at most."""
    if hold is not None and hold.until <= at:
        return None, hold
    return hold, None
