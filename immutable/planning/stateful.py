"""Where instances have volumes: who may write, how far to go, what was lost. Pure.

A volume has one writer, so a new instance starts only in a slot that the old one has left: the
surge is 0, and replacement is "retire, then start" by the arithmetic of any rollout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from attrs import evolve

from immutable.errors import PlanRefused, Problem
from immutable.model import (
    Approval,
    Bake,
    Capabilities,
    FleetState,
    Instance,
    InstanceState,
    Limits,
    Route,
    Shift,
    Slot,
    Stateful,
    Step,
    Strategy,
)
from immutable.model.quantities import rounded_down

__all__ = [
    "approved_first",
    "crowded",
    "lost",
    "one_writer",
    "steps_of",
    "treatment",
    "two_writers",
]

_WRITER = "a volume has one writer, so an instance can't start beside the one that it replaces"
_SEALING = "whoever may let the data change for good"


def treatment(state: FleetState, asked: Stateful | None, backend: Capabilities) -> Stateful | None:
    """Return how a plan treats a fleet's data; None for a fleet without state.

    Raises:
        PlanRefused: Something was asked for that there is no data for, or that the backend can't.
    """
    if not state.volumes:
        if asked is not None:
            what = f"fleet {state.fleet} has no volumes"
            raise PlanRefused((Problem(what, "leave snapshot and irreversible out"),))
        return None
    if asked is not None and asked.snapshot and not backend.snapshots:
        what = "the backend can't take snapshots of volumes"
        raise PlanRefused((Problem(what, "take them yourself, and leave snapshot out"),))
    return asked or Stateful()


# 3 instances; nobody chose counts, so they are the defaults, "25%" and 0: surge 0, unavailable 1.
# 8 instances, max_unavailable "25%": 2. Of 3 it would be 0, and nothing could move: 1.
# max_surge 2: refused.
def one_writer(limits: Limits, default: Limits, wanted: int) -> Limits:
    """Return *limits* for a fleet of *wanted* instances in which nobody starts beside another.

    Args:
        limits: The limits that were asked for.
        default: The backend's; counts that are as there were not chosen by anybody.
        wanted: The fleet's size.

    Raises:
        PlanRefused: A surge was asked for.
    """
    unchosen = (0, "0%", default.max_surge, Limits().max_surge)
    if limits.max_surge not in unchosen:
        what = f"max_surge {limits.max_surge} for a stateful fleet: {_WRITER}"
        raise PlanRefused((Problem(what, "use max_surge=0, max_unavailable=1 or more"),))
    unavailable = max(1, rounded_down(limits.max_unavailable, wanted))
    return evolve(limits, max_surge=0, max_unavailable=unavailable)


def steps_of(strategy: Strategy, state: FleetState, backend: Capabilities) -> tuple[Step, ...]:
    """Return a strategy's steps for a fleet; in a stateful one the traffic can't be divided.

    Raises:
        PlanRefused: The strategy needs two whole revisions side by side, or the backend's help.
    """
    if not state.volumes:
        return strategy.steps(state, backend)
    what = Problem(
        f"the strategy brings two revisions up side by side: {_WRITER}",
        "use Rolling, or Canary, which is by share of instances here",
    )
    try:
        steps = strategy.steps(state, evolve(backend, weighted_traffic=False))
    except PlanRefused as refused:
        raise PlanRefused((what, *refused.problems)) from refused
    beside = any(isinstance(step, Shift) and step.candidate + step.stable > 100 for step in steps)
    if beside or any(isinstance(step, Route) for step in steps):
        raise PlanRefused((what,))
    return steps


def approved_first(steps: tuple[Step, ...], stateful: Stateful | None) -> tuple[Step, ...]:
    """Return *steps*, after an approval where they can't be taken back."""
    if stateful is None or not stateful.irreversible or not steps:
        return steps
    return (Shift(candidate=0, stable=100), Bake(0, (Approval(_SEALING),)), *steps)


# Slot 0 had data vol-1 and log vol-2; now it has data vol-9: ("slot 0's data was vol-1, is vol-9",
# "slot 0's log, vol-2, is gone"). A slot that is new since then is nobody's loss.
def lost(before: Iterable[Slot], now: Iterable[Slot]) -> tuple[str, ...]:
    """Return which volumes vanished or are others than before; empty when none is."""
    there = {slot.name: slot for slot in now}
    found = []
    for slot in before:
        volumes = there[slot.name].volumes if slot.name in there else {}
        for name, identity in slot.volumes.items():
            if name not in volumes:
                found.append(f"slot {slot.name}'s {name}, {identity}, is gone")
            elif volumes[name] != identity:
                found.append(f"slot {slot.name}'s {name} was {identity}, is {volumes[name]}")
    return tuple(found)


# i-1 in slot 0 drains still, i-2 is starting in slot 0: ("slot 0 has two holders: i-1, i-2",).
def two_writers(instances: Iterable[Instance]) -> tuple[str, ...]:
    """Return which slots have more than one instance that exists; empty when none has."""
    holders: dict[str, list[str]] = {}
    for each in instances:
        if each.slot and each.state is not InstanceState.GONE:
            holders.setdefault(each.slot, []).append(each.id)
    return crowded(holders)


# {"0": ("i-1", "i-2"), "1": ("i-3",)}: ("slot 0 has 2 holders: i-1, i-2",).
def crowded(holders: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return which slots have more than one of their *holders*, by slot."""
    return tuple(
        f"slot {slot} has {len(holders[slot])} holders: {', '.join(sorted(holders[slot]))}"
        for slot in sorted(holders)
        if len(holders[slot]) > 1
    )
