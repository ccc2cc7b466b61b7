"""One rollout's part of what the rollouts of a place launch together."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.engine.places import Place
from immutable.engine.session import Session
from immutable.planning.kernel import Move, Raise, Situation, next_move

__all__ = ["Launching"]


class Launching:
    """Asks for launches, and remembers whether some are waited for.

    Args:
        session: The rollout.
        place: What it shares with others.

    Attributes:
        waits: Whether it got fewer than it asked for in this pass.
    """

    def __init__(self, session: Session, place: Place) -> None:
        self.waits = False
        self._session = session
        self._place = place

    def begin(self) -> None:
        """Begin a pass."""
        self.waits = False

    def end(self) -> None:
        """End a pass: who did not have to wait in it, because it is paused too, makes room."""
        if not self.waits:
            self.leave()

    def leave(self) -> None:
        """Wait no more."""
        if self._place.launches is not None:
            self._place.launches.leave(self._session.lease.rollout)

    def afforded(self, now: Situation, move: Move) -> Move:
        """Return as much of a growth as may be launched now; what else can be done, if none.

        What is returned counts as launched.
        """
        launches = self._place.launches
        if launches is None or not isinstance(move, Raise):
            return move
        rollout, back = self._session.lease.rollout, self._session.ledger.back
        granted = launches.grant(rollout, move.by, _now(), back=back)
        self.waits = granted < move.by
        if not self.waits:
            return move
        if granted:
            why = f"{move.why}; {granted} of {move.by} now, for others launch too"
            return evolve(move, by=granted, why=why)
        return next_move(evolve(now, short=True))

    def next_in(self, poll: float) -> float | None:
        """Return in how many seconds, at least *poll*, to ask again; None if nothing is wanted."""
        if self._place.launches is None or not self.waits:
            return None
        return max(poll, self._place.launches.wait(_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
