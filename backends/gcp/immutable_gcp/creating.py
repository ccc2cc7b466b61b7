"""Making the empty group of a new revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from immutable.backend import Conflict, Context, Gone, Pool, Revision, Transient
from immutable.toolkit.owning import check_holder, check_maker, check_number, held, taken
from immutable_gcp import marks as marking
from immutable_gcp.copying import group_body, settings_of, template_properties
from immutable_gcp.faults import is_stale
from immutable_gcp.hands import Hands
from immutable_gcp.holding import redistribution
from immutable_gcp.marks import Marks, Saved
from immutable_gcp.names import group_name, scope_of
from immutable_gcp.reading import Described
from immutable_gcp.routing import (
    dividing,
    join_maps,
    make_service,
    members_of,
    serving_service,
)
from immutable_gcp.sizing import maximum_of
from immutable_gcp.tables import path_of

__all__ = ["create_revision", "make_template", "pattern_of"]


def pattern_of(groups: Sequence[Described]) -> Described:
    """Return the group that serves the fleet: the largest; of equals the oldest."""
    return max(groups, key=lambda group: (group.size, -group.marks.revision))


async def create_revision(
    hands: Hands, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
) -> None:
    """Make the empty group of a revision; see the contract, section 7.

    The number is marked first. Then the template, which nobody sees; then the group with its marks,
    whose name only one creator gets. Last it joins the load balancer: it has no members yet.
    """
    groups = await hands.eyes.groups(fleet)
    there = next((each for each in groups if each.marks.revision == revision.number), None)
    others = [each for each in groups if each is not there]
    if there is None:
        pattern = pattern_of(groups)
        check_holder(pattern.marks.hold, pattern.name, ctx, hands.calls.now())
        if pool is Pool.OWN:
            await dividing(hands.eyes.pools, await serving_service(hands.eyes.pools, pattern))
        there = await _make_group(hands, fleet, revision, pool, until, ctx, groups)
    else:
        check_maker(there.marks.rollout, there.name, ctx)
        check_holder(there.marks.hold, there.name, ctx, hands.calls.now())
    if others:
        await _join(hands, fleet, there, pattern_of(others), others, ctx)


async def _make_group(
    hands: Hands,
    fleet: str,
    revision: Revision,
    pool: Pool,
    until: float,
    ctx: Context,
    groups: Sequence[Described],
) -> Described:
    pattern = pattern_of(groups)
    await _give_out(hands, groups, pattern, revision.number, ctx)
    name = group_name(fleet, revision.number)
    old = await hands.eyes.template(pattern.template)
    properties = template_properties(old["properties"], fleet, revision)
    where = scope_of(pattern.template)
    template = await make_template(hands, fleet, revision, properties, ctx.rollout, where)
    marks = Marks(
        fleet,
        revision.number,
        ctx.rollout,
        ctx.plan,
        pool=pool,
        maximum=await maximum_of(hands, pattern),
        last=(revision.number, ctx.rollout),
        hold=held(None, ctx, until, 0),
        saved=_saved_at_birth(pattern),
    )
    await hands.owned(fleet, pattern.marks.revision, ctx)
    text = marking.described("", marks)
    body = group_body(settings_of(pattern.group), name, template, text)
    await _insert(hands, fleet, name, body, ctx.rollout)
    return await hands.owned(fleet, revision.number, ctx)


def _saved_at_birth(pattern: Described) -> Saved:
    saved = pattern.marks.saved
    known = saved.redistribution if saved is not None else ""
    return Saved(redistribution=known or _proactive(pattern))


def _proactive(pattern: Described) -> str:
    return "PROACTIVE" if redistribution(pattern) == "PROACTIVE" else ""


async def _give_out(
    hands: Hands, groups: Sequence[Described], pattern: Described, number: int, ctx: Context
) -> None:
    """Mark a number as given out; of two that do it at once one is told of the other."""
    fleet = pattern.marks.fleet
    check_number(fleet, [each.marks.last for each in groups], number, ctx)
    if pattern.marks.last == (number, ctx.rollout):
        return
    try:
        await hands.patch(pattern, evolve(pattern.marks, last=(number, ctx.rollout)))
    except Conflict as error:
        if is_stale(error):
            again = await hands.eyes.groups(fleet)
            check_number(fleet, [each.marks.last for each in again], number, ctx)
        raise


async def _insert(
    hands: Hands, fleet: str, name: str, body: Mapping[str, Any], rollout: str
) -> None:
    try:
        await hands.change(
            hands.eyes.managers,
            "insert",
            about=name,
            instance_group_manager_resource=dict(body),
            **hands.calls.place.where,
        )
    except Conflict as error:
        there = await hands.eyes.named(name)
        if there is None:
            raise Transient(f"{name} can't be made nor seen: {error}") from error
        owner = there.marks.rollout if there.marks.fleet == fleet else ""
        if owner == rollout and owner:
            return
        raise taken(f"a group {name}", owner) from error


# -- templates -------------------------------------------------------------------------------------


async def make_template(
    hands: Hands,
    fleet: str,
    revision: Revision,
    properties: Mapping[str, Any],
    rollout: str,
    where: Mapping[str, Any],
) -> str:
    """Make the instance template of a revision; returns its link.

    Args:
        hands: How things are made.
        fleet: The fleet.
        revision: The revision.
        properties: What VMs are made of.
        rollout: Whose it is; empty for nobody's.
        where: Its region, if it is to be a regional one.

    Raises:
        Conflict: There is one of its name, of another rollout or of nobody.
    """
    name = group_name(fleet, revision.number)
    service = "region_instance_templates" if where else "instance_templates"
    marks = Marks(fleet, revision.number, rollout)
    resource = {
        "name": name,
        "description": marking.described("", marks),
        "properties": dict(properties),
    }
    try:
        await hands.change(
            service, "insert", about=name, instance_template_resource=resource, **where
        )
    except Conflict as error:
        found = await _template_named(hands, service, name, where)
        theirs = marking.read(str(found.get("description", "")))
        if (theirs.fleet, theirs.rollout) != (fleet, rollout):
            owner = theirs.rollout if theirs.fleet == fleet else ""
            raise taken(f"an instance template {name}", owner) from error
        return str(found["self_link"])
    return str((await _template_named(hands, service, name, where))["self_link"])


async def _template_named(
    hands: Hands, service: str, name: str, where: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        return await hands.calls.ask(service, "get", about=name, instance_template=name, **where)
    except Gone as error:
        raise Transient(f"instance template {name} can't be seen yet") from error


# -- joining the load balancer ---------------------------------------------------------------------


async def _join(
    hands: Hands,
    fleet: str,
    group: Described,
    pattern: Described,
    others: Sequence[Described],
    ctx: Context,
) -> None:
    """Let a group's future members get requests: in the pool that is there, or one of its own."""
    pools = await hands.eyes.pools.of(
        [group.instance_group, *(each.instance_group for each in others)], anew=True
    )
    if group.marks.pool is Pool.SHARED:
        for service in pools[pattern.instance_group]:
            await _join_service(hands, str(service["self_link"]), group, pattern)
        return
    known = [link for each in others for link in _links(pools[each.instance_group])]
    serving = await serving_service(hands.eyes.pools, pattern)
    mine = pools[group.instance_group]
    own = mine[0] if mine else None
    if own is None:
        own = await make_service(hands, fleet, group.marks.revision, serving, group, ctx)
    # Others of the fleet may be in its table already.
    found = await hands.eyes.pools.maps([serving["self_link"]])
    ordered = sorted(found, key=lambda each: str(each["self_link"]))
    await join_maps(hands, ordered, serving["self_link"], own["self_link"], known)


def _links(services: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(each["self_link"]) for each in services]


async def _join_service(hands: Hands, link: str, group: Described, pattern: Described) -> None:
    """Add a group to a backend service, as its pattern is there."""
    service = await hands.eyes.pools.read_service(link)
    if path_of(group.instance_group) in members_of(service):
        return
    backends = list(service.get("backends", ()))
    path = path_of(pattern.instance_group)
    like: Mapping[str, Any] = next((b for b in backends if path_of(b["group"]) == path), {})
    backends.append({**like, "group": group.instance_group})
    resource = {"fingerprint": service["fingerprint"], "backends": backends}
    await hands.serve("patch", service, backend_service_resource=resource)
