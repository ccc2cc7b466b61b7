"""What spans and metrics say about a rollout: names and classes only. Pure.

No reason, no error's text and no setting is among it: nobody knows what those hold. What metrics
are told apart by has few values, so no rollout's and no fleet's name is among that.
"""

from __future__ import annotations

from immutable.hooks import Driving
from immutable.model import Plan
from immutable.model.records import (
    Committed,
    Ended,
    Entered,
    Failed,
    Judged,
    Ordered,
    Paused,
    Proved,
    Queued,
    Record,
    Resized,
    Ruled,
    Sealed,
    Turned,
)
from immutable.planning.goals import gates

__all__ = ["Attributes", "backend_of", "gate_kind", "of_record", "of_rollout", "step_kind"]

Attributes = dict[str, str | int | float | bool]
"""Attributes as OpenTelemetry takes them."""


def backend_of(fleet: str) -> str:
    """Return the name of the backend in a fleet's address."""
    return fleet.partition("://")[0]


def step_kind(plan: Plan, step: int) -> str:
    """Return the kind of a plan's step, such as ``bake``; ``none`` for a plan without steps."""
    return type(plan.steps[step]).__name__.lower() if step < len(plan.steps) else "none"


def gate_kind(plan: Plan, gate: int) -> str:
    """Return the kind of a plan's gate, such as ``analysis``."""
    return type(gates(plan.steps)[gate]).__name__.lower()


def of_rollout(rollout: str, fleet: str, driving: Driving) -> Attributes:
    """Return what a rollout's span says from its beginning."""
    plan = driving.plan
    return {
        "immutable.rollout.id": rollout,
        "immutable.fleet": fleet,
        "immutable.backend": backend_of(fleet),
        "immutable.plan.kind": plan.kind.value,
        "immutable.plan.strategy": plan.strategy,
        "immutable.revision.stable": plan.stable.number,
        "immutable.revision.candidate": plan.candidate.number,
        "immutable.controller": driving.controller,
        "immutable.fence": driving.fence,
    }


def of_record(plan: Plan, record: Record) -> Attributes | None:
    """Return what a record is worth as an event of the rollout's span; None for no event."""
    match record:
        case Entered(step):
            return {"immutable.step.index": step, "immutable.step.kind": step_kind(plan, step)}
        case Judged(gate, verdict):
            kind = gate_kind(plan, gate)
            return {"immutable.gate.kind": kind, "immutable.gate.verdict": verdict.value}
        case Ordered():
            return {"immutable.order": record.order.value}
        case Failed(ids):
            return {"immutable.instances": len(ids)}
        case Proved(name):
            return {"immutable.instance": name}
        case Resized():
            return {"immutable.wanted": record.wanted}
        case Ruled():
            return {"immutable.admitted": record.admitted}
        case Ended(status):
            return {"immutable.status": status.value}
        case Paused() | Queued() | Sealed() | Committed() | Turned():
            return {}
    return None
