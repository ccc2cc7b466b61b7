"""The loop that carries a rollout out: observe, guard, decide, write down, act, wait.

Crash-only: nothing here is needed to go on elsewhere. Every pass derives what to do from the
journal's records and a fresh observation, so a controller can be killed at any instruction.
"""

from __future__ import annotations

import asyncio

from immutable.backend import Backend, BackendError
from immutable.engine.admitting import Hearing, hearing, revoked
from immutable.engine.beginning import Seen, Turn, first_look, first_records
from immutable.engine.calls import Calls
from immutable.engine.feed import Feed
from immutable.engine.gatekeeper import Gatekeeper
from immutable.engine.hands import Hands, Intent
from immutable.engine.keeper import Keeper
from immutable.engine.launching import Launching, too_much
from immutable.engine.mind import Mind
from immutable.engine.pacing import LONGEST, Pace, pause
from immutable.engine.places import Place
from immutable.engine.recalling import intended, sent
from immutable.engine.session import Session
from immutable.engine.sources import Sources
from immutable.engine.telling import Teller, cause
from immutable.engine.watch import Watch
from immutable.errors import LeaseLost, PlanRefused, PlanStale
from immutable.hooks import Cause
from immutable.model import (
    Action,
    Clock,
    Create,
    Event,
    FleetState,
    OnProtected,
    PlanKind,
    Problem,
    Record,
    Result,
    Settle,
    Snapshot,
    Status,
)
from immutable.model.records import (
    Committed,
    Ended,
    Entered,
    Outcome,
    Paused,
    Sealed,
    Turned,
)
from immutable.planning import script
from immutable.planning.comparison import remains
from immutable.planning.kernel import Give, Move, Situation, next_move
from immutable.planning.stateful import lost, two_writers

__all__ = ["drive"]

_LAST_LOOK = 30.0


async def drive(
    backend: Backend,
    fleet: str,
    turn: Turn,
    keeper: Keeper,
    clock: Clock,
    place: Place,
) -> Result:
    """Carry a rollout on until it ends.

    Args:
        backend: Where the fleet lives.
        fleet: The fleet's name there.
        turn: The right to drive it; given back at the end.
        keeper: Who has it.
        clock: The wall clock.
        place: What it shares with the other rollouts there.

    Raises:
        LeaseLost: Another controller took over; the fleet was not touched after that.
        JournalError: The journal failed; the rollout can be recovered.
        BackendError: The fleet can't be seen; the rollout can be recovered.
    """
    teller = Teller(keeper.hooks, turn.entry, turn.lease, clock)
    session = Session(turn.entry, keeper.journal, turn.lease, teller)
    async with keeper.keeping(session), Sources(backend, fleet, session.plan) as sources:
        with teller.driving():
            return await _Driver(backend, fleet, session, clock, sources, place).run(turn.seen)


class _Driver:
    """The loop, and the little that it keeps between two passes."""

    def __init__(
        self,
        backend: Backend,
        fleet: str,
        session: Session,
        clock: Clock,
        sources: Sources,
        place: Place,
    ) -> None:
        able = backend.capabilities
        self._backend = backend
        self._fleet = fleet
        self._session = session
        self._clock = clock
        self._poll, self._pace = able.poll, Pace(able.poll)
        self._feed = Feed(backend, fleet, self._pace)
        self._longest = max(LONGEST, able.staleness)
        self._watch = Watch(session.plan, able, _now())
        self._mind = Mind(session, self._watch, able)
        self._calls = Calls(backend, fleet, session.plan, session.teller)
        self._hands = Hands(session, self._calls, self._watch, able.poll, self._barred)
        self._gates = Gatekeeper(session, self._watch, sources.read, able.poll)
        self._place = place
        self._launching = Launching(session, place, self._mind)
        self._seen: Seen | None = None
        self._admitted = False
        self._look_soon = False
        self._repelled = 0
        self._looked = 0.0

    async def run(self, seen: Seen | None) -> Result:
        """Make passes until the rollout ends; *seen* is what it began with."""
        session, self._seen = self._session, seen
        events = await session.remember()
        self._recall(events)
        if session.over():
            return session.result()
        self._gates.recall()
        if not session.ledger.groups:
            await session.write(*await self._first_records())
        if session.over():
            return session.result()
        if session.ledger.pending and not session.ledger.blind:
            self._watch.doubt_since(_now() - session.unanswered_for(events))
        crosses = session.plan.kind is PlanKind.REPAIR or session.plan.hedges
        if session.ledger.attempts and crosses:
            # Of calls that were repeated the records don't tell; see `Mind.action`.
            self._watch.acted(_now(), doubtful=False, echo=True)
        try:
            while True:
                seconds = await self._pass()
                if session.over():
                    return session.result()
                with session.teller.waiting(self._cause):
                    await self._feed.rest(session.bell, seconds)
        finally:
            self._launching.leave()
            await self._gates.close()

    def _cause(self) -> Cause:
        """Return what the next wait is for."""
        groups, counts = self._watch.census.groups, self._watch.census.counts
        kept = self._session.ledger.committed and self._mind.ends_in() is not None
        seen = [counts(number) for number in groups]
        ledger, steps = self._session.ledger, self._session.plan.steps
        asked = bool(self._gates.stance(over=self._gates.over()).freeze)
        short, shares = self._hands.short, self._launching.waits
        step = steps[ledger.step]
        return cause(ledger, step, seen, asked=asked, kept=kept, short=short, shares=shares)

    async def _first_records(self) -> list[Record]:
        """Begin a rollout that was submitted: nobody has looked at the fleet yet."""
        session, heard = self._session, await self._hear()
        if heard.problems:
            return [*heard.records, Ended(Status.FAILED, "; ".join(map(str, heard.problems)))]
        if crowded := too_much(self._place, session.plan, session.plan.bounds.wanted):
            return [Ended(Status.FAILED, crowded)]
        try:
            self._seen = await first_look(self._backend, self._fleet)
            return await first_records(self._seen.state, session.plan, session.journal)
        except (PlanRefused, PlanStale) as error:
            return [Ended(Status.FAILED, str(error))]

    def _recall(self, events: list[Event]) -> None:
        """Count those as leaving whom a predecessor sent to retire, or may have sent."""
        # What was launched was asked about before it was launched first.
        self._admitted = any(self._session.launches(action) for action in intended(events))
        self._watch.census.retire(sent(events))

    async def _pass(self) -> float:
        """Look, do all that can be done now, and return for how long to wait."""
        written = self._session.writes
        await self._look()
        if self._session.over():
            return 0.0
        await self._obey()
        self._gates.look(_now())
        await self._hands.advance()
        self._look_soon = False
        stopped = self._launching.begin()
        if stopped and not self._session.over():
            await self._give_up(stopped)
        while not self._session.over() and await self._next():
            pass
        self._launching.end()
        seconds = self._wait()
        # What the last call came to waits for the next intent to take it along, but not for long.
        if seconds > self._poll or self._session.writes == written:
            await self._session.write()
        return seconds

    async def _look(self) -> None:
        state, asked = await self._observed()
        self._looked = asked
        self._session.note(*self._watch.look(state, asked, _now(), self._session.ledger))
        self._feed.looked(state.cursor)
        later = self._mind.outdone()
        if later is not None:
            rollout = self._session.lease.rollout
            raise LeaseLost(f"rollout {rollout} is driven under another journal, as lease {later}")
        if self._watch.harm(self._session.ledger):
            await self._check_volumes()

    async def _observed(self) -> tuple[FleetState, float]:
        """Return the fleet, and when it was asked for: first what the rollout began with."""
        seen, self._seen = self._seen, None
        if seen is not None and _now() - seen.asked < self._poll:
            return seen.state, seen.asked
        asked, patience = _now(), self._session.plan.limits.deadline
        return await self._calls.observe(self._watch.cursor, patience=patience), asked

    async def _check_volumes(self) -> None:
        """End at once if volumes are lost, or have two writers: whatever is done may cost more.

        What several looks have told together may be of different times, so one look has to say it.
        """
        slots, patience = self._session.ledger.slots, self._session.plan.limits.deadline
        whole = await self._calls.observe(None, patience=patience)
        harm = lost(slots, whole.slots) + two_writers(whole.instances)
        if harm:
            await self._end(Status.FAILED, "; ".join(harm), remains(whole))

    async def _obey(self) -> None:
        """Take up what somebody has ordered meanwhile."""
        paused, back = self._session.ledger.paused, self._session.ledger.back
        await self._session.obey(self._watch.census.at, self._mind.waiting())
        ledger = self._session.ledger
        if paused and not ledger.paused:
            self._gates.forget()
        if ledger.back and not back:
            self._watch.restart(_now())
            self._hands.hurry()

    async def _next(self) -> bool:
        """Do the next thing; returns whether there may be more to do before the next look."""
        now = self._mind.situation(short=self._short)
        self._watch.progress(now, _now())
        if self._session.ledger.blind:
            self._watch.suspend(_now())
        verdict = self._mind.verdict(_now(), self._clock.now())
        if verdict is not None:
            await self._give_up(verdict)
            return True
        over = self._gates.over()
        stance = self._gates.stance(over=over)
        if stance.turn:
            await self._give_up(stance.turn)
            return True
        if stance.pause and not self._session.ledger.paused:
            await self._session.write(Paused(stance.pause, self._watch.census.at))
            return True
        move = next_move(now)
        halted = self._session.ledger.paused or stance.freeze
        rested = stance.free and over
        return await self._do(script.next_act(self._mind.facts(move, halted, rested)), now, move)

    async def _do(self, act: script.Next, now: Situation, move: Move) -> bool:
        at = self._watch.census.at
        match act:
            case script.Act(action, why):
                permitted = self._mind.permits(now, action)
                return permitted and await self._act((action, why))
            case script.Walk():
                return await self._walk(now, move)
            case script.Waits(_, patient):
                if patient:
                    counted = self._mind.waiting() > 0
                    (self._watch.rest if counted else self._watch.suspend)(_now())
                return False
            case script.Enters(step):
                if _now() - self._looked > self._poll:
                    # A call took its time: a bake is measured from when its traffic was there.
                    self._look_soon = True
                    return False
                self._watch.restart(_now())
                self._session.note(Entered(step, at, self._mind.waiting()))
            case script.Commits():
                await self._session.write(Committed(at))
            case script.Turns(reason):
                await self._give_up(reason)
            case script.Ends(status, reason, left):
                await self._end(status, reason, left)
        return True

    async def _walk(self, now: Situation, move: Move) -> bool:
        """Make all moves about sizes that can be made now, each counted before the next."""
        # An old look can't tell what an answer has left open, and acting would put off the next.
        if self._watch.doubtful or (self._session.ledger.unsure and not self._watch.settled):
            self._look_soon = True
            return False
        intents: list[Intent] = []
        while (action := self._mind.action(now, move)) is not None:
            if intents and self._is_unheard(action):
                break  # They are counted as done, so they are done first.
            offered, move = move, self._launching.afforded(now, move)
            if move is not offered and (action := self._mind.action(now, move)) is None:
                break
            # Not before there is something to launch: others may be waited for until then.
            if self._is_unheard(action) and not await self._admit():
                return True
            intents.append((action, move.why))
            self._hands.expect(action)
            if isinstance(action, Settle) or self._session.plan.kind is PlanKind.REPAIR:
                break  # In one group each waits for the answer to the one before.
            now = self._mind.situation(short=self._short)
            move = next_move(now)
        if self._launching.waits:
            self._watch.suspend(_now())  # For the others; no deadline counts that.
        if intents:
            return await self._act(*intents)
        if isinstance(move, Give) and self._session.plan.limits.on_protected is OnProtected.WAIT:
            self._watch.suspend(_now())  # Only protected ones are left.
        return False

    @property
    def _short(self) -> bool:
        """Whether launches are to wait, for room or for others."""
        return self._hands.short or self._launching.waits

    async def _act(self, *intents: Intent) -> bool:
        ends = await self._hands.act(intents)
        refused = [done.detail for done in ends if done.outcome is Outcome.REFUSED]
        rivals = {done.owner for done in ends} - {"", self._session.lease.rollout}
        if refused:
            await self._give_up(refused[0])
        # Whose group has been made is the winner: the hold of one who isn't will be over soon.
        elif rivals and not (self._session.ledger.back or self._session.ledger.created):
            await self._give_up(f"rollout {rivals.pop()} owns the fleet: {ends[-1].detail}")
        # Who goes back needs what a rival holds: there is nothing to do but to wait for it.
        self._repelled = self._repelled + 1 if rivals else 0
        # One that has no size to lower may show members that an old look did not.
        done = all(each.outcome is Outcome.DONE for each in ends)
        looks = any(isinstance(action, (Settle, Snapshot)) for action, _ in intents)
        self._look_soon = looks or not done
        # A new group must be seen beside any rival's, which shows when everything is settled.
        made = any(isinstance(action, Create) for action, _ in intents)
        return not (self._look_soon or made)

    def _is_unheard(self, action: Action) -> bool:
        """Whether an action launches the candidate before anybody was asked."""
        return self._session.launches(action) and not self._admitted

    async def _admit(self) -> bool:
        """Ask whether the candidate may be launched, right before it is for the first time.

        Nothing may be counted as done that is not done if it may not: then it goes back.
        """
        heard = await self._hear()
        await self._session.write(*heard.records)
        self._admitted = not heard.problems
        data = self._session.plan.stateful
        if data is not None and data.irreversible and self._admitted:
            await self._session.write(Sealed(self._watch.census.at))
        if heard.problems:
            await self._give_up("; ".join(map(str, heard.problems)))
        return self._admitted

    async def _hear(self) -> Hearing:
        session = self._session
        now, actor = self._clock.now(), session.entry.actor
        return await hearing(session.journal, now, session.plan, actor=actor, starting=True)

    async def _barred(self) -> tuple[Problem, ...]:
        """Return why the candidate must not be launched any more."""
        return await revoked(self._session.journal, self._clock.now(), self._session.plan)

    async def _give_up(self, why: str) -> None:
        """Go back if there is a way back, else end and say what is left where."""
        ledger = self._session.ledger
        if not (ledger.back or ledger.committed or ledger.sealed):
            await self._turn(why)
            return
        reason = f"{ledger.reason}; then {why}" if ledger.reason else why
        whole = await self._calls.observe(None, patience=self._session.plan.limits.deadline)
        moved = ledger.committed and not whole.members(self._session.plan.stable.number)
        # All serve from the candidate: what could not be tidied up is said, and no failure.
        await self._end(Status.SUCCEEDED if moved else Status.FAILED, reason, remains(whole))

    async def _end(self, status: Status, reason: str, left: tuple[str, ...]) -> None:
        if status is Status.CANCELLED:
            left = await self._remains()
        took = self._clock.now() - self._session.entry.started_at
        census = self._watch.census
        boots = census.boots(self._session.plan.candidate.number)
        ended = Ended(status, reason, left, round(took, 3), boots, census.goings())
        await self._session.write(ended)

    async def _remains(self) -> tuple[str, ...]:
        """Say what there is; a fleet that nobody can see is no reason not to stop."""
        try:
            return remains(await self._calls.observe(None, patience=_LAST_LOOK))
        except BackendError as error:
            return (f"unknown, for the fleet can't be seen: {error}",)

    async def _turn(self, reason: str) -> None:
        self._watch.restart(_now())
        self._hands.hurry()
        await self._session.write(Turned(reason))

    def _wait(self) -> float:
        """Return the seconds until the next look: few while something is about to change."""
        watch, ledger = self._watch, self._session.ledger
        if self._look_soon or ledger.blind or ledger.pending:
            return max(
                self._poll, min(self._longest, self._poll * 2.0 ** min(self._repelled, 9) / 2)
            )
        timers = [watch.census.next_timer(), self._gates.next_look(_now()), self._mind.ends_in()]
        timers += [self._hands.advances_in(), self._mind.crossed_for(_now()), self._mind.late_in()]
        timers.append(self._launching.next_in(self._poll))
        soonest = min(timer for timer in timers if timer is not None)
        awaited = watch.census.awaited()
        if awaited and self._feed.tells:
            soonest = max(soonest, self._pace.least)  # What is awaited is told.
        elif awaited:
            usual = pause(awaited, self._poll, self._longest)
            wanted = min(usual, max(soonest + 0.001, self._poll))
            return self._pace.take(wanted)
        if not watch.settled:
            return max(self._poll, min(watch.settles_in(_now()), soonest) + 0.001)
        return min(self._longest, max(soonest + 0.001, min(soonest, self._poll)))


def _now() -> float:
    return asyncio.get_running_loop().time()
