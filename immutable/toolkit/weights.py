"""Tables of weights: which make sense, what they say, who is left. Pure.

A table has the weight of each pool of servers, by the pool's name; whatever unit it is in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from immutable.backend import FleetState, InstanceState, Invalid, Plan
from immutable.model import Route

__all__ = ["check_table", "needs_weights", "shares", "without"]

_EXACT = 1e-6


def needs_weights(plan: Plan) -> bool:
    """Return whether a plan divides the traffic by weights."""
    return any(isinstance(step, Route) for step in plan.steps)


def check_table(state: FleetState, weights: Mapping[int, float]) -> None:
    """Refuse a table that makes no sense (the contract's W5).

    Args:
        state: The fleet as it was just seen.
        weights: Percentages by revision number.

    Raises:
        Invalid: It does not; says why.
    """
    current = {group.number: group.weight for group in state.groups}
    if weights.keys() != current.keys():
        raise Invalid(f"weights for {sorted(weights)}, and the groups are {sorted(current)}")
    wrong = [share for share in weights.values() if not 0 <= share <= 100]
    if wrong or abs(sum(weights.values()) - 100) > _EXACT:
        raise Invalid(f"weights are percentages that sum to 100, not {dict(weights)}")
    if all(current[number] == share for number, share in weights.items()):
        return
    ready = {each.revision for each in state.instances if each.state is InstanceState.READY}
    idle = [number for number, share in weights.items() if share and number not in ready]
    if idle and ready:
        raise Invalid(f"r{idle[0]} has no member that is READY, so it can't serve any request")


# Pools A (r1) and B (r2) at 450 and 50: r1 90 %, r2 10 %. r3 in A as well: 0.
def shares(pools: Mapping[int, Sequence[str]], table: Mapping[str, int]) -> dict[int, float]:
    """Return each group's percentage of the traffic; empty while they share one pool.

    Args:
        pools: The pools of each group, by revision number.
        table: The weights as the load balancer has them.
    """
    if len({pool for each in pools.values() for pool in each} & table.keys()) < 2:
        return {}
    total = sum(table.values()) or 1
    taken: set[str] = set()
    told: dict[int, float] = {}
    for number in sorted(pools):
        mine = [pool for pool in pools[number] if pool in table and pool not in taken]
        taken.update(mine)
        told[number] = round(max((table[pool] for pool in mine), default=0) / total * 100, 6)
    return told


# A 0, B 100, without B: A is left alone, and gets everything: 1.
def without(table: Mapping[str, int], gone: Collection[str]) -> dict[str, int]:
    """Return a table without some pools; what is left of it gets the traffic (D6)."""
    rest = {pool: weight for pool, weight in table.items() if pool not in gone}
    if len(rest) == 1 or not any(rest.values()):
        return dict.fromkeys(rest, 1)
    return rest
