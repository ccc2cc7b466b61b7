"""What the journal says of a rollout, folded from its records one by one.

The same function is used when a record is written and when another process reads it, so a
controller that takes over knows exactly what its predecessor knew.
"""

from __future__ import annotations

from functools import singledispatch

from attrs import evolve, field, frozen

from immutable.model import (
    Action,
    Create,
    FrozenMap,
    Group,
    Order,
    Record,
    Retire,
    Slot,
)
from immutable.model.records import (
    Advanced,
    Claimed,
    Committed,
    Done,
    Ended,
    Entered,
    Failed,
    Found,
    Intended,
    Judged,
    Ordered,
    Outcome,
    Paused,
    Proved,
    Queued,
    Resized,
    Resynced,
    Ruled,
    Sealed,
    Started,
    Turned,
)

__all__ = ["Ledger", "fold"]


@frozen
class Ledger:
    """Where a rollout stands.

    Attributes:
        groups: The fleet's groups before the first action.
        slots: The slots of a stateful fleet before the first action.
        wanted: The fleet's size, N.
        ready: How many instances were READY before the first action.
        began_at: When all that was seen, by the backend's clock.
        expected: The size that our last action left each group at, by revision number.
        step: The number of the step that it works on.
        attempts: How many actions have been intended; part of the next one's token.
        pending: Actions without an answer, by token.
        unsure: Whether sizes may be other than expected by our own doing.
        found: Whether it was begun under another journal, and found by the groups' marks.
        blind: Whether a controller that this journal doesn't know may have calls under way.
        created: Whether the candidate's group has been made.
        probed: Whether the first candidate instance has proven the image.
        entered_at: When that step began, or began again, by the backend's clock.
        waited: Seconds of the steps before that no deadline counts.
        paused: Why the rollout waits for somebody; empty while it doesn't.
        paused_at: Since when, by the backend's clock.
        heard: The number of the newest order that arrived.
        promoted: The step during which somebody said promote last; -1 for none.
        cancelled: Whether it is to stop as it is, and why.
        yielded: Whether it is to leave stable to the next rollout.
        judged: What each gate said last, by its number.
        committed: Whether the point of no return is behind.
        committed_at: When it was passed, by the backend's clock.
        sealed: Whether the first instance that changes the data for good may have been launched.
        back: Whether it goes back.
        reason: Why it goes back.
        refills: How often somebody brought stable back to its first size.
        failed: Candidate instances that failed, each once.
        ended: How it ended, once it has.
    """

    groups: tuple[Group, ...] = ()
    slots: tuple[Slot, ...] = ()
    wanted: int = 0
    ready: int = 0
    began_at: float = 0.0
    expected: FrozenMap[int, int] = field(factory=FrozenMap)
    step: int = 0
    attempts: int = 0
    pending: FrozenMap[str, Action] = field(factory=FrozenMap)
    unsure: bool = False
    found: bool = False
    blind: bool = False
    created: bool = False
    probed: bool = False
    entered_at: float = 0.0
    waited: float = 0.0
    paused: str = ""
    paused_at: float = 0.0
    heard: int = 0
    promoted: int = -1
    cancelled: str | None = None
    yielded: bool = False
    judged: FrozenMap[int, Judged] = field(factory=FrozenMap)
    committed: bool = False
    committed_at: float = 0.0
    sealed: bool = False
    back: bool = False
    reason: str = ""
    refills: int = 0
    failed: frozenset[str] = frozenset()
    ended: Ended | None = None

    def unanswered(self) -> tuple[str, ...]:
        """Return the members whose retirement got no answer: it may have begun, or may yet."""
        retiring = (each for each in self.pending.values() if isinstance(each, Retire))
        return tuple(name for each in retiring for name in each.ids)

    def size(self, revision: int) -> int:
        """Return the size that our last action left a group at."""
        return self.expected.get(revision, 0)


@singledispatch
def fold(record: Record, ledger: Ledger) -> Ledger:
    """Return *ledger* after *record*."""
    raise TypeError(f"no rule for {type(record).__name__} after {ledger}")


@fold.register
def _(record: Started, ledger: Ledger) -> Ledger:
    sizes = FrozenMap({group.number: group.size for group in record.groups})
    return evolve(
        ledger,
        groups=record.groups,
        slots=record.slots,
        wanted=record.wanted,
        ready=record.ready,
        began_at=record.at,
        expected=sizes,
        entered_at=record.at,
    )


@fold.register
def _(record: Found, ledger: Ledger) -> Ledger:
    return evolve(
        ledger,
        step=record.step,
        entered_at=record.at,
        created=record.created,
        found=True,
        blind=True,
    )


@fold.register
def _(_: Claimed, ledger: Ledger) -> Ledger:
    # What the predecessor intended and did not see answered may have happened, or may yet.
    return evolve(ledger, unsure=ledger.unsure or bool(ledger.pending))


@fold.register
def _(record: Intended, ledger: Ledger) -> Ledger:
    pending = FrozenMap({**ledger.pending, record.token: record.action})
    return evolve(ledger, pending=pending, attempts=ledger.attempts + 1)


@fold.register
def _(record: Done, ledger: Ledger) -> Ledger:
    action = ledger.pending.get(record.token)
    if record.outcome is Outcome.UNKNOWN:
        return evolve(ledger, unsure=True)
    pending = FrozenMap({t: a for t, a in ledger.pending.items() if t != record.token})
    if record.outcome in (Outcome.SHORTAGE, Outcome.CONFLICT):
        # The size may have been raised before there was no room, or is not what we believe.
        return evolve(ledger, pending=pending, unsure=True)
    size = 0 if isinstance(action, Create) else record.size
    if action is None or record.outcome is not Outcome.DONE or size is None:
        return evolve(ledger, pending=pending)
    return evolve(
        ledger,
        pending=pending,
        created=ledger.created or isinstance(action, Create),
        expected=FrozenMap({**ledger.expected, action.revision: size}),
    )


def _sized(ledger: Ledger, revision: int, size: int) -> Ledger:
    return evolve(ledger, expected=FrozenMap({**ledger.expected, revision: size}))


@fold.register
def _(record: Advanced, ledger: Ledger) -> Ledger:
    return _sized(ledger, record.revision, record.size)


@fold.register
def _(record: Resized, ledger: Ledger) -> Ledger:
    grown = record.found > record.expected and record.wanted == ledger.wanted
    return evolve(
        _sized(ledger, record.revision, record.found),
        wanted=record.wanted,
        refills=ledger.refills + grown,
    )


@fold.register
def _(record: Resynced, ledger: Ledger) -> Ledger:
    return evolve(ledger, expected=record.sizes, pending=FrozenMap(), unsure=False, blind=False)


@fold.register
def _(record: Failed, ledger: Ledger) -> Ledger:
    return evolve(ledger, failed=ledger.failed | set(record.ids))


@fold.register
def _(_: Ruled, ledger: Ledger) -> Ledger:
    return ledger


@fold.register
def _(_: Queued, ledger: Ledger) -> Ledger:
    return ledger


@fold.register
def _(_: Proved, ledger: Ledger) -> Ledger:
    return evolve(ledger, probed=True)


@fold.register
def _(record: Entered, ledger: Ledger) -> Ledger:
    waited = ledger.waited + record.waited
    return evolve(ledger, step=record.step, entered_at=record.at, waited=waited)


@fold.register
def _(record: Judged, ledger: Ledger) -> Ledger:
    return evolve(ledger, judged=FrozenMap({**ledger.judged, record.gate: record}))


@fold.register
def _(record: Paused, ledger: Ledger) -> Ledger:
    return evolve(ledger, paused=record.reason, paused_at=record.at)


@fold.register
def _(record: Ordered, ledger: Ledger) -> Ledger:
    ledger = evolve(ledger, heard=record.number)
    said = f"{record.order.value} by {record.actor}"
    why = f"{said}: {record.reason}" if record.reason else said
    match record.order:
        case Order.PAUSE if not ledger.paused:
            return evolve(ledger, paused=why, paused_at=record.at)
        case Order.RESUME:
            return _resumed(ledger, record)
        case Order.PROMOTE:
            return evolve(_resumed(ledger, record), promoted=ledger.step)
        case Order.ABORT if not (ledger.committed or ledger.sealed):
            return evolve(ledger, back=True, paused="", reason=ledger.reason or why)
        case Order.CANCEL:
            return evolve(ledger, cancelled=why)
        case Order.YIELD if ledger.committed:
            return evolve(ledger, yielded=True)
    return ledger


def _resumed(ledger: Ledger, record: Ordered) -> Ledger:
    if not ledger.paused:
        return ledger
    waited = ledger.waited + record.waited
    return evolve(ledger, paused="", waited=waited, entered_at=record.at)


@fold.register
def _(record: Committed, ledger: Ledger) -> Ledger:
    return evolve(ledger, committed=True, committed_at=record.at)


@fold.register
def _(_: Sealed, ledger: Ledger) -> Ledger:
    return evolve(ledger, sealed=True)


@fold.register
def _(record: Turned, ledger: Ledger) -> Ledger:
    return evolve(ledger, back=True, paused="", reason=record.reason)


@fold.register
def _(record: Ended, ledger: Ledger) -> Ledger:
    return evolve(ledger, ended=record)
