"""Backend pools that revisions have of their own: what hinders one, making and removing them."""

from __future__ import annotations

from typing import Any

from immutable.backend import Gone, Invalid, Problem
from immutable.toolkit.owning import taken
from immutable_azure.balancing import is_idle, obstacles, rules_of, unpooled
from immutable_azure.calls import POOLS
from immutable_azure.hands import Hands
from immutable_azure.names import key, set_name
from immutable_azure.pools import parts_of
from immutable_azure.reading import Described

__all__ = [
    "BALANCERS",
    "apart",
    "balancer_of",
    "drop_pool",
    "hinder_switch",
    "make_pool",
    "sweep_pool",
]

BALANCERS = "network.load_balancers"


async def balancer_of(hands: Hands, pool: str) -> dict[str, Any]:
    """Return the load balancer of a pool, as it is told."""
    place, name, _ = parts_of(pool)
    told: dict[str, Any] = await hands.calls.ask(f"{BALANCERS}.get", place, name, about=name)
    return told


async def hinder_switch(hands: Hands, group: Described) -> list[Problem]:
    """Return why the traffic of a set can't be switched to a pool of its own."""
    lone = len(group.pools) == 1
    return obstacles(group, await balancer_of(hands, group.pools[0]) if lone else None)


async def make_pool(hands: Hands, pattern: Described, fleet: str, number: int) -> str:
    """Make the pool of a revision, which no rule sends to; returns its long name.

    Raises:
        Invalid: The traffic of the set that serves can't be switched; says why.
        Conflict: A pool of that name serves somebody.
    """
    hindering = await hinder_switch(hands, pattern)
    if hindering:
        raise Invalid("; ".join(f"{each.what}: {each.way_out}" for each in hindering))
    path = _path(pattern, fleet, number)
    place, balancer, name = parts_of(path)
    there = await _pool(hands, path)
    if there is not None and not is_idle(there):
        raise taken(f"a backend pool {name} in use", None)
    if there is None:
        call, body = f"{POOLS}.begin_create_or_update", {"properties": dict[str, Any]()}
        await hands.begin(call, place, balancer, name, body, about=name, wait=True)
    return path


# Members join /…/loadBalancers/front/backendAddressPools/web, r2 of web: "/…/web-r2".
def _path(group: Described, fleet: str, number: int) -> str:
    return f"{group.pools[0].rsplit('/', 1)[0]}/{set_name(fleet, number)}"


async def _pool(hands: Hands, path: str) -> dict[str, Any] | None:
    try:
        return await hands.eyes.pools.get(path)
    except Gone:
        return None


async def apart(hands: Hands, group: Described) -> tuple[list[Described], list[str]]:
    """Return the fleet's other sets, and the pools of this one that none of those is in."""
    groups = await hands.eyes.groups(group.marks.fleet)
    others = [each for each in groups if each.marks.revision != group.marks.revision]
    theirs = {key(pool) for each in others for pool in each.pools}
    return others, [pool for pool in group.pools if key(pool) not in theirs]


async def drop_pool(hands: Hands, group: Described) -> Described:
    """Remove the pool that was made for an empty set, unless it serves; returns the set as it is.

    A pool can't be removed while a set's model names it (Azure/vm-scale-sets #53), also if nobody
    is in it. The model is changed first and the set goes last: a repetition finds it all.
    """
    if not group.marks.own:
        return group
    _, alone = await apart(hands, group)
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
    path = _path(group, fleet, number)
    told = await _pool(hands, path)
    if told is not None and is_idle(told) and key(path) not in map(key, group.pools):
        await _delete(hands, path)
