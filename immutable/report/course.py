"""How a rollout went, as its record tells it: values over time. Pure, and all of it on record.

A record has the sizes that groups were asked to have, not how many servers were READY; so does a
course. Where the record begins late, because a journal was lost, the course does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from attrs import define, evolve, field, frozen

from immutable.engine.ledger import Ledger, fold
from immutable.journal import Entry
from immutable.model import Action, Event, Plan, Record, Reroute, Route, Status
from immutable.model.records import (
    Committed,
    Done,
    Ended,
    Entered,
    Failed,
    Found,
    Intended,
    Ordered,
    Outcome,
    Paused,
    Resized,
    Sealed,
    Started,
    Turned,
)
from immutable.report.opinions import GateCourse, gate_courses
from immutable.report.words import action_words, words

__all__ = ["Course", "Decision", "Mark", "Passage", "Share", "Sizes", "course", "thinned"]

T = TypeVar("T")


@frozen
class Sizes:
    """The sizes that both groups were asked to have, from a moment on.

    Attributes:
        at: Seconds since the rollout began.
        stable: Stable's group.
        candidate: The candidate's; 0 for a change of size, which has one group.
        wanted: The fleet's size as the rollout counted it, N.
    """

    at: float
    stable: int
    candidate: int
    wanted: int


@frozen
class Share:
    """The candidate's percentage of the traffic, from a moment on: the weight that was set."""

    at: float
    candidate: float


@frozen
class Mark:
    """Something that turned the rollout, or might have.

    Attributes:
        at: Seconds since it began.
        kind: ``order``, ``pause``, ``failure``, ``outside``, ``sealed``, ``commit``, ``turn`` or
            ``end``.
        words: What happened.
    """

    at: float
    kind: str
    words: str


@frozen
class Passage:
    """A step of the plan, and what became of it.

    Attributes:
        number: Its number, from 1.
        words: What it was to reach.
        began: Seconds since the rollout began; None if it did not begin.
        ended: When it was reached, or left; None if it was not, or not so far.
        became: ``reached``, ``under way``, ``left to go back``, ``not reached``, ``not begun``, or
            ``not on record``.
    """

    number: int
    words: str
    began: float | None = None
    ended: float | None = None
    became: str = "not begun"


@frozen
class Decision:
    """An action with its arithmetic, and what came of it.

    Attributes:
        seq: The number of its record.
        at: Seconds since the rollout began.
        action: What was intended.
        why: The arithmetic.
        outcome: The answer; ``no answer on record`` where there is none.
        detail: What the backend said.
        answered: When the answer came.
    """

    seq: int
    at: float
    action: str
    why: str
    outcome: str = "no answer on record"
    detail: str = ""
    answered: float | None = None


@frozen
class Course:
    """How a rollout went.

    Attributes:
        entry: The rollout as the journal lists it.
        records: How many records there are.
        until: Seconds since it began, up to its end, or to when this was made.
        status: Where it stands.
        ledger: All records, folded.
        sizes: Sizes over time; at each change.
        shares: Traffic over time; empty where no weights were set.
        marks: What turned it.
        steps: The plan's steps.
        decisions: Every action.
        gates: What each gate said.
    """

    entry: Entry
    records: int
    until: float
    status: Status
    ledger: Ledger
    sizes: tuple[Sizes, ...]
    shares: tuple[Share, ...]
    marks: tuple[Mark, ...]
    steps: tuple[Passage, ...]
    decisions: tuple[Decision, ...]
    gates: tuple[GateCourse, ...]

    @property
    def plan(self) -> Plan:
        """What was to be carried out."""
        return self.entry.plan

    @property
    def end(self) -> Ended | None:
        """How it ended; None while it runs."""
        return self.ledger.ended


@define
class _Reading:
    """What has been read of the record so far."""

    plan: Plan
    start: float
    ledger: Ledger = field(factory=Ledger)
    sizes: list[Sizes] = field(factory=list)
    shares: list[Share] = field(factory=list)
    marks: list[Mark] = field(factory=list)
    decisions: dict[str, Decision] = field(factory=dict)
    actions: dict[str, Action] = field(factory=dict)
    began: dict[int, float] = field(factory=dict)
    left: float | None = None

    def take(self, event: Event) -> None:
        """Read one record."""
        at, record = round(event.at - self.start, 3), event.record
        self.ledger = fold(record, self.ledger)
        self._sizes(at)
        self._begins(at, record)
        self._decides(event.seq, at, record)
        kind = next((kind for kind, types in _KINDS.items() if isinstance(record, types)), None)
        if kind is not None:
            self.marks.append(Mark(at, kind, words(record)))
        if self.left is None and (self.ledger.back or isinstance(record, Ended)):
            self.left = at

    def _sizes(self, at: float) -> None:
        ledger, plan = self.ledger, self.plan
        if not ledger.expected:
            return
        stable, candidate = plan.stable.number, plan.candidate.number
        new = ledger.size(candidate) if candidate != stable else 0
        now = Sizes(at, ledger.size(stable), new, ledger.wanted)
        if not self.sizes or evolve(self.sizes[-1], at=at) != now:
            self.sizes.append(now)

    def _begins(self, at: float, record: Record) -> None:
        match record:
            case Started(groups=groups):
                self.began[0] = at
                weights = {group.number: group.weight for group in groups}
                weighted = any(weight is not None for weight in weights.values())
                if weighted or any(isinstance(step, Route) for step in self.plan.steps):
                    # A candidate without a group, or without a weight so far, gets nothing.
                    self.shares.append(Share(at, weights.get(self.plan.candidate.number) or 0.0))
            case Entered(step) | Found(step):
                self.began[step] = at

    def _decides(self, seq: int, at: float, record: Record) -> None:
        if isinstance(record, Intended):
            self.actions[record.token] = record.action
            made = Decision(seq, at, action_words(record.action), record.why)
            self.decisions[record.token] = made
        elif isinstance(record, Done) and record.token in self.decisions:
            made = self.decisions[record.token]
            outcome, detail = record.outcome.value, record.detail
            answered = evolve(made, outcome=outcome, detail=detail, answered=at)
            self.decisions[record.token] = answered
            action = self.actions[record.token]
            if isinstance(action, Reroute) and record.outcome is Outcome.DONE:
                share = action.weights.get(self.plan.candidate.number, 0.0)
                self.shares.append(Share(at, share))


_KINDS: dict[str, type[Record] | tuple[type[Record], ...]] = {
    "order": Ordered,
    "pause": Paused,
    "failure": Failed,
    "outside": Resized,
    "sealed": Sealed,
    "commit": Committed,
    "turn": Turned,
    "end": Ended,
}


def course(entry: Entry, events: Sequence[Event], now: float) -> Course:
    """Return how a rollout went.

    Args:
        entry: The rollout.
        events: Its records, in order.
        now: The time, by the clock of those who wrote them; counts while it runs.
    """
    reading = _Reading(entry.plan, events[0].at if events else entry.started_at)
    for event in events:
        reading.take(event)
    ledger, last = reading.ledger, events[-1].at if events else entry.started_at
    over = last if ledger.ended is not None else max(now, last)
    return Course(
        entry=entry,
        records=len(events),
        until=round(over - reading.start, 3),
        status=_status(entry, ledger),
        ledger=ledger,
        sizes=tuple(reading.sizes),
        shares=tuple(reading.shares),
        marks=tuple(reading.marks),
        steps=tuple(_passages(reading)),
        decisions=tuple(reading.decisions.values()),
        gates=gate_courses(entry.plan, events, reading.start),
    )


def _status(entry: Entry, ledger: Ledger) -> Status:
    if ledger.ended is not None:
        return ledger.ended.status
    if ledger.back:
        return Status.ROLLING_BACK
    return Status.PAUSED if ledger.paused else entry.status


def _passages(reading: _Reading) -> Iterator[Passage]:
    ledger, ended = reading.ledger, reading.ledger.ended
    whole = ended is not None and ended.status is Status.SUCCEEDED and not ledger.back
    for number, step in enumerate(reading.plan.steps):
        began, after = reading.began.get(number), reading.began.get(number + 1)
        passage = Passage(number + 1, str(step), began, after)
        if number < ledger.step or whole:
            became = "reached" if began is not None else "not on record"
            yield evolve(passage, ended=after if after is not None else reading.left, became=became)
        elif began is None:
            yield passage
        elif reading.left is None:
            yield evolve(passage, became="under way")
        else:
            became = "left to go back" if ledger.back else "not reached"
            yield evolve(passage, ended=reading.left, became=became)


# thinned("abcdefg", 4): "aceg".
def thinned(values: Sequence[T], most: int) -> tuple[T, ...]:
    """Return at most *most* of the values, at even distances, the first and the last among them."""
    if len(values) <= most:
        return tuple(values)
    last = len(values) - 1
    return tuple(values[round(n * last / (most - 1))] for n in range(most))
