"""From a plan, and what a fleet shows of it, to the records from which it is carried on. Pure.

What the lost journal knew and the groups don't show begins anew, and always on the safe side: a
bake is baked again, a stage that may not have been reached is reached again, a gate learns anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from immutable.model import FleetState, Group, Plan, PlanKind, Record, Resize, Route, Shift
from immutable.model.records import Committed, Found, Started, Turned
from immutable.model.serial import digest
from immutable.planning.arithmetic import window
from immutable.planning.goals import goals
from immutable.planning.remnants import Remnant, mark

__all__ = ["position", "resumed", "wanted_before"]


def resumed(
    plan: Plan, state: FleetState, remnant: Remnant, *, own: bool = True, back: str = ""
) -> tuple[Record, ...]:
    """Return the records that a rollout is carried on from.

    Args:
        plan: Its plan, or the plan of its way back.
        state: The fleet.
        remnant: What the groups tell of it.
        own: Whether it is the plan that the rollout has been carried out by.
        back: Why it is to return to stable, if it is.
    """
    candidate = _candidate(plan, state)
    wanted = wanted_before(plan, state, remnant, own=own)
    started = Started(
        digest(plan),
        tuple(_before(plan, state, remnant, wanted)),
        wanted=wanted,
        ready=min(state.ready, wanted),
        at=state.at,
        slots=state.slots,
    )
    if remnant.committed:
        last = len(plan.steps) - 1
        return started, Found(last, created=True, at=state.at), Committed(state.at)
    step = position(plan, candidate, wanted)
    found = Found(step, created=candidate is not None, at=state.at)
    why = back or _was_going_back(plan, state, candidate)
    return (started, found, Turned(why)) if why else (started, found)


def _candidate(plan: Plan, state: FleetState) -> Group | None:
    return state.group(plan.candidate.number) if plan.kind is PlanKind.REPLACE else None


# The hold says that r1 had 10. r1 has 6 and r2 has 5 now, the surge is 1: 10. With 8 and 7 they
# are 15, which 10 + 1 can't be: the fleet was scaled out meanwhile, to 14 at least. When the plan
# is lost nobody knows the surge, and it stays 10.
def wanted_before(plan: Plan, state: FleetState, remnant: Remnant, *, own: bool = True) -> int:
    """Return the fleet's size, N, as far as the groups tell.

    That is stable's size when the rollout first took hold of it, else the plan's, and more where
    what there is can't come from the rollout alone; after the point of no return the candidate's.
    """
    resize = next((step.size for step in plan.steps if isinstance(step, Resize)), None)
    if resize is not None:
        return resize
    candidate, stable = _candidate(plan, state), state.group(plan.stable.number)
    if remnant.committed and candidate is not None:
        return candidate.size
    held = mark(stable, remnant.rollout) if stable is not None else None
    first = held.size if held is not None and not plan.kept else None
    wanted = plan.bounds.wanted if first is None else first
    there = sum(group.size for group in (stable, candidate) if group is not None)
    while own and there > wanted + window(plan.limits, wanted).surge:
        wanted += 1
    return wanted


def _before(plan: Plan, state: FleetState, remnant: Remnant, wanted: int) -> Iterator[Group]:
    """Yield the groups as they were before the first action, stable first."""
    stable = state.group(plan.stable.number) or Group(plan.stable, wanted)
    held = mark(stable, remnant.rollout)
    minimum = held.minimum if held is not None else None
    yield evolve(
        stable,
        size=stable.size if plan.kind is PlanKind.SCALE else wanted,
        weight=None,  # When it has all of the traffic again it is alone.
        minimum=stable.minimum if minimum is None else minimum,
        hold=None,
        lapsed=None,
        trouble=None,
    )
    candidate = _candidate(plan, state)
    if plan.kept and candidate is not None:
        yield candidate


# Canary by instances, 5 %, 25 %, 100 % of 40: the steps are Shift(5), Bake, Shift(25), Bake, ….
# r2 has 10: Shift(25), and its bake again. r2 has 11: it is on the way to 100 %, Shift(100).
# Canary by weights: Shift(5), Route(5), Bake, Shift(25), Route(25), Bake, …. r2 has 25 % of the
# traffic: Route(25), and its bake again. r2 has none: Shift(5), however many it has.
def position(plan: Plan, candidate: Group | None, wanted: int) -> int:
    """Return the step from which to carry on: the last one that what is seen shows to be begun."""
    steps = list(enumerate(plan.steps))
    if candidate is None:
        return 0
    if any(isinstance(step, Route) for _, step in steps):
        weight = candidate.weight or 0.0
        routes = [n for n, s in steps if isinstance(s, Route) and 0 < s.candidate <= weight]
        return max(routes, default=0)
    shifts = [number for number, step in steps if isinstance(step, Shift)]
    for number in shifts:
        if goals(plan.steps[: number + 1], wanted).candidate >= candidate.size:
            return number
    return max(shifts, default=0)


def _was_going_back(plan: Plan, state: FleetState, candidate: Group | None) -> str:
    """Return what shows that the rollout had turned back, if anything does."""
    number = plan.candidate.number
    if plan.kind is not PlanKind.REPLACE:
        return ""
    if candidate is None and (plan.kept or state.last_revision >= number):
        return f"r{number}'s group was given up before"
    shares = {step.candidate for step in plan.steps if isinstance(step, Route)}
    weight = candidate.weight if candidate is not None else None
    if weight and shares and weight not in shares:
        return f"{weight:g} % of the traffic for r{number} is none of the plan's stages"
    return ""
