"""Who gets which part of a fleet's traffic, and what came of it. Pure functions on records.

A table of weights begins with a group that is made in `Pool.OWN` beside the one that serves, and
ends when one group is left. Between that every group has a weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve

from immutable.backend import Conflict, Group, Invalid, Pool, Reading, Traffic
from immutable_local.balancing import members
from immutable_local.balancing.latency import BOUNDS

__all__ = ["check", "reading", "with_group", "without_group"]

_EXACT = 1e-6


def with_group(groups: tuple[Group, ...], new: Group) -> tuple[Group, ...]:
    """Return the groups of a fleet after a new one was made: it gets no traffic yet if it can.

    Raises:
        Conflict: It can't be told apart from several that share a pool.
    """
    weighted = any(group.weight is not None for group in groups)
    if not groups or not (weighted or new.pool is Pool.OWN):
        return (*groups, new)
    if not weighted and len(groups) > 1:
        names, owner = _names(group.number for group in groups), groups[-1].rollout
        raise Conflict(f"{names} share a pool: r{new.number} can't have a weight", owner=owner)
    others = (group if weighted else evolve(group, weight=100.0) for group in groups)
    return (*others, evolve(new, weight=0.0))


def without_group(groups: tuple[Group, ...], number: int) -> tuple[Group, ...]:
    """Return the groups of a fleet after one was removed: who is alone has all, and no weight."""
    rest = tuple(group for group in groups if group.number != number)
    return rest if len(rest) > 1 else tuple(evolve(group, weight=None) for group in rest)


def check(groups: tuple[Group, ...], weights: Mapping[int, float]) -> None:
    """Say what is wrong with a table of weights for the groups of a fleet.

    Raises:
        Invalid: It isn't one for these groups, or the groups can't have one.
    """
    if {group.number for group in groups} != set(weights):
        there, given = _names(group.number for group in groups), _names(weights)
        raise Invalid(f"the groups are {there}, and the weights are for {given}; name each group")
    for number, weight in weights.items():
        if not 0 <= weight <= 100:
            raise Invalid(f"r{number} can't have {weight:g} % of the traffic; pass 0 to 100")
    if abs(sum(weights.values()) - 100) > _EXACT:
        table = " + ".join(f"{weight:g}" for weight in weights.values())
        raise Invalid(f"the weights are {table}, which is not 100 %")
    if len(groups) > 1 and any(group.weight is None for group in groups):
        names = _names(weights)
        raise Invalid(f"{names} share a pool and can't be told apart; make a candidate in Pool.OWN")


def reading(groups: Iterable[Group], seen: Mapping[str, members.Traffic]) -> Reading:
    """Return the counters of each group's members, as the balancer has *seen* them.

    What is in flight is not among them: nothing has come of it yet.
    """
    revisions: dict[int, dict[str, Traffic]] = {group.number: {} for group in groups}
    for name, each in seen.items():
        if each.revision in revisions:
            revisions[each.revision][name] = Traffic(
                requests=each.requests - each.in_flight,
                errors=each.failed,
                latency=each.latency.counts,
            )
    return Reading(revisions, BOUNDS)


def _names(numbers: Iterable[int]) -> str:
    return ", ".join(f"r{number}" for number in sorted(numbers)) or "none"
