"""Blue and green: one change of a load balancer's rules, from one pool to another.

"Azure Load Balancer components" (https://learn.microsoft.com/azure/load-balancer/components): a
rule sends to one backend pool. So all of the traffic can be switched, and none of it divided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from immutable.backend import Context, FleetState, Invalid
from immutable.toolkit.owning import check_holder
from immutable.toolkit.weights import check_table
from immutable_azure.balancing import repointed
from immutable_azure.creating import pattern_of
from immutable_azure.hands import Hands
from immutable_azure.ownpools import BALANCERS, apart, balancer_of
from immutable_azure.pools import parts_of
from immutable_azure.reading import Described

__all__ = ["route", "send_to_others"]


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
    told = await balancer_of(hands, target)
    body = repointed(told, pools, target)
    if body is None:
        return
    await _mine(hands, fleet, ctx)
    place, name, _ = parts_of(target)
    await hands.begin(
        f"{BALANCERS}.begin_create_or_update",
        place,
        name,
        body,
        about=name,
        wait=True,
        headers={"If-Match": str(told.get("etag", ""))},
    )


async def send_to_others(hands: Hands, group: Described, ctx: Context) -> None:
    """Let those that are left have the traffic of a set that goes, whatever it was (D6)."""
    others, alone = await apart(hands, group)
    ours = [each for each in others if each.pools]
    if alone and ours:
        await _point(hands, group.marks.fleet, alone, pattern_of(ours).pools[0], ctx)
