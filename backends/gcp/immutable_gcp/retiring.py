"""Ending members by name: the group drains them, then ends them, and does not replace them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from immutable.backend import Context, Gone, Retiring, Throttled
from immutable.toolkit.drains import Drains
from immutable.toolkit.requests import part_by_part, parts_of
from immutable_gcp.calls import Answer
from immutable_gcp.hands import Hands
from immutable_gcp.holding import lower_minimum
from immutable_gcp.names import last_part
from immutable_gcp.reading import Described, exists, is_leaving, zone_of
from immutable_gcp.sizing import delete_field

__all__ = ["drain_delay", "retire"]

AT_ONCE = 1000
"""So many instances may one ``deleteInstances`` name."""


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

    ``deleteInstances`` lowers the size by those that it names, takes them out of the load balancer,
    waits for the draining time of the backend service, and deletes them. A crash leaves nothing to
    be done. Only a draining time that is longer than *drain_timeout* has to be cut short by a later
    call.
    """
    group = await hands.owned(fleet, revision, ctx)
    wanted = set(ids)
    there = await hands.eyes.members(group)
    named = [each for each in there if exists(each) and str(each["id"]) in wanted]
    new = [each for each in named if not is_leaving(each)]
    if new:
        await _begin(hands, group, new, ctx)
    # Read after the members: an earlier request, whose answer was lost, may just have taken effect;
    # and those that somebody else ended meanwhile are left out by Google, who knows the size.
    size = (await hands.eyes.group(fleet, revision)).size
    drains.keep(group.id, {str(each["id"]) for each in there if exists(each)})
    again = await _advance(hands, drains, group, named, drain_timeout, ctx)
    return Retiring(size, again)


async def _begin(hands: Hands, group: Described, new: Sequence[Answer], ctx: Context) -> None:
    """Send members off; their places go with them."""
    fleet, revision = group.marks.fleet, group.marks.revision
    if group.marks.hold is None or group.marks.hold.until <= hands.calls.now():
        await lower_minimum(hands, group, group.size - len(new))

    async def send(part: Sequence[Answer]) -> None:
        named = [each["instance"] for each in part]
        resource = {"instances": named, "skip_instances_on_validation_error": True}
        owned = await hands.owned(fleet, revision, ctx)
        await hands.manage("delete_instances", owned, **delete_field(hands, resource))

    await part_by_part(parts_of(new, AT_ONCE), send, f"members of {group.name}")


async def _advance(
    hands: Hands,
    drains: Drains,
    group: Described,
    named: Sequence[Answer],
    drain_timeout: float,
    ctx: Context,
) -> float | None:
    """Cut drains short that last longer than they may; returns when to look again, if so."""
    if not named or await drain_delay(hands, group) <= drain_timeout:
        return None
    now = asyncio.get_running_loop().time()
    by_id = {str(each["id"]): each for each in named}
    drains.begin(group.id, by_id, now)
    due, again = drains.due(group.id, by_id, drain_timeout, now)
    if due:
        await _end(hands, group, [by_id[name] for name in due], ctx)
    return again


async def _end(hands: Hands, group: Described, due: Sequence[Answer], ctx: Context) -> None:
    """Delete those VMs that are still draining; the group doesn't make them anew."""
    owned = await hands.owned(group.marks.fleet, group.marks.revision, ctx)
    leaving = {
        str(each["id"])
        for each in await hands.eyes.members(owned)
        if is_leaving(each) and each.get("instance_status") == "RUNNING"
    }
    for each in due:
        number, link = str(each["id"]), each["instance"]
        if number not in leaving:
            continue
        try:
            # By its number: a VM that has got the name since is another one.
            await hands.deed.request(
                hands.calls.ask(
                    "instances",
                    "delete_unary",
                    about=last_part(link),
                    turn=group.marks.fleet,
                    instance=number,
                    zone=zone_of(link),
                )
            )
        except (Gone, Throttled):
            continue  # It is gone meanwhile, or it is too early: the next call sees to it.


async def drain_delay(hands: Hands, group: Described) -> float:
    """Return the longest draining time of a group's backend services, in seconds."""
    (services,) = (await hands.eyes.pools.of([group.instance_group], anew=True)).values()
    times = [
        float(each.get("connection_draining", {}).get("draining_timeout_sec", 0))
        for each in services
    ]
    return max(times, default=0.0)
