"""From what is there and what is wanted to a plan. Pure."""

from __future__ import annotations

from attrs import evolve

from immutable.errors import PlanRefused, Problem
from immutable.model import (
    Analysis,
    Bounds,
    Capabilities,
    Check,
    Commit,
    FleetState,
    Group,
    Image,
    Limits,
    OnProtected,
    Origin,
    Plan,
    PlanKind,
    Renew,
    Resize,
    Route,
    RuntimeConfig,
    Shift,
    Stateful,
    Step,
    Strategy,
)
from immutable.planning.arithmetic import window
from immutable.planning.bounds import bounds, times
from immutable.planning.goals import gates, needed_surge, waits
from immutable.planning.spelling import spelled
from immutable.planning.stateful import approved_first, one_writer, steps_of, treatment

__all__ = [
    "homeward",
    "only_group",
    "replacement",
    "resizing",
    "returning",
    "size_at_least",
    "staleness",
]

_BACK = (
    "back to stable by the same limits, traffic first, then a comparison with the fleet as it was"
    " before"
)
_FORWARD_ONLY = (
    "back to stable until the first new instance starts; from then on it stops, and says what is"
    " left where, for the old revision can't read the data"
)


def only_group(state: FleetState) -> Group:
    """Return the fleet's one group.

    Raises:
        PlanRefused: There is none, or another rollout left one behind.
    """
    if len(state.groups) == 1:
        return state.groups[0]
    if not state.groups:
        raise PlanRefused((Problem(f"fleet {state.fleet} has no group", "create it first"),))
    found = ", ".join(
        f"r{group.number} of size {group.size}"
        + (f" made by rollout {group.rollout}" if group.rollout else "")
        for group in state.groups
    )
    raise PlanRefused(
        (
            Problem(
                f"fleet {state.fleet} has {len(state.groups)} groups: {found}",
                "a rollout runs, died or was cancelled: wait for it, recover it, or use rollback",
            ),
        )
    )


def replacement(
    address: str,
    state: FleetState,
    image: Image,
    config: RuntimeConfig | None,
    strategy: Strategy,
    limits: Limits | None,
    backend: Capabilities,
    stateful: Stateful | None = None,
) -> Plan:
    """Return the plan that brings the fleet to *image* with *config* (None: as it is).

    Without *limits* they are the backend's, with as much surge as the strategy needs; *stateful* is
    how its data is treated, where it has any.

    Raises:
        PlanRefused: The fleet isn't whole, or the strategy can't be carried out on it.
    """
    group = only_group(state)
    stable, data = group.revision, treatment(state, stateful, backend)
    new_config = stable.config if config is None else config
    if _same_image(stable.image, image) and stable.config == new_config:
        steps: tuple[Step, ...] = ()
        candidate = stable
        notes = [f"the fleet already runs {image}: nothing to do"]
    else:
        steps = approved_first(steps_of(strategy, state, backend), data)
        number = 1 + max(state.last_revision, stable.number)
        candidate = evolve(stable, number=number, image=image, config=new_config)
        notes = _notes(group)
        notes += _health_only(steps, backend)
    chosen = _chosen(state, steps, group.size, limits, backend)
    _check(steps, group.size, chosen)
    return Plan(
        fleet=address,
        kind=PlanKind.REPLACE,
        stable=stable,
        candidate=candidate,
        strategy=spelled(strategy),
        limits=chosen,
        steps=steps,
        bounds=_bounds(state, group.size, chosen, backend, steps),
        on_failure=_FORWARD_ONLY if data is not None and data.irreversible else _BACK,
        notes=tuple(notes),
        stateful=data,
    )


# The fleet runs r2; r1 was kept, with its instances and without traffic: 10 beside 10. One switch.
# Nobody kept r1's instances, or the backend has no weights: a rolling replacement of what there is.
def returning(
    address: str,
    state: FleetState,
    to: int,
    wanted: int,
    limits: Limits | None,
    backend: Capabilities,
) -> Plan:
    """Return the plan that brings a fleet of two groups whole onto one of them.

    Args:
        address: The fleet's address.
        state: What there is.
        to: The revision number of the group to keep.
        wanted: The fleet's size, as the rollout that left two groups counted it.
        limits: How far to go; default the backend's, with the surge that it needs.
        backend: What the backend can do.

    Raises:
        PlanRefused: There are no two groups, or none of revision *to*.
    """
    there = {group.number: group for group in state.groups}
    if len(there) != 2 or to not in there:
        found = ", ".join(f"r{number}" for number in there) or "none"
        raise PlanRefused(
            (Problem(f"the fleet's groups are {found}, not two with r{to}", "name one of them"),)
        )
    candidate = there.pop(to)
    (stable,) = there.values()
    weighted = candidate.weight is not None
    steps: tuple[Step, ...] = (
        (Shift(100, 100), Route(100), Commit()) if weighted else (Shift(100, 0), Commit())
    )
    chosen = _chosen(state, steps, wanted, limits, backend)
    _check(steps, wanted, chosen)
    return Plan(
        fleet=address,
        kind=PlanKind.REPLACE,
        stable=stable.revision,
        candidate=candidate.revision,
        strategy="back to a group that is still there",
        limits=chosen,
        steps=steps,
        bounds=_bounds(state, wanted, chosen, backend, steps),
        kept=True,
        on_failure=_BACK,
        notes=tuple(_notes(stable)),
        stateful=treatment(state, None, backend),
    )


# The journal is lost, and the plan; r1 has 6, r2 has 5, and r1 had 10 before: back to r1 with 10.
# r1 alone, held by a rollout that is gone: it keeps its size, and nobody holds it any more.
def homeward(
    address: str,
    state: FleetState,
    stable: Group,
    candidate: Group | None,
    limits: Limits | None,
    backend: Capabilities,
) -> Plan:
    """Return a plan from whose middle a rollout can return to *stable*, when its own plan is lost.

    Args:
        address: The fleet's address.
        state: What there is.
        stable: The group to return to.
        candidate: The group to give up; None when there is none.
        limits: How far to go; default the backend's, with the surge that it needs.
        backend: What the backend can do.
    """
    steps: tuple[Step, ...]
    if candidate is None:
        kind, steps, wanted = PlanKind.SCALE, (Resize(stable.size),), stable.size
    else:
        kind, wanted = PlanKind.REPLACE, size_at_least(stable, candidate)
        weighted = candidate.weight is not None
        forward = (Shift(100, 100), Route(100)) if weighted else (Shift(100, 0),)
        steps = (*forward, Commit())
    chosen = _chosen(state, steps, wanted, limits, backend)
    return Plan(
        fleet=address,
        kind=kind,
        stable=stable.revision,
        candidate=(candidate or stable).revision,
        strategy="back to stable, from the marks on the groups",
        limits=chosen,
        steps=steps,
        bounds=_bounds(state, wanted, chosen, backend, ()),
        on_failure="stops, and says what is left where",
        notes=("its own plan is lost",),
        stateful=treatment(state, None, backend),
    )


# r1 and r2 have 4 each. Divided by weights, each of them is whole: 4. In one pool they serve
# together: 8, of which one may be surge.
def size_at_least(one: Group, other: Group) -> int:
    """Return the size of a fleet of two groups as far as sizes tell: all that serve count."""
    if other.weight is not None:
        return max(one.size, other.size)
    return one.size + other.size


def _chosen(
    state: FleetState,
    steps: tuple[Step, ...],
    wanted: int,
    limits: Limits | None,
    backend: Capabilities,
) -> Limits:
    """Return the limits that were asked for, else the backend's, as the fleet can have them."""
    if state.volumes:
        return one_writer(limits or backend.limits, backend.limits, wanted)
    return _roomy(steps, wanted, backend.limits) if limits is None else limits


def _roomy(steps: tuple[Step, ...], wanted: int, limits: Limits) -> Limits:
    """Return *limits* with the surge that the steps need, if that is more."""
    enough = needed_surge(steps, wanted) <= window(limits, wanted).surge
    return limits if enough else evolve(limits, max_surge="100%")


def _health_only(steps: tuple[Step, ...], backend: Capabilities) -> list[str]:
    watchers = gates(steps)
    if not watchers or backend.traffic_stats:
        return []
    if any(isinstance(gate, (Analysis, Check)) for gate in watchers):
        return []
    return ["health only: the backend doesn't count errors or latency, so nothing compares them"]


def resizing(
    address: str, state: FleetState, size: int, limits: Limits, backend: Capabilities
) -> Plan:
    """Return the plan that brings the fleet to *size* instances.

    Raises:
        PlanRefused: The fleet isn't whole: it has no group, or more than one.
        InvalidValue: *size* is negative.
    """
    group = only_group(state)
    steps: tuple[Step, ...] = (Resize(size),) if size != group.size else ()
    if state.volumes:
        limits = one_writer(limits, backend.limits, size)
    return Plan(
        fleet=address,
        kind=PlanKind.SCALE,
        stable=group.revision,
        candidate=group.revision,
        strategy=f"Resize({size})",
        limits=limits,
        steps=steps,
        bounds=_bounds(state, size, limits, backend, ()),
        on_failure="stops, and says which size the fleet has",
        notes=(f"from {group.size} to {size} instances",),
        stateful=treatment(state, None, backend),
    )


def _check(steps: tuple[Step, ...], wanted: int, limits: Limits) -> None:
    """Refuse steps that make no sense, or can't be made within the limits."""
    problems = []
    commits = [number for number, step in enumerate(steps, 1) if isinstance(step, Commit)]
    if steps and commits != [len(steps)]:
        problems.append(Problem("the strategy's steps don't end with one Commit", "add it"))
    if limits.on_protected is OnProtected.SKIP:
        problems.append(
            Problem(
                "on_protected='skip' would leave protected instances on the old revision",
                "use 'wait', or 'replace'",
            )
        )
    routes = [step.candidate for step in steps if isinstance(step, Route)]
    if routes and routes[-1] != 100:
        problems.append(Problem("the strategy gives stable up while it has traffic", "Route(100)"))
    need, have = needed_surge(steps, wanted), window(limits, wanted).surge
    if need > have:
        problems.append(
            Problem(
                f"the strategy brings {need} servers above {wanted}, max_surge allows {have}",
                "leave max_surge out, or make it '100%'",
            )
        )
    if problems:
        raise PlanRefused(tuple(problems))


def _same_image(one: Image, other: Image) -> bool:
    return (one.digest or one.artifact) == (other.digest or other.artifact)


def _bounds(
    state: FleetState, wanted: int, limits: Limits, backend: Capabilities, steps: tuple[Step, ...]
) -> Bounds:
    probe = any(isinstance(step, Shift) and step.probe for step in steps)
    absolute = window(limits, wanted)
    return bounds(
        absolute, state.ready, times(state, limits, backend), backend, probe, waits(steps)
    )


def _notes(group: Group) -> list[str]:
    if group.origin is Origin.ADOPTED:
        return [f"r{group.number} is an adopted group: it is kept, tagged, at size 0 when done"]
    return [f"r{group.number}'s group is deleted when done"]


# A plan from r1 to r2 for a fleet of 10. The fleet has 12 now: not stale, the bounds are computed
# again. The fleet is at r3, or somebody changed r1's settings: stale.
def staleness(plan: Plan, state: FleetState) -> tuple[str, ...]:
    """Return why *plan* no longer fits the fleet; empty when it does."""
    if bool(state.volumes) != (plan.stateful is not None):
        has = "has volumes" if state.volumes else "has no volumes"
        return (f"the fleet {has}, and the plan is made for one that is otherwise",)
    if plan.kept:
        return _stale_pair(plan, state)
    if len(state.groups) != 1:
        numbers = ", ".join(f"r{group.number}" for group in state.groups) or "none"
        return (f"the fleet's groups are {numbers}, the plan is made for r{plan.stable.number}",)
    found, wanted = state.groups[0].revision, plan.stable
    differences = [
        f"stable's {name} was {old}, is {new}"
        for name, old, new in (
            ("number", wanted.number, found.number),
            ("image", wanted.image.artifact, found.image.artifact),
            ("digest", wanted.image.digest, found.image.digest),
        )
        if old != new
    ]
    # Settings can hold what nobody wants to see in a message, so these are not printed.
    if wanted.config != found.config:
        differences.append("stable's configuration changed")
    if wanted.template != found.template:
        differences.append("stable's launch template changed")
    changes_revision = any(not isinstance(step, (Renew, Resize)) for step in plan.steps)
    if changes_revision and state.last_revision >= plan.candidate.number:
        differences.append(f"revision number {plan.candidate.number} has been used meanwhile")
    return tuple(differences)


def _stale_pair(plan: Plan, state: FleetState) -> tuple[str, ...]:
    found = {group.number: group.revision for group in state.groups}
    wanted = {revision.number: revision for revision in (plan.stable, plan.candidate)}
    return () if found == wanted else ("the fleet's groups are others than the plan's",)
