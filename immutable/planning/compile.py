"""From what is there and what is wanted to a plan; from a plan's steps to sizes. Pure."""

from __future__ import annotations

from attrs import evolve, frozen

from immutable.errors import PlanRefused, Problem
from immutable.model import (
    Bounds,
    Capabilities,
    Commit,
    FleetState,
    Group,
    Image,
    Limits,
    OnProtected,
    Origin,
    Plan,
    PlanKind,
    Resize,
    RuntimeConfig,
    Shift,
    Step,
    Strategy,
)
from immutable.model.quantities import share_of
from immutable.planning.arithmetic import window
from immutable.planning.bounds import bounds, times

__all__ = ["Goals", "goals", "only_group", "replacement", "resizing", "staleness"]


@frozen
class Goals:
    """The sizes that a step leads to.

    Attributes:
        stable: What stable has when the step is reached.
        candidate: What the candidate has then.
        probe: Whether the first candidate instance must prove the image first.
    """

    stable: int
    candidate: int
    probe: bool = False


# Shift(candidate=5, stable=95), N = 30: 5 % is 1.5, closest is 1 (a tie goes down); stable 29.
# Shift(candidate=100, stable=100), N = 30: 30 and 30.
# Commit, or no step at all, N = 30: 0 and 30.
def goals(step: Step | None, wanted: int) -> Goals:
    """Return the sizes that *step* leads to in a fleet of *wanted* instances."""
    if isinstance(step, Shift):
        candidate = share_of(step.candidate, wanted)
        stable = share_of(step.stable, wanted)
        if step.candidate + step.stable == 100:
            stable = wanted - candidate
        return Goals(stable, candidate, step.probe)
    return Goals(0, wanted)


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
                "a rollout runs, or died: wait for it, or recover it",
            ),
        )
    )


def replacement(
    address: str,
    state: FleetState,
    image: Image,
    config: RuntimeConfig | None,
    strategy: Strategy,
    limits: Limits,
    backend: Capabilities,
) -> Plan:
    """Return the plan that brings the fleet to *image* with *config* (None: as it is).

    Raises:
        PlanRefused: The fleet isn't whole: it has no group, or more than one.
    """
    group = only_group(state)
    stable = group.revision
    new_config = stable.config if config is None else config
    if _same_image(stable.image, image) and stable.config == new_config:
        steps: tuple[Step, ...] = ()
        candidate = stable
        notes = [f"the fleet already runs {image}: nothing to do"]
    else:
        steps = _checked(strategy.steps(state), limits)
        number = 1 + max(state.last_revision, stable.number)
        candidate = evolve(stable, number=number, image=image, config=new_config)
        notes = _notes(group)
    return Plan(
        fleet=address,
        kind=PlanKind.REPLACE,
        stable=stable,
        candidate=candidate,
        strategy=repr(strategy),
        limits=limits,
        steps=steps,
        bounds=_bounds(state, group.size, limits, backend, steps),
        on_failure=(
            "back to stable by the same limits, traffic first, then a comparison with the fleet"
            " as it was before"
        ),
        notes=tuple(notes),
    )


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
    )


def _checked(steps: tuple[Step, ...], limits: Limits) -> tuple[Step, ...]:
    """Return a strategy's steps if they make sense."""
    problems = []
    commits = [number for number, step in enumerate(steps, 1) if isinstance(step, Commit)]
    if commits != [len(steps)]:
        problems.append(Problem("the strategy's steps don't end with one Commit", "add it"))
    if limits.on_protected is OnProtected.SKIP:
        problems.append(
            Problem(
                "on_protected='skip' would leave protected instances on the old revision",
                "use 'wait', or 'replace'",
            )
        )
    if problems:
        raise PlanRefused(tuple(problems))
    return steps


def _same_image(one: Image, other: Image) -> bool:
    return (one.digest or one.artifact) == (other.digest or other.artifact)


def _bounds(
    state: FleetState, wanted: int, limits: Limits, backend: Capabilities, steps: tuple[Step, ...]
) -> Bounds:
    probe = any(isinstance(step, Shift) and step.probe for step in steps)
    absolute = window(limits, wanted)
    return bounds(absolute, state.ready, times(state, limits, backend), backend, probe)


def _notes(group: Group) -> list[str]:
    if group.origin is Origin.ADOPTED:
        return [f"r{group.number} is an adopted group: it is kept, tagged, at size 0 when done"]
    return [f"r{group.number}'s group is deleted when done"]


# A plan from r1 to r2 for a fleet of 10. The fleet has 12 now: not stale, the bounds are computed
# again. The fleet is at r3, or somebody changed r1's settings: stale.
def staleness(plan: Plan, state: FleetState) -> tuple[str, ...]:
    """Return why *plan* no longer fits the fleet; empty when it does."""
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
    changes_revision = any(not isinstance(step, Resize) for step in plan.steps)
    if changes_revision and state.last_revision >= plan.candidate.number:
        differences.append(f"revision number {plan.candidate.number} has been used meanwhile")
    return tuple(differences)
