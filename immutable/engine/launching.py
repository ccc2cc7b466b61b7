"""One rollout's part of what the rollouts of a place launch, and have beside, together."""

from __future__ import annotations

import asyncio

from attrs import evolve

from immutable.engine.mind import Mind
from immutable.engine.places import Place, driven_by
from immutable.engine.session import Session
from immutable.model import Plan
from immutable.model.records import Queued
from immutable.planning.arithmetic import window
from immutable.planning.goals import needed_surge
from immutable.planning.kernel import Move, Raise, Situation, next_move
from immutable.planning.surging import Need

__all__ = ["Launching", "too_much"]


# 10 servers have to stand beside the 10 that serve, and the cap is 6.
def too_much(place: Place, plan: Plan, wanted: int, step: int = 0) -> str:
    """Return why a rollout can't get the surge that it needs, however long it waits; else nothing.

    Args:
        place: What it shares with others.
        plan: What it carries out.
        wanted: The fleet's size.
        step: The step that it works on.
    """
    need = needed_surge(plan.steps, wanted, step)
    if place.surge is None or need <= place.surge.cap:
        return ""
    return (
        f"{need} servers have to stand beside the {wanted} that are wanted, and all rollouts of"
        f" {place.name} together may have {place.surge.cap}: allow them {need} (the controller's"
        " surge), or take a strategy that replaces in place, such as rolling"
    )


class Launching:
    """Asks for launches, and remembers whether some are waited for.

    Args:
        session: The rollout.
        place: What it shares with others.
        mind: What it needs.

    Attributes:
        waits: Whether it got fewer than it asked for in this pass.
    """

    def __init__(self, session: Session, place: Place, mind: Mind) -> None:
        self.waits = False
        self._session = session
        self._place = place
        self._mind = mind
        self._name = driven_by(session.lease)
        self._seen = self._crowded = False
        self._said: set[tuple[int, str]] = set()
        place.bells[self._name] = session.bell

    def begin(self) -> str:
        """Begin a pass; returns why it can't go on, if others' share leaves too little for it."""
        self.waits = self._crowded = False
        surge, ledger = self._place.surge, self._session.ledger
        if surge is None:
            return ""
        need = self._need(self._mind.situation(short=False))
        if surge.look(self._name, need):
            self._place.ring()
        self._seen = True
        if need.free or need.above or need.later <= surge.cap:
            return ""
        return too_much(self._place, self._session.plan, ledger.wanted, ledger.step)

    def end(self) -> None:
        """End a pass: who did not have to wait in it, because it is paused too, makes room."""
        launches, surge = self._place.launches, self._place.surge
        if launches is not None and not self.waits:
            launches.leave(self._name)
        if surge is not None and not self._crowded and surge.rest(self._name):
            self._place.ring()

    def leave(self) -> None:
        """Wait no more, and count no more."""
        self._place.forget(self._name)

    def afforded(self, now: Situation, move: Move) -> Move:
        """Return as much of a growth as may be launched now; what else can be done, if none.

        What is returned counts as launched.
        """
        if not isinstance(move, Raise):
            return move
        beside, granted = self._beside(now, move.by)
        why = "others have what may be beside" if granted < move.by else ""
        granted, asked = self._launched(granted), granted
        why = "others launch too" if granted < asked else why
        self.waits = granted < move.by
        if self._place.surge is not None:
            self._place.surge.take(self._name, max(0, granted - (move.by - beside)))
        if not self.waits:
            return move
        if granted:
            part = f"{granted} of {move.by} now, for {why}"
            return evolve(move, by=granted, why=f"{move.why}; {part}")
        self._say(move.by, why)
        return next_move(evolve(now, short=True))

    def next_in(self, poll: float) -> float | None:
        """Return in how many seconds, at least *poll*, to ask again; None if nothing is wanted."""
        if self._place.launches is None or not self.waits or self._crowded:
            return None
        return max(poll, self._place.launches.wait(_now()))

    def _launched(self, wanted: int) -> int:
        """Return how many the place launches now, and count them as launched."""
        launches, back = self._place.launches, self._session.ledger.back
        if launches is None or not wanted:
            return wanted
        return launches.grant(self._name, wanted, _now(), back=back)

    # 10 wanted, 9 exist, 4 more asked for: 3 of them are above what is wanted. One may be: 2 of 4.
    def _beside(self, now: Situation, more: int) -> tuple[int, int]:
        """Return how many of *more* are above what is wanted, and how many there may be now."""
        need = self._need(now)
        free = max(0, now.window.wanted - _existing(now))
        above = max(0, more - free)
        if self._place.surge is None:
            return above, more
        granted = self._place.surge.ask(self._name, above, need, _now())
        self._crowded = granted < above
        return above, more - above + granted

    def _need(self, now: Situation) -> Need:
        """Return what the rollout has above its fleet's size, and what it needs there."""
        ledger, wanted = self._session.ledger, now.window.wanted
        return Need(
            above=max(0, _existing(now) - wanted),
            stage=max(0, now.source_goal + now.target_goal - wanted),
            later=needed_surge(self._session.plan.steps, wanted, ledger.step),
            limit=window(self._session.plan.limits, wanted).surge,
            free=ledger.back or ledger.committed,
            begun=now.target.exists > 0 and not self._seen,
        )

    def _say(self, more: int, why: str) -> None:
        """Say in the record that none is launched: once for each step, not in each pass."""
        what = (self._session.ledger.step, why)
        if what not in self._said:
            self._said.add(what)
            many = "launches wait" if more > 1 else "launch waits"
            self._session.note(Queued(f"{more} {many}, for {why}"))


def _existing(now: Situation) -> int:
    return now.window.wanted + now.window.surge - now.room


def _now() -> float:
    return asyncio.get_running_loop().time()
