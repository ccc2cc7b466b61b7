"""What the gates of a rollout said over time, and the evidence of its analyses. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log, log10

from attrs import frozen

from immutable.gates.evidence import Evidence
from immutable.gates.judging import judge
from immutable.model import Analysis, Event, Gate, Plan, Verdict
from immutable.model.records import Judged
from immutable.model.serial import from_json
from immutable.planning.goals import gates

__all__ = ["GateCourse", "Opinion", "Weight", "gate_courses"]


@frozen
class Opinion:
    """A verdict that differs from the one before.

    Attributes:
        at: Seconds since the rollout began.
        verdict: What the gate said.
        detail: Why, with its figures.
    """

    at: float
    verdict: Verdict
    detail: str = ""


@frozen
class Weight:
    """The evidence of an analysis at one moment.

    Attributes:
        at: Seconds since the rollout began.
        log_e: The e-value against "no worse than the margin", as a power of ten: 2 for 100.
        candidate: Requests that the candidate had answered.
        stable: Requests that stable had answered.
    """

    at: float
    log_e: float
    candidate: int
    stable: int


@frozen
class GateCourse:
    """What a gate said over time.

    Attributes:
        gate: Which, in words.
        opinions: Its verdicts, each time that they changed.
        path: The evidence that is on record: about one a minute; empty but for an analysis.
        threshold: The power of ten of 1/alpha, where it fails; None but for an analysis.
    """

    gate: str
    opinions: tuple[Opinion, ...] = ()
    path: tuple[Weight, ...] = ()
    threshold: float | None = None


def gate_courses(plan: Plan, events: Sequence[Event], start: float) -> tuple[GateCourse, ...]:
    """Return what each gate of a plan said, in their order.

    Args:
        plan: The plan.
        events: The rollout's records.
        start: When it began, by the clock of the records.
    """
    heard: dict[int, list[tuple[float, Judged]]] = {}
    for event in events:
        if isinstance(event.record, Judged):
            said = (round(event.at - start, 3), event.record)
            heard.setdefault(event.record.gate, []).append(said)
    every = enumerate(gates(plan.steps))
    return tuple(_course(gate, heard.get(number, [])) for number, gate in every)


def _course(gate: Gate, heard: list[tuple[float, Judged]]) -> GateCourse:
    opinions: list[Opinion] = []
    for at, said in heard:
        if not opinions or opinions[-1].verdict is not said.verdict:
            opinions.append(Opinion(at, said.verdict, said.detail))
    if not isinstance(gate, Analysis):
        return GateCourse(str(gate), tuple(opinions))
    path = tuple(_weight(gate, at, said) for at, said in heard if said.evidence)
    return GateCourse(str(gate), tuple(opinions), path, round(-log10(gate.alpha), 4))


def _weight(gate: Analysis, at: float, said: Judged) -> Weight:
    evidence = from_json(Evidence, json.loads(said.evidence))
    found = judge(evidence, alpha=gate.alpha, least=gate.requests)
    return Weight(at, round(found.log_e / log(10), 4), found.canary, found.stable)
