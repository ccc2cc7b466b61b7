"""Which tables of weights make sense, and how one begins. Pure functions on groups."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from immutable.backend import Conflict, Group, Invalid, Pool

__all__ = ["check_table", "first_weight", "is_table"]

_EXACT = 1e-6


def is_table(groups: Collection[Group]) -> bool:
    """Return whether the groups of a fleet have weights."""
    return any(group.weight is not None for group in groups)


# One group, weights None: a group in a pool of its own begins a table, at 0.
# Two groups with weights: whatever joins them has 0.     Two that share a pool: none can begin.
def first_weight(groups: Collection[Group], pool: Pool) -> float | None:
    """Return the weight of a new group beside *groups*; None where there are no weights.

    Raises:
        Conflict: It can't be told apart from several that share a pool.
    """
    if is_table(groups):
        return 0.0
    if pool is Pool.SHARED:
        return None
    if len(groups) > 1:
        newest = max(groups, key=lambda group: group.number)
        raise Conflict("the groups share a pool: none can have a weight", owner=newest.rollout)
    return 0.0


def check_table(
    groups: Mapping[int, Group],
    weights: Mapping[int, float],
    ready: Collection[int],
    *,
    divides: bool = True,
) -> None:
    """Say what is wrong with a table of weights for the groups of a fleet.

    Args:
        groups: The groups, by revision number.
        weights: The percentage of each.
        ready: The numbers of those with a READY member.
        divides: Whether a group can have a part of the traffic, and not just all of it or none.

    Raises:
        Invalid: It isn't one for these groups, or they can't have one.
    """
    if weights.keys() != groups.keys():
        raise Invalid(f"weights for {sorted(weights)}, groups {sorted(groups)}")
    whole = abs(sum(weights.values()) - 100) <= _EXACT
    if not whole or not all(0 <= weight <= 100 for weight in weights.values()):
        raise Invalid(f"weights are percentages that sum to 100, not {dict(weights)}")
    if not divides and 100 not in weights.values():
        raise Invalid(f"the traffic can be switched, not divided: {dict(weights)}")
    if len(groups) > 1 and not is_table(groups.values()):
        raise Invalid(f"groups {sorted(groups)} share a pool and can't be told apart")
    if all(group.weight == weights[number] for number, group in groups.items()):
        return
    for number, weight in weights.items():
        if weight > 0 and ready and number not in ready:
            raise Invalid(f"no member of r{number} is READY: it can't take {weight:g} %")
