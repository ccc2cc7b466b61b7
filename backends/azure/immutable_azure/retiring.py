"""Ending members by name: marked and counted out at once, drained, then deleted together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from immutable.backend import (
    BackendError,
    Conflict,
    Context,
    Invalid,
    Retiring,
    Throttled,
    Transient,
)
from immutable.toolkit.drains import Drains
from immutable.toolkit.requests import together
from immutable_azure.faults import is_code
from immutable_azure.hands import Hands
from immutable_azure.holding import keep_still
from immutable_azure.marks import drain_tags, fits
from immutable_azure.names import member_name
from immutable_azure.reading import Described, Description, is_leaving, member_id, nic_ids, size_of
from immutable_azure.scaling import enabled, minimum_of, with_minimum
from immutable_azure.sizing import delete_members

__all__ = ["retire"]

_SOON = 5.0


async def retire(
    hands: Hands,
    drains: Drains,
    fleet: str,
    revision: int,
    ids: tuple[str, ...],
    drain_timeout: float,
    ctx: Context,
) -> Retiring:
    """Begin or advance the end of members; see the contract, section 9.

    One change of the set's tags, held against its ETag, marks all members that are new to this:
    from then on they count no more. One change of each pool sets them Down. When *drain_timeout*
    is over, one request deletes all that are due. So a hundred members cost three writes, where
    Azure bears four a minute and set in the long run.
    """
    group = await hands.owned(fleet, revision, ctx)
    wanted = set(ids)
    new = [
        member_name(group.name, each)
        for each in group.members
        if member_id(each) in wanted and not is_leaving(each)
    ]
    new = [name for name in new if name not in group.marks.draining]
    if not new:
        return Retiring(size_of(group), await _advance(hands, drains, group, drain_timeout, ctx))
    size = size_of(group) - len(new)
    marks = group.marks
    if marks.hold is not None and marks.saved is not None and marks.hold.rollout == ctx.rollout:
        await keep_still(hands, group, marks.saved, marks.hold)
    else:
        await _lower_minimum(hands, group, size)
    if await _mark(hands, group, new):
        raise Transient(f"{group.name}: only a part of {len(new)} members fits into its tags")
    try:
        group = await hands.owned(fleet, revision, ctx)
        again = await _advance(hands, drains, group, drain_timeout, ctx)
    except Throttled:
        again = _SOON  # They are marked, which is what counts: the next call sees to the rest.
    return Retiring(size, again)


async def _lower_minimum(hands: Hands, group: Described, size: int) -> None:
    setting = await hands.setting(group)
    if setting is not None and enabled(setting) and minimum_of(setting) > size:
        await hands.put_setting(setting["name"], with_minimum(setting, size))


async def _mark(hands: Hands, group: Described, new: list[str]) -> bool:
    """Mark as many as fit into a set's tags; returns whether some are left over."""
    now, count = round(hands.calls.now(), 3), len(new)
    while count:
        tags = drain_tags(group.tags, {**group.draining, **dict.fromkeys(new[:count], now)})
        if fits(tags):
            await hands.tag(group, tags)
            return count < len(new)
        count //= 2
    raise Invalid(f"{group.name} has no tags left to mark who drains: take some of yours away")


async def _advance(
    hands: Hands, drains: Drains, group: Described, drain_timeout: float, ctx: Context
) -> float | None:
    """Set those that drain Down, delete those that have for long enough; when to look again."""
    there = {
        member_name(group.name, each): each
        for each in group.members
        if member_name(group.name, each) in group.marks.draining
    }
    if not there:
        return None
    staying = {name: each for name, each in there.items() if not is_leaving(each)}
    ids = {name: member_id(each) for name, each in staying.items()}
    drains.keep(group.id, {member_id(each) for each in group.members})
    closed, loop = await _close(hands, group, staying), asyncio.get_running_loop().time()
    for name in closed:
        drains.begin(group.id, [ids[name]], _since(hands, group, name, loop))
    over, again = drains.due(group.id, ids.values(), drain_timeout, loop)
    due = [name for name, unique in ids.items() if unique in over]
    if due and not await _end(hands, group, due, ctx):
        return _SOON
    return min(again, _SOON) if due or closed != staying.keys() else again


def _since(hands: Hands, group: Described, name: str, loop: float) -> float:
    """Return when a member was marked, on the loop's clock, if this process has just seen to it."""
    age = hands.calls.now() - group.marks.draining[name]
    return loop - (age if 0 <= age < _SOON else 0.0)


async def _close(hands: Hands, group: Described, members: Mapping[str, Description]) -> set[str]:
    """Set members Down in all pools; returns the names of those that are."""
    if not members:
        return set()
    nics = {name: set(nic_ids(each)) for name, each in members.items()}
    every = set().union(*nics.values())
    try:
        await together(*(hands.eyes.pools.shut(pool, every) for pool in group.pools))
    except (Throttled, Conflict):
        # Somebody else changes the load balancer: the next call finds who isn't Down yet.
        closed = await hands.eyes.pools.closed(group.pools, every)
        return {name for name, found in nics.items() if found <= closed}
    return set(nics)


async def _end(hands: Hands, group: Described, due: list[str], ctx: Context) -> bool:
    """Delete who is due, if we still may; returns whether the deletion has begun."""
    fleet, revision = group.marks.fleet, group.marks.revision
    group = await hands.owned(fleet, revision, ctx)
    names = [name for name in due if name in group.leaving]
    for last in (False, True):
        try:
            await delete_members(hands, group, names)
        except Throttled:
            return False  # Another deletion runs: the next call sees to it.
        except BackendError as error:
            if last or not is_code(error, "InvalidParameter"):
                raise
            # One of them has gone meanwhile, and Azure refuses all of them then.
            group = await hands.owned(fleet, revision, ctx)
            names = [name for name in names if name in group.leaving]
        else:
            break
    return True
