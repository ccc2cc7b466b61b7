"""How long a rollout has to go, from its plan and from how fast it has been so far. Pure."""

from __future__ import annotations

from immutable.engine.ledger import Ledger
from immutable.model import Bake, Commit, FleetState, InstanceState, Plan, PlanKind
from immutable.planning.goals import waits

__all__ = ["remaining"]

_TOLD = 0.1
"""From this share of the way on its own pace is believed, and no longer the plan's."""


# Planned 600 s of moving and a bake of 300 s. After 100 s a quarter has moved: 300 s + 300 s to go.
def remaining(plan: Plan, ledger: Ledger, state: FleetState) -> float | None:
    """Return the seconds that are expected to be left, or None when nobody can say.

    Bakes, and the time for which stable is kept, count as they are. The moves between them are
    taken to go on at the pace that they had, and before a tenth of them is done at the plan's.

    Args:
        plan: The plan.
        ledger: The rollout's records so far, folded.
        state: The fleet as it was seen last.

    Returns:
        The seconds; None while it waits for somebody, goes back, or has ended.
    """
    if ledger.ended is not None or ledger.paused or ledger.back or not plan.steps:
        return None
    if not ledger.began_at:
        return None
    waiting = _waiting(plan, ledger, state.at)
    planned = max(0.0, plan.bounds.expected - waits(plan.steps))
    moving = max(0.0, state.at - ledger.began_at - _waited(plan, ledger, state.at))
    done = 1.0 if ledger.committed else _done(plan, state)
    if done is None:
        return max(0.0, planned - moving) + waiting
    whole = moving / done if done >= _TOLD else planned
    return whole * (1 - done) + waiting


def _waiting(plan: Plan, ledger: Ledger, now: float) -> float:
    """Return the seconds of bakes and of keeping stable that are still to come."""
    if ledger.committed:
        last = plan.steps[-1]
        kept = last.keep_stable if isinstance(last, Commit) else 0.0
        return max(0.0, kept - (now - ledger.committed_at))
    return max(0.0, waits(plan.steps[ledger.step :]) - _baked(plan, ledger, now))


def _waited(plan: Plan, ledger: Ledger, now: float) -> float:
    """Return the seconds that it has spent in bakes so far."""
    return waits(plan.steps[: ledger.step]) + _baked(plan, ledger, now)


def _baked(plan: Plan, ledger: Ledger, now: float) -> float:
    """Return how much of the bake that it is in is over."""
    step = plan.steps[ledger.step]
    return min(step.seconds, max(0.0, now - ledger.entered_at)) if isinstance(step, Bake) else 0.0


def _done(plan: Plan, state: FleetState) -> float | None:
    """Return which share of the moves is done; None where that can't be told from sizes."""
    wanted = plan.bounds.wanted
    if plan.kind is not PlanKind.REPLACE or not wanted:
        return None
    here = sum(each.state is InstanceState.READY for each in state.members(plan.candidate.number))
    left = len(state.members(plan.stable.number))
    return (min(wanted, here) + max(0, wanted - left)) / (2 * wanted)
