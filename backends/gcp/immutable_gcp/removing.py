"""Removing what rollouts have made."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import evolve

from immutable.backend import Conflict, Context, Gone, Origin, Throttled
from immutable.toolkit.owning import check_holder, check_remover
from immutable_gcp import marks as marking
from immutable_gcp.calls import Answer
from immutable_gcp.hands import Hands
from immutable_gcp.marks import Marks
from immutable_gcp.names import group_name, last_part, scope_of
from immutable_gcp.reading import Described
from immutable_gcp.routing import leave_maps, members_of
from immutable_gcp.tables import path_of

__all__ = ["check_empty", "delete_group", "delete_revision", "delete_template"]

_LOOKS, _PAUSE = 10, 0.5


async def delete_revision(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """Remove an empty group; see the contract, section 11.

    Google deletes a group with its members, and not one that is in a backend service; so emptiness
    is read right before, and hold and size 0 are what keeps it true in between.
    """
    groups = await hands.eyes.groups(fleet)
    group = next((each for each in groups if each.marks.revision == revision), None)
    if group is None:
        # A number below the last one was whole once: nobody is about to make it. The last one's
        # rest is its rollout's alone.
        last = max(each.marks.last[0] for each in groups)
        maker = None if revision < last else ctx.rollout
        await _remove_rest(hands, fleet, revision, maker)
        raise Gone(f"fleet {fleet} has no group of r{revision}")
    check_holder(group.marks.hold, group.name, ctx, hands.calls.now())
    await check_empty(hands, group)
    check_remover(group.marks.hold, group.marks.rollout, group.name, ctx)
    pools = await hands.eyes.pools.of([each.instance_group for each in groups], anew=True)
    services = {
        each.marks.revision: [str(s["self_link"]) for s in pools[each.instance_group]]
        for each in groups
    }
    await leave_maps(hands, services, revision)
    if not group.marks.deletable:
        await _keep(hands, group, ctx)
    else:
        await delete_group(hands, group, ctx)


async def check_empty(hands: Hands, group: Described) -> None:
    """Refuse a group that has members, or is to have some.

    Raises:
        Conflict: It has.
    """
    if group.size or await hands.eyes.members(group):
        raise Conflict(f"{group.name} has members")


async def delete_group(hands: Hands, group: Described, ctx: Context | None) -> None:
    """Delete an empty group, and what was made for it.

    Args:
        hands: How things are changed.
        group: The one to delete.
        ctx: On whose behalf; None when a fleet is deleted as a whole.
    """
    fleet, number = group.marks.fleet, group.marks.revision
    (services,) = (await hands.eyes.pools.of([group.instance_group], anew=True)).values()
    for service in services:
        await _leave_service(hands, service, group)
    scaler = (await hands.eyes.scalers()).get(group.name)
    if scaler is not None:
        await hands.scale("delete", scaler["name"], autoscaler=scaler["name"])
    if ctx is not None:
        group = await hands.owned(fleet, number, ctx)
    await check_empty(hands, group)
    gone = await _delete(hands, group)
    if group.marks.origin is Origin.OURS:
        await delete_template(hands, fleet, group.template, group.marks.rollout)
    if gone:
        raise Gone(f"{group.name} was being deleted already, and is gone")


async def _delete(hands: Hands, group: Described) -> bool:
    """Delete a group; returns whether it was gone by an earlier request, whose answer was lost."""
    try:
        await hands.manage("delete", group)
    except Gone:
        return True
    except Throttled:
        # Busy: most likely with that request. Who waits can say how it ended.
        for _ in range(_LOOKS):
            await asyncio.sleep(_PAUSE)
            if await hands.eyes.named(group.name) is None:
                return True
        raise
    return False


async def _leave_service(hands: Hands, service: Answer, group: Described) -> None:
    """Take a group out of a backend service; one of ours goes with its last group."""
    now = await hands.eyes.pools.read_service(service["self_link"])
    left = [
        b for b in now.get("backends", ()) if path_of(b["group"]) != path_of(group.instance_group)
    ]
    if len(left) == len(now.get("backends", ())):
        return
    ours = marking.read(str(now.get("description", ""))).fleet == group.marks.fleet
    if not left and ours:
        await hands.serve("delete", now)
    elif left:
        resource = {"fingerprint": now["fingerprint"], "backends": left}
        await hands.serve("patch", now, backend_service_resource=resource)
    else:
        # An empty list in a patch is no list: only a whole one can say that there is none.
        whole = {k: v for k, v in now.items() if k not in ("backends", "id", "creation_timestamp")}
        whole = {k: v for k, v in whole.items() if k not in ("kind", "self_link", "region")}
        await hands.serve("update", now, backend_service_resource=whole)


async def delete_template(hands: Hands, fleet: str, link: str, rollout: str | None) -> None:
    """Delete an instance template, if it was made for this fleet by this rollout; None: by any."""
    try:
        found = await hands.eyes.template(link)
    except Gone:
        return
    theirs = marking.read(str(found.get("description", "")))
    if theirs.fleet != fleet or rollout not in (None, theirs.rollout):
        return
    where = scope_of(link)
    service = "region_instance_templates" if where else "instance_templates"
    name = last_part(link)
    try:
        await hands.change(service, "delete", about=name, instance_template=name, **where)
    except Gone:
        return


async def _remove_rest(hands: Hands, fleet: str, revision: int, maker: str | None) -> None:
    """Remove what a creation or a deletion that was cut off has left.

    Args:
        hands: How things are changed.
        fleet: The fleet.
        revision: The number whose group is not there.
        maker: Whose rest may be removed; None for anybody's.
    """
    name = group_name(fleet, revision)
    found: Sequence[Answer] = await hands.eyes.pools.services(anew=True)
    for service in found:
        theirs = marking.read(str(service.get("description", "")))
        ours = theirs.fleet == fleet and maker in (None, theirs.rollout)
        if service["name"] == name and ours and not members_of(service):
            await hands.serve("delete", service)
    region = hands.calls.place.region
    for where in ("global", f"regions/{region}"):
        link = f"projects/{hands.calls.place.project}/{where}/instanceTemplates/{name}"
        await delete_template(hands, fleet, link, maker)


async def _keep(hands: Hands, group: Described, ctx: Context) -> None:
    """Leave an adopted group at size 0, as it was otherwise, and no longer of the fleet."""
    fleet, number = group.marks.fleet, group.marks.revision
    group = await hands.owned(fleet, number, ctx)
    saved = group.marks.saved
    marks = evolve(Marks(), retired=f"{fleet}/{ctx.rollout}")
    if saved is not None and saved.redistribution:
        # In one request: the fleet's mark and the hold end together.
        policy = {"instance_redistribution_type": saved.redistribution}
        await hands.patch(group, marks, update_policy=policy)
    else:
        await hands.patch(group, marks)
    hands.eyes.pools.forget()
