"""How long a plan will take and what it costs, told by the engine itself on a twin of the fleet.

A rehearsal asks how a rollout may go, in many trials; this asks how it goes when nothing fails, in
few, quickly enough for every plan that is shown.
"""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.backend import Capabilities, FleetState
from immutable.journal import Journal
from immutable.model import Analysis, Bake, Plan, PlanKind, Step
from immutable.model.preview import Forecast
from immutable.simulation.history import known_of
from immutable.simulation.preparing import analysed, rehearsable
from immutable.simulation.rehearsal import median
from immutable.simulation.spans import Spans
from immutable.simulation.trial import Job, Trial, attempt
from immutable.simulation.twin import Twin

__all__ = ["MOST", "forecast"]

MOST = 20_000
"""The largest fleet that is tried out: above it, that would take longer than a reader waits."""
_SMALL, _TRIALS = 200, 5


async def forecast(
    able: Capabilities, journal: Journal, plan: Plan, state: FleetState
) -> tuple[Forecast | None, str]:
    """Return how a plan goes when nothing fails, or None and why that can't be told.

    Args:
        able: What the backend can do.
        journal: Where the fleet's earlier rollouts are written down.
        plan: The plan.
        state: The fleet as it is now, whole.
    """
    if not plan.steps:
        return None, "nothing is to be done"
    if plan.bounds.wanted > MOST:
        return None, f"fleets of more than {MOST:,} are not tried out; use: immutable rehearse"
    known = await known_of(journal, plan.fleet, state, plan.limits)
    spans = Spans.usual(able, known.boots, known.source, known.goings)
    ready, assumed = rehearsable(plan)
    # Two revisions are told apart by their images; a repair and a change of size have only one.
    candidate = ready.candidate if plan.kind is PlanKind.REPLACE else plan.candidate
    ready = evolve(ready, candidate=candidate, steps=_unasked(ready.steps))
    job = Job(ready, Twin(state, able, spans), (), 0)
    count = _TRIALS if plan.bounds.wanted <= _SMALL else 1
    trials = await asyncio.to_thread(_tried, job, count)
    usual = median(trials)
    if odd := next((each for each in trials if each.end != "succeeded"), None):
        return None, f"tried out on a twin of the fleet it ended {odd.end}: {odd.reason}"
    if analysed(plan):
        assumed += ("analyses have seen enough at the end of their bakes, and agree",)
    return _told(usual, trials, spans, assumed), ""


def _tried(job: Job, count: int) -> list[Trial]:
    return [attempt(job, number) for number in range(count)]


def _unasked(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps whose analyses are left out: nobody asks the twin, so they would wait."""
    return tuple(
        evolve(step, gates=tuple(each for each in step.gates if not isinstance(each, Analysis)))
        if isinstance(step, Bake)
        else step
        for step in steps
    )


def _told(usual: Trial, trials: list[Trial], spans: Spans, assumed: tuple[str, ...]) -> Forecast:
    return Forecast(
        trials=len(trials),
        seconds=usual.seconds,
        longest=max(each.seconds for each in trials),
        extra_instance_hours=round(usual.extra / 3600, 6),
        calls=usual.calls,
        lowest_ready=min(each.lowest for each in trials),
        boots=str(spans.boot),
        known=spans.known,
        measured=spans.boots,
        assumed=assumed,
    )
