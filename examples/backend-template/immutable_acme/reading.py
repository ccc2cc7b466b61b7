"""From Acme's answers to the values of the contract. Pure, so that it is tested by examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immutable.backend import (
    FleetState,
    Group,
    Instance,
    InstanceState,
    Transient,
    Trouble,
    TroubleKind,
)
from immutable_acme.marks import mark_of, revision_of

__all__ = ["fleet_state", "live"]

_STATES: Mapping[str, InstanceState] = {
    "booting": InstanceState.STARTING,
    "serving": InstanceState.READY,  # The pool's own health check says so (O1).
    "failing": InstanceState.UNREADY,
    "draining": InstanceState.DRAINING,
}


def live(group: Mapping[str, Any]) -> list[str]:
    """Return the ids of the members that are not leaving."""
    return [each["id"] for each in group["servers"] if each["state"] != "draining"]


def fleet_state(fleet: str, pool: Mapping[str, Any], groups: Iterable[Any]) -> FleetState:
    """Return an observation: everything, always (O7). Its time is that of its oldest part."""
    found = list(groups)
    return FleetState(
        fleet,
        at=pool["now"],
        groups=tuple(_group(each, pool["now"]) for each in found),
        instances=tuple(_instance(group, each) for group in found for each in group["servers"]),
        last_revision=int(pool["tags"]["last"]),
    )


def _group(group: Mapping[str, Any], now: float) -> Group:
    size, minimum, scale_in = group["size"], group["minimum"], group["scale_in"]
    if len(live(group)) == len(group["servers"]) > size:
        # A wrong reading (V5): the engine would take it for somebody's decision.
        raise Transient(f"{group['name']}: {len(group['servers'])} members at size {size}")
    mark = mark_of(group)
    over = mark is not None and mark.hold.until <= now
    if mark is not None:
        scale_in = mark.scale_in  # Told as it will be again: the hold's own change is none (H5).
        minimum = min(mark.hold.minimum or 0, size) if over else minimum
    settings = {"scaling": group["scaling"], "scale-in": "" if scale_in else "off"}
    problem = group["problem"]
    return Group(
        revision_of(group),
        size,
        minimum=minimum,
        maximum=group["maximum"],
        hold=mark.hold if mark is not None and not over else None,
        lapsed=mark.hold if mark is not None and over else None,
        rollout=group["tags"]["rollout"],
        plan=group["tags"]["plan"],
        trouble=Trouble(TroubleKind.SHORTAGE, problem) if problem else None,
        settings={name: value for name, value in settings.items() if value},
    )


def _instance(group: Mapping[str, Any], server: Mapping[str, Any]) -> Instance:
    state = _STATES[server["state"]]
    return Instance(
        server["id"],
        revision_of(group).number,
        state,
        zone=server["zone"],
        launched_at=server["started"],
        ready_since=server["ready_since"] if state is InstanceState.READY else None,
        protected=server["protected"],
    )
