"""Whether a rollout may have duplicates of late boots now, and how many."""

from __future__ import annotations

from attrs import evolve

from immutable.engine.session import Session
from immutable.engine.watch import Watch
from immutable.planning.arithmetic import Counts
from immutable.planning.goals import Goals
from immutable.planning.hedging import Late, duplicates

__all__ = ["Hedging"]


class Hedging:
    """The duplicates of one rollout.

    Args:
        session: The records.
        watch: The fleet.

    Attributes:
        planned: Whether the plan has any at all.
    """

    def __init__(self, session: Session, watch: Watch) -> None:
        self.planned = session.plan.hedges
        self._session = session
        self._watch = watch

    def may(self, goal: Goals) -> bool:
        """Whether the candidate is on its last way up: before, a step limits its share."""
        ledger = self._session.ledger
        whole = goal.candidate >= ledger.wanted and not (ledger.back or ledger.committed)
        return self.planned and whole

    def late(self, candidate: Counts) -> Late:
        """Return the late boots that may have duplicates; none while others are to be launched."""
        plan, ledger = self._session.plan, self._session.ledger
        group = self._watch.census.groups.get(plan.candidate.number)
        if group is None or candidate.size < ledger.wanted:
            return Late()
        late, failed = self._watch.census.late(), len(ledger.failed)
        most = duplicates(late.count, plan.limits, ledger.wanted, failed, group.maximum)
        return evolve(late, count=most)
