"""Sizes: more members, and as many as there are."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Invalid
from immutable_azure.calls import SETS
from immutable_azure.hands import Hands, current_tags
from immutable_azure.marks import drain_tags
from immutable_azure.names import key, member_name
from immutable_azure.reading import Described, is_husk, is_leaving, size_of
from immutable_azure.scaling import bounds_of

__all__ = ["delete_members", "grow", "remove_husks", "settle"]


async def grow(
    hands: Hands, fleet: str, revision: int, size: int, expected: int, ctx: Context
) -> int:
    """Raise a set's size to *size*; see the contract, section 8.

    The capacity that is asked for holds those that still leave, too. It is sent with the ETag of
    what was read, so that it can't lower what somebody else has raised meanwhile.
    """
    group = await hands.owned(fleet, revision, ctx)
    found = size_of(group)
    if found >= size:
        return found
    setting = (await hands.eyes.scaling()).get(key(group.id))
    maximum = bounds_of(setting, group.marks, hands.calls.now())[1]
    if maximum is not None and size > maximum:
        raise Invalid(f"{group.name} can't have {size} members, {maximum} at most")
    if found != expected:
        raise Conflict(f"{group.name} has size {found}, not {expected}")
    if await remove_husks(hands, group, ctx):
        group = await hands.owned(fleet, revision, ctx)
        found = size_of(group)
    # Asked for so many more than what is counted that isn't of the size.
    rest = _counted(group) - found
    sku = {k: v for k, v in group.group["sku"].items() if k != "capacity"}
    body = {"sku": {**sku, "capacity": size + rest}, "tags": current_tags(group)}
    if body["tags"] == group.tags:
        del body["tags"]
    await hands.change(group, body)
    return size


# Capacity 5 of a set that failed, 3 members, one of which leaves: 3 are counted, 2 are the size.
def _counted(group: Described) -> int:
    """Return the capacity as far as anything stands behind it."""
    if group.state == "failed":
        return min(group.capacity, len(group.members))
    return group.capacity


async def settle(hands: Hands, fleet: str, revision: int, ctx: Context) -> int:
    """Lower a set's size to the members that it has; see the contract, section 8."""
    group = await hands.owned(fleet, revision, ctx)
    if await remove_husks(hands, group, ctx):
        group = await hands.owned(fleet, revision, ctx)
    there = len(group.members)
    if not group.busy and group.capacity <= there:
        return size_of(group)
    live = _live(group)
    if group.busy and size_of(group) <= live:
        return size_of(group)
    sku = {k: v for k, v in group.group["sku"].items() if k != "capacity"}
    kept = max(there, live)
    await hands.change(group, {"sku": {**sku, "capacity": kept}}, wait=True)
    return live


def _live(group: Described) -> int:
    return sum(
        not is_husk(each)
        and not is_leaving(each)
        and member_name(group.name, each) not in group.marks.draining
        for each in group.members
    )


async def remove_husks(hands: Hands, group: Described, ctx: Context) -> bool:
    """Delete what launches without room have left; returns whether there was any.

    They are marked first, so that they count no more whatever their deletion does.
    """
    names = [member_name(group.name, each) for each in group.members if is_husk(each)]
    if not names:
        return False
    fleet, revision = group.marks.fleet, group.marks.revision
    new = [name for name in names if name not in group.marks.draining]
    if new:
        now = hands.calls.now()
        marked = {**group.draining, **dict.fromkeys(new, now)}
        await hands.tag(group, drain_tags(group.tags, marked))
        group = await hands.owned(fleet, revision, ctx)
    await delete_members(hands, group, names, wait=True)
    return True


async def delete_members(
    hands: Hands, group: Described, names: list[str], *, wait: bool = False
) -> None:
    """Delete members by name, in one request; those that aren't there any more are none of it.

    Raises:
        Throttled: Another deletion of the set's members runs.
    """
    if not names:
        return
    ids = [f"{group.name}_{each}" if group.flexible else each for each in sorted(names)]
    await hands.begin(
        f"{SETS}.begin_delete_instances",
        hands.calls.place.group,
        group.name,
        {"instanceIds": ids},
        about=group.name,
        wait=wait,
    )
