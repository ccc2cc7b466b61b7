"""What is taken for granted before a rehearsal, and said: plans without people and programs."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from immutable.model import Analysis, Approval, Bake, Check, Gate, Plan, Step
from immutable.planning.goals import gates

__all__ = ["analysed", "rehearsable"]


def analysed(plan: Plan) -> bool:
    """Return whether an analysis of traffic watches."""
    return any(isinstance(gate, Analysis) for gate in gates(plan.steps))


def rehearsable(plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """Return *plan* as it can be rehearsed, and what was taken for granted for it.

    Nobody is asked for an approval, no check of the user's is called and no metric source is
    read: a rehearsal touches nothing.
    """
    steps = tuple(_step(step) for step in plan.steps)
    assumed = tuple(dict.fromkeys(_assumed(plan)))
    candidate = plan.candidate
    if candidate.image.artifact == plan.stable.image.artifact:
        # How servers behave goes by their image: two of one name could not be told apart.
        image = evolve(candidate.image, artifact=f"{candidate.image.artifact} (candidate)")
        candidate = evolve(candidate, image=image)
    # The twin has no volumes: what is rehearsed of them is that nobody starts beside another.
    return evolve(plan, steps=steps, candidate=candidate, stateful=None), assumed


def _step(step: Step) -> Step:
    if not isinstance(step, Bake):
        return step
    return evolve(step, gates=tuple(_gate(each) for each in step.gates if _stays(each)))


def _stays(gate: Gate) -> bool:
    return not isinstance(gate, (Approval, Check))


def _gate(gate: Gate) -> Gate:
    return evolve(gate, source="backend") if isinstance(gate, Analysis) else gate


def _assumed(plan: Plan) -> Iterator[str]:
    if plan.stateful is not None:
        yield "volumes are attached and saved in no time"
    for gate in gates(plan.steps):
        if isinstance(gate, Approval):
            yield "approvals are given at once"
        elif isinstance(gate, Check):
            yield f"{gate} agrees: it is not called"
        elif isinstance(gate, Analysis) and gate.source != "backend":
            yield f"{gate.source.partition(':')[0]} counts what the simulated clients ask"
