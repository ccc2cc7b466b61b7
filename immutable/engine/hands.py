"""Doing things to the fleet: written down before, answered after, and counted at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf

from attrs import evolve

from immutable.backend import Context, Denied
from immutable.engine.calls import Answer, Calls
from immutable.engine.retrying import CALL_SECONDS
from immutable.engine.session import Session
from immutable.engine.watch import Watch
from immutable.model import (
    Action,
    Create,
    Delete,
    Group,
    Grow,
    Hold,
    HoldGroup,
    Origin,
    Pool,
    Problem,
    Release,
    Reroute,
    Retire,
    Settle,
)
from immutable.model.records import Advanced, Done, Intended, Outcome
from immutable.planning.script import HOLD

__all__ = ["Hands", "Intent"]

Intent = tuple[Action, str]
"""What is to be done, and why."""

Barred = Callable[[], Awaitable[Sequence[Problem]]]
"""Says why something must not be done; empty if it may be."""

_LONGEST_PAUSE = 60.0


class Hands:
    """Acts for one rollout.

    Args:
        session: Where to write down what is done.
        calls: How to do it.
        watch: Where to count it.
        poll: Seconds after which to try again what had no room.
        barred: Says why the candidate must not be launched any more; asked before each launch.
    """

    def __init__(
        self, session: Session, calls: Calls, watch: Watch, poll: float, barred: Barred
    ) -> None:
        self._session = session
        self._calls = calls
        self._watch = watch
        self._poll = poll
        self._barred = barred
        self._again: dict[int, float] = {}
        self._advances = 0
        self._pause = 0.0
        self._short_until = -inf
        self._warned: set[str] = set()  # Whom drain hooks were told of, by this controller.
        self._hooked = 0.0  # Seconds that they took since what is done now was decided.

    @property
    def short(self) -> bool:
        """Whether launches have just failed for want of room, and are to wait."""
        return _now() < self._short_until

    def advances_in(self) -> float:
        """Return in how many seconds a retirement that has begun wants to be called again."""
        groups = self._watch.census.groups
        due = (
            again for number, again in self._again.items()
            if number in groups and self._watch.census.counts(number).leaving
        )  # fmt: skip
        return max(0.0, min(due, default=inf) - _now())

    def hurry(self) -> None:
        """Try launches again at once: the rollout has turned."""
        self._short_until, self._pause = -inf, 0.0

    def expect(self, action: Action) -> None:
        """Count *action* as done already: what is decided next must still hold if it is."""
        groups, number = self._watch.census.groups, action.revision
        match action:
            case Grow(_, size):
                groups[number] = evolve(groups[number], size=size)
            case Retire(_, ids):
                self._watch.census.retire(ids)
                size = max(0, groups[number].size - len(ids))
                groups[number] = evolve(groups[number], size=size)

    async def act(self, actions: Sequence[Intent]) -> tuple[Done, ...]:
        """Do *actions*, one after the other, and return what came of them.

        All are written down before the first is done. Each was decided with the earlier ones
        counted as done, and none needs them to be: if one fails, the others are still right.

        A cancelled task stops only after them: a call that has begun gets its answer recorded.
        """
        doing = asyncio.ensure_future(self._act(actions))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            await asyncio.wait({doing}, timeout=CALL_SECONDS)
            doing.add_done_callback(_forget)  # The lease may be lost: that is why it was cancelled.
            raise

    async def _act(self, actions: Sequence[Intent]) -> tuple[Done, ...]:
        session = self._session
        self._hooked = 0.0
        intended = []
        for action, why in actions:
            intended.append(Intended(session.token(action), action, why))
            session.note(intended[-1])
        # Fenced: this fails if another controller owns the rollout. Nothing lies between it and
        # the calls, so it is also the reading of ownership right before a termination.
        await session.write()
        return tuple([await self._do(each) for each in intended])

    async def _do(self, intended: Intended) -> Done:
        action = intended.action
        session = self._session
        own = self._may_launch if session.launches(action) else session.own
        held = await self._before_drain(intended)
        if held is not None:
            answer = Answer(held)
        else:
            answer = await self._calls.perform(action, session.context(intended.token), own)
        done = answer.done
        # Whoever had the groups before may have called until our hold was there.
        doubtful = done.outcome in (Outcome.UNKNOWN, Outcome.SHORTAGE) or self._session.ledger.blind
        self._watch.acted(_now(), doubtful=doubtful, echo=answer.echo)
        self._session.note(done)
        if done.outcome is Outcome.DONE:
            self._count(action, answer)
        elif done.outcome is not Outcome.UNKNOWN:
            self._uncount(action, done)
        elif isinstance(action, Retire):
            self._call_again(action.revision, self._poll)
        if done.outcome is Outcome.SHORTAGE and isinstance(action, Grow):
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or self._poll)
            self._short_until = _now() + self._pause
        return done

    # A server dies while a hook takes its 40 s: whether another one may go must be asked again. The
    # hook is not: it has done its work for those that it was told of.
    async def _before_drain(self, intended: Intended) -> Done | None:
        """Let drain hooks do their work; returns what becomes of a retirement that is not made."""
        action, teller = intended.action, self._session.teller
        if not (isinstance(action, Retire) and teller.drains):
            return None
        new, began = tuple(name for name in action.ids if name not in self._warned), _now()
        why = await teller.before_drain(action.revision, new) if new else ""
        self._warned.update(new)
        self._hooked += _now() - began
        ledger = self._session.ledger
        if why and not (ledger.back or ledger.committed or ledger.sealed):
            return Done(intended.token, Outcome.REFUSED, why)
        if self._hooked > self._poll:
            said = "drain hooks took their time: who may go is decided anew"
            return Done(intended.token, Outcome.CONFLICT, said)
        return None

    async def _may_launch(self) -> None:
        """Make sure, right before the candidate is launched, of the lease, and that it may be.

        Raises:
            Denied: It may not any more.
            LeaseLost: Another controller owns the rollout.
            JournalError: Neither can be told.
        """
        await self._session.own()
        if problems := await self._barred():
            raise Denied("; ".join(map(str, problems)))

    def _uncount(self, action: Action, done: Done) -> None:
        """Count a group as our last action left it, after one that did not happen."""
        groups, number = self._watch.census.groups, action.revision
        if isinstance(action, Retire):
            self._watch.census.spare(action.ids)
        if isinstance(action, (Grow, Retire)) and number in groups:
            groups[number] = evolve(groups[number], size=self._session.ledger.size(number))
        if done.owner not in ("", self._session.lease.rollout) and number in groups:
            # Whose it is has just been said, and may show only later.
            until = self._watch.census.at + HOLD
            groups[number] = evolve(groups[number], hold=Hold(done.owner, 0, until))

    async def advance(self) -> None:
        """Advance the retirements that have begun and want to be called again.

        Whose retirement got no answer, and who still serves, may not have begun to leave: to
        advance it would be to decide it anew, with what was known then. It waits until the sizes
        are taken as found.
        """
        session = self._session
        serving = self._watch.census.serving(session.ledger.unanswered())
        for number in tuple(self._watch.census.groups):
            due = self._again.get(number, 0.0) <= _now()
            leaving = self._watch.census.leaving(number) if due else ()
            leaving = tuple(name for name in leaving if name not in serving)
            if leaving:
                await session.renew()
                await session.own()  # Again, if that has taken so long that it is old news.
                self._advances += 1
                token = session.advance_token(number, self._advances)
                await self._advance(number, leaving, session.context(token))

    async def _advance(self, number: int, leaving: tuple[str, ...], context: Context) -> None:
        left = await self._calls.advance(number, leaving, context)
        self._watch.acted(_now(), doubtful=False)
        self._call_again(number, self._poll if left is None else left.again)
        if left is not None and left.size != self._session.ledger.size(number):
            self._session.note(Advanced(number, left.size))
            groups = self._watch.census.groups
            groups[number] = evolve(groups[number], size=left.size)

    def _call_again(self, number: int, seconds: float | None) -> None:
        self._again[number] = inf if seconds is None else _now() + seconds

    def _weigh(self, weights: Mapping[int, float]) -> None:
        groups = self._watch.census.groups
        for number in groups.keys() & weights.keys():
            groups[number] = evolve(groups[number], weight=weights[number])

    def _hold(self, until: float) -> Hold:
        return Hold(self._session.lease.rollout, self._session.lease.fence, until)

    def _created(self, action: Create) -> Group:
        return Group(
            self._session.plan.candidate,
            size=0,
            origin=Origin.OURS,
            pool=action.pool,
            weight=0.0 if action.pool is Pool.OWN else None,
            hold=self._hold(action.until),
            rollout=self._session.lease.rollout,
        )

    def _count(self, action: Action, answer: Answer) -> None:
        """Count what was done as done, before it can be seen."""
        groups = self._watch.census.groups
        match action:
            case Create():
                groups[action.revision] = self._created(action)
            case Delete(number):
                groups.pop(number, None)
            case HoldGroup(number, until) if number in groups:
                groups[number] = evolve(groups[number], hold=self._hold(until), lapsed=None)
            case Reroute(_, weights):
                self._weigh(weights)
            case Release(number) if number in groups:
                groups[number] = evolve(groups[number], hold=None, lapsed=None)
            case Grow(number) | Settle(number) | Retire(number) if number in groups:
                if answer.done.size not in (None, groups[number].size):
                    groups[number] = evolve(groups[number], size=answer.done.size)
        if isinstance(action, Retire):
            self._call_again(action.revision, answer.again)
        if isinstance(action, Grow):
            self._pause = 0.0


def _forget(doing: asyncio.Future[tuple[Done, ...]]) -> None:
    """Let an error go that nobody waits for any more."""
    if not doing.cancelled():
        doing.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
