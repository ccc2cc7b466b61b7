"""Who goes, when so many of a group are to go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from immutable.engine.members import Members
from immutable.model import InstanceState
from immutable.planning.kernel import Which

__all__ = ["picked"]

Allowed = Callable[[Iterable[str]], Iterator[str]]
"""Leaves out of names those that may not go."""


def picked(
    members: Members, count: int, which: Which, serving: Mapping[str, int], allowed: Allowed
) -> tuple[str, ...]:
    """Return the names of at most *count* members.

    READY ones go from the zone that has most READY members of both groups; the oldest first, for a
    surplus the newest, and before them whoever is READY and not proven: they don't count yet.

    Args:
        members: The members of the group.
        count: How many.
        which: Which of them.
        serving: How many READY members both groups have, by zone.
        allowed: Leaves out of names those that may not go.
    """
    if which is Which.OVERDUE:
        return tuple(islice(allowed(members.overdue), count))
    newest = which is Which.SURPLUS
    chosen = list(islice(allowed(_idle(members, newest)), count))
    if which is not Which.BROKEN and len(chosen) < count:
        there = frozenset(chosen)

        def others(names: Iterable[str]) -> Iterator[str]:
            return (name for name in allowed(names) if name not in there)

        chosen += _serving_ones(members, count - len(chosen), newest, serving, others)
    return tuple(chosen)


def _idle(members: Members, newest: bool) -> Iterator[str]:
    """Yield who does not count as available: of a surplus, who is READY and not proven too."""
    for state in (InstanceState.UNREADY, InstanceState.STARTING):
        yield from _ordered(members.of(state), newest)
    if newest:
        ready = _ordered(members.of(InstanceState.READY), newest)
        yield from (name for name in ready if not members.has_proven(name))


def _serving_ones(
    members: Members, count: int, newest: bool, serving: Mapping[str, int], allowed: Allowed
) -> list[str]:
    zones = {
        zone: allowed(_ordered(names, newest))
        for (state, zone), names in members.names.items()
        if state is InstanceState.READY
    }
    left = {zone: serving[zone] for zone in zones}
    chosen: list[str] = []
    while left and len(chosen) < count:
        zone = max(left, key=lambda each: (left[each], each))
        name = next(zones[zone], None)
        if name is None:
            del left[zone]
            continue
        left[zone] -= 1
        chosen.append(name)
    return chosen


def _ordered(names: Iterable[str], newest: bool) -> Iterable[str]:
    return reversed(list(names)) if newest else names
