"""Blue and green: a pool for each revision, and one change of a load balancer's rules.

"Azure Load Balancer components" (https://learn.microsoft.com/azure/load-balancer/components): a
rule sends to one backend pool. So all of the traffic can be switched, and none of it divided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immutable.backend import Context, FleetState, Gone, Invalid, Problem
from immutable.toolkit.owning import check_holder, taken
from immutable.toolkit.weights import check_table
from immutable_azure.balancing import is_idle, obstacles, repointed, rules_of, unpooled
from immutable_azure.calls import POOLS
from immutable_azure.hands import Hands
from immutable_azure.names import key, set_name
from immutable_azure.pools import parts_of
from immutable_azure.reading import Described

__all__ = ["drop_pool", "hinder_switch", "make_pool", "route", "send_to_others", "sweep_pool"]

_BALANCERS = "network.load_balancers"


async def _balancer(hands: Hands, pool: str) -> dict[str, Any]:
    place, name, _ = parts_of(pool)
    told: dict[str, Any] = await hands.calls.ask(f"{_BALANCERS}.get", place, name, about=name)
    return told


async def hinder_switch(hands: Hands, group: Described) -> list[Problem]:
    """Return why the traffic of a set can't be switched to a pool of its own."""
    lone = len(group.pools) == 1
    return obstacles(group, await _balancer(hands, group.pools[0]) if lone else None)


async def make_pool(hands: Hands, pattern: Described, fleet: str, number: int) -> str:
    """Make the pool of a revision, which no rule sends to; returns its long name.

    Raises:
        Invalid: The traffic of the set that serves can't be switched; says why.
        Conflict: A pool of that name serves somebody.
    """
    hindering = await hinder_switch(hands, pattern)
    if hindering:
        raise Invalid("; ".join(f"{each.what}: {each.way_out}" for each in hindering))
    place, balancer, _ = parts_of(pattern.pools[0])
    name = set_name(fleet, number)
    path = f"{pattern.pools[0].rsplit('/', 1)[0]}/{name}"
    there = await _pool(hands, path)
    if there is not None and not is_idle(there):
        raise taken(f"a backend pool {name} in use", None)
    if there is None:
        call, body = f"{POOLS}.begin_create_or_update", {"properties": dict[str, Any]()}
        await hands.begin(call, place, balancer, name, body, about=name, wait=True)
    return path


async def _pool(hands: Hands, path: str) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = await hands.calls.ask(
            f"{POOLS}.get", *parts_of(path), about=path.rsplit("/", 1)[-1]
        )
    except Gone:
        return None
    return told


async def route(
    hands: Hands, state: FleetState, fleet: str, weights: Mapping[int, float], ctx: Context
) -> None:
    """Let all rules send to the pool of the revision with 100 %; see the contract, section 12.

    Args:
        hands: How Azure is changed.
        state: The fleet as it was just seen.
        fleet: Its name.
        weights: The percentages: 100 for one group, and 0 for the others.
        ctx: On whose behalf.
    """
    groups = await _mine(hands, fleet, ctx)
    check_table(state, weights)
    chosen = [number for number, share in weights.items() if share == 100]
    if not chosen:
        raise Invalid(f"Azure Load Balancer switches traffic and can't divide it: {dict(weights)}")
    if len(groups) == 1:
        return
    if any(group.weight is None for group in state.groups):
        raise Invalid(f"the groups of {fleet} share a pool and can't be told apart")
    (target,) = [each.pools[0] for each in groups if each.marks.revision == chosen[0]]
    every = [pool for each in groups for pool in each.pools]
    await _point(hands, fleet, every, target, ctx)


async def _mine(hands: Hands, fleet: str, ctx: Context) -> list[Described]:
    """Return a fleet's sets, if nobody else holds any of them."""
    groups = await hands.eyes.groups(fleet)
    for each in groups:
        check_holder(each.marks.hold, each.name, ctx, hands.calls.now())
    return groups


async def _point(hands: Hands, fleet: str, pools: Iterable[str], target: str, ctx: Context) -> None:
    """Let the rules send to one pool instead of others: one request, if nothing else has changed.

    Raises:
        Conflict: Somebody changed the load balancer meanwhile, or holds the fleet.
    """
    told = await _balancer(hands, target)
    body = repointed(told, pools, target)
    if body is None:
        return
    await _mine(hands, fleet, ctx)
    place, name, _ = parts_of(target)
    await hands.begin(
        f"{_BALANCERS}.begin_create_or_update",
        place,
        name,
        body,
        about=name,
        wait=True,
        headers={"If-Match": str(told.get("etag", ""))},
    )


async def _apart(hands: Hands, group: Described) -> tuple[list[Described], list[str]]:
    """Return the fleet's other sets, and the pools of this one that none of those is in."""
    groups = await hands.eyes.groups(group.marks.fleet)
    others = [each for each in groups if each.marks.revision != group.marks.revision]
    theirs = {key(pool) for each in others for pool in each.pools}
    return others, [pool for pool in group.pools if key(pool) not in theirs]


async def send_to_others(hands: Hands, group: Described, ctx: Context) -> None:
    """Let those that are left have the traffic of a set that goes, whatever it was (D6)."""
    others, alone = await _apart(hands, group)
    ours = [each for each in others if each.pools]
    if alone and ours:
        target = max(ours, key=lambda each: (each.capacity, -each.marks.revision)).pools[0]
        await _point(hands, group.marks.fleet, alone, target, ctx)


async def drop_pool(hands: Hands, group: Described) -> Described:
    """Remove the pool that was made for an empty set, unless it serves; returns the set as it is.

    A pool can't be removed while a set's model names it (Azure/vm-scale-sets #53), also if nobody
    is in it. The model is changed first and the set goes last: a repetition finds it all.
    """
    if not group.marks.own:
        return group
    _, alone = await _apart(hands, group)
    told = {pool: await _pool(hands, pool) for pool in alone}
    alone = [pool for pool, found in told.items() if found is not None and not rules_of(found)]
    if not alone:
        return group
    body = {"properties": {"virtualMachineProfile": unpooled(group.profile, alone)}}
    await hands.change(group, body, wait=True)
    for pool in alone:
        await _delete(hands, pool)
    return await hands.eyes.whole(group.marks.fleet, group.marks.revision)


async def _delete(hands: Hands, pool: str) -> None:
    name = pool.rsplit("/", 1)[-1]
    try:
        await hands.begin(f"{POOLS}.begin_delete", *parts_of(pool), about=name, wait=True)
    except Gone:
        return


async def sweep_pool(hands: Hands, group: Described) -> None:
    """Remove the pool of the number given out last, if its set was never made or is gone."""
    fleet, (number, _) = group.marks.fleet, group.marks.last
    groups = await hands.eyes.groups(fleet)
    if not group.pools or number <= max(each.marks.revision for each in groups):
        return
    path = f"{group.pools[0].rsplit('/', 1)[0]}/{set_name(fleet, number)}"
    told = await _pool(hands, path)
    if told is not None and is_idle(told) and path not in group.pools:
        await _delete(hands, path)
