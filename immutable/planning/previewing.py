"""What a plan changes and where its steps lead, told from the plan alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from immutable.model import Bake, Capabilities, Commit, Plan, PlanKind, Rate, Renew, Revision, Step
from immutable.model.preview import Change, ChangeKind, StepAhead
from immutable.model.quantities import duration
from immutable.planning.goals import goals, share, watching
from immutable.planning.sharing import reserved

__all__ = ["changes", "rates", "steps_ahead"]


# r1 web:1 {"LEVEL": "a"} to r2 web:2 {"LEVEL": "b"}: image, version and setting LEVEL change.
def changes(old: Revision, new: Revision) -> tuple[Change, ...]:
    """Return what differs between two revisions; settings and templates by their names only."""
    return tuple(_changes(old, new))


def _changes(old: Revision, new: Revision) -> Iterator[Change]:
    facts = {
        "image": (old.image.artifact, new.image.artifact),
        "version": (old.image.version, new.image.version),
        "commit": (old.image.commit, new.image.commit),
    }
    for part, (before, after) in facts.items():
        yield from _differing(part, {"": before}, {"": after}, told=True)
    was, is_ = old.config, new.config
    yield from _differing("setting", was.environment, is_.environment)
    secrets = [{name: ref.uri for name, ref in each.secrets.items()} for each in (was, is_)]
    yield from _differing("secret", secrets[0], secrets[1], told=True)
    yield from _differing("template", old.template, new.template)


def _differing(
    part: str, old: Mapping[str, str], new: Mapping[str, str], *, told: bool = False
) -> Iterator[Change]:
    """Yield what differs, with the values only if they may be told."""
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        # Of an image, what is not known is empty; a setting may well be.
        gone, fresh = (not after, not before) if not name else (after is None, before is None)
        kind = ChangeKind.REMOVED if gone else ChangeKind.ADDED if fresh else ChangeKind.CHANGED
        yield Change(part, name, kind, *((before or "", after or "") if told else ()))


# Rolling, N = 12: step 1 leads to r1 0, r2 12. A canary's Route(5) of 12: r1 12, r2 1, traffic 5.
def steps_ahead(plan: Plan) -> tuple[StepAhead, ...]:
    """Return where each step of a plan leads."""
    return tuple(_ahead(plan, number, step) for number, step in enumerate(plan.steps))


def _ahead(plan: Plan, number: int, step: Step) -> StepAhead:
    wanted, taken = plan.bounds.wanted, plan.steps[: number + 1]
    stable, candidate = 0, wanted
    if plan.kind is PlanKind.REPLACE:
        # Once the way back is given up, stable has nothing any more.
        goal = goals(() if isinstance(step, Commit) else taken, wanted)
        stable, candidate = goal.stable, goal.candidate
    waits = {Bake: "seconds", Commit: "keep_stable"}.get(type(step))
    return StepAhead(
        number + 1,
        str(step),
        stable,
        candidate,
        share(plan.steps, number),
        getattr(step, waits) if waits else 0.0,
        tuple(str(gate) for gate in watching(plan.steps, number)),
    )


# 10,000 launches, a bucket of 1,000 that refills at 2 a second: "800 at once, then 2 a second, and
# 200 are kept for ways back; 9,200 wait, at least 77 min".
def rates(plan: Plan, able: Capabilities) -> tuple[str, ...]:
    """Return in words what the backend's limits on launches and terminations cost a plan."""
    renewed = [len(step.instances) for step in plan.steps if isinstance(step, Renew)]
    replaced = plan.bounds.wanted if plan.kind is PlanKind.REPLACE and plan.steps else 0
    count = sum(renewed) or replaced
    kept = reserved(able.launches) if able.launches else 0.0
    limited = (
        ("launches", able.launches, kept, plan.kept),
        ("terminations", able.terminations, 0.0, False),
    )
    return tuple(
        _rate(what, count, rate, kept)
        for what, rate, kept, spared in limited
        if rate is not None and count and not spared
    )


def _rate(what: str, count: int, rate: Rate, kept: float) -> str:
    first = int(rate.burst - kept) if kept else rate.burst
    said = f"{count:,} {what}: {first:,g} at once, then {rate.per_second:g} a second"
    said += f", and {rate.burst - first:,g} are kept for ways back" if kept else ""
    behind = count - first
    if behind <= 0:
        return f"{said}; none has to wait"
    return f"{said}; {behind:,.0f} wait, at least {duration(round(behind / rate.per_second))}"
