"""What an observer of a simulated fleet is told: all of it, what changed, or how it was before.

A cursor is a place in the fleet's log of changes. An observer who is behind the log's beginning, or
whose cursor nobody gave out, is told everything (docs/contract.md, O5).
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from immutable.backend import FleetState, Group, Instance
from immutable.memory.parts import SimulatedFleet
from immutable.memory.volumes import shown

__all__ = ["as_it_was", "changes", "whole"]

_LOG_LENGTH = 20_000


def whole(fleet: SimulatedFleet, groups: tuple[Group, ...], at: float) -> FleetState:
    """Return all that there is of a fleet, with its groups as they are to be told."""
    return FleetState(
        fleet=fleet.name,
        at=at,
        groups=groups,
        instances=tuple(server.seen for server in fleet.servers.values()),
        last_revision=fleet.last_revision,
        cursor=_end(fleet),
        volumes=fleet.volumes,
        slots=shown(fleet.slots),
    )


def changes(
    fleet: SimulatedFleet, groups: tuple[Group, ...], at: float, since: int | None
) -> FleetState:
    """Return what changed after a cursor, or everything if that can't be told any more."""
    if since is None or not fleet.dropped <= since <= _end(fleet):
        return whole(fleet, groups, at)
    changed = _newest(fleet.log[since - fleet.dropped :])
    if len(fleet.log) > _LOG_LENGTH:
        del fleet.log[: since - fleet.dropped]
        fleet.dropped = since
    return FleetState(
        fleet=fleet.name,
        at=at,
        groups=groups,
        instances=changed,
        last_revision=fleet.last_revision,
        complete=False,
        cursor=_end(fleet),
        volumes=fleet.volumes,
        slots=shown(fleet.slots),
    )


# A replica that lags by up to 8 s is asked at 100, and answers with what it knew at 94: what
# changed from the cursor until then, and a cursor that stands there. One that is asked with a
# cursor which it hasn't reached itself tells everything that it knows, as it was.
def as_it_was(
    fleet: SimulatedFleet, present: FleetState, moment: float, oldest: float, since: int | None
) -> FleetState:
    """Return a look that is true of *moment*, as of *present* if nothing is remembered of it.

    Args:
        fleet: The fleet.
        present: All that there is now.
        moment: Of when the look is to be.
        oldest: From when on looks are still to be had: what is older is forgotten.
        since: The cursor, if there is one.
    """
    past = [state for state in fleet.history if state.at <= moment]
    # What was true all through the staleness is the newest of what is older.
    old = sum(state.at <= oldest for state in fleet.history)
    fleet.history = fleet.history[max(0, old - 1) :] or [present]
    then = past[-1] if past else fleet.history[0]
    place = then.cursor
    if since is None or place is None or not fleet.dropped <= since <= place:
        return evolve(then, at=present.at)
    changed = _newest(fleet.log[since - fleet.dropped : place - fleet.dropped])
    return evolve(then, at=present.at, instances=changed, complete=False)


def _newest(log: Iterable[Instance | None]) -> tuple[Instance, ...]:
    return tuple({each.id: each for each in log if each is not None}.values())


def _end(fleet: SimulatedFleet) -> int:
    return fleet.dropped + len(fleet.log)
