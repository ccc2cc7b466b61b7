"""A rollout as its events tell it: where it stands, what its gates say, what to type next."""

from __future__ import annotations

from attrs import define, field, frozen

from immutable.engine.ledger import Ledger, fold
from immutable.model import Approval, Bake, Commit, Order, Plan, Record, Verdict
from immutable.model.quantities import duration
from immutable.model.records import Committed, Entered, Judged, Ordered, Paused, Started
from immutable.planning.goals import gates, watching
from immutable.report.words import noteworthy, words

__all__ = ["Said", "Story"]


@frozen
class Said:
    """What a gate said last.

    Attributes:
        gate: Which, in words.
        verdict: What; None when it has said nothing so far.
        detail: Why, or what it waits for.
    """

    gate: str
    verdict: Verdict | None = None
    detail: str = ""


@define
class Story:
    """What a rollout's records have told so far, for whoever has its plan.

    Attributes:
        plan: The plan that is carried out.
        ledger: The records, folded.
    """

    plan: Plan
    ledger: Ledger = field(factory=Ledger)
    _verdicts: dict[int, Verdict] = field(factory=dict, init=False)

    def hear(self, record: Record) -> str:
        """Take a record in, and return what is new, as a sentence; empty when that is nothing.

        A gate's verdict is new when it is another than the last one, not at each look.
        """
        self.ledger = fold(record, self.ledger)
        if isinstance(record, Ordered) and record.order is Order.RESUME:
            self._verdicts.clear()  # What they say from here on is news.
        if isinstance(record, Judged):
            before = self._verdicts.get(record.gate)
            self._verdicts[record.gate] = record.verdict
            if before is record.verdict:
                return ""
        return self.words(record) if noteworthy(record) else ""

    def words(self, record: Record) -> str:
        """Return what a record says, with steps and gates in words."""
        said = words(record)
        match record:
            case Started() if len(self.plan.steps) > 1:
                return f"{said}; {self._step(0)}"
            case Entered(step):
                return self._step(step)
            case Judged(number, verdict, detail):
                name = str(gates(self.plan.steps)[number])
                return f"{name} says {verdict.value}" + (f": {detail}" if detail else "")
            case Paused(reason):
                return f"paused: {reason}; {self._next()}"
            case Ordered(order=Order.PAUSE) if self.ledger.paused:
                return f"{said}; {self._next()}"
            case Committed() if self._kept():
                return f"{said}; {self._kept()}"
        return said

    def _step(self, number: int) -> str:
        steps = self.plan.steps
        said = f"step {number + 1} of {len(steps)}: {steps[number]}"
        approval = isinstance(steps[number], Bake) and any(
            isinstance(gate, Approval) for gate in watching(steps, number)
        )
        return f"{said}; waits for: {self._type('promote')}" if approval else said

    def _next(self) -> str:
        return f"next: {self._type('resume|promote|abort')}"

    def _kept(self) -> str:
        last = self.plan.steps[-1] if self.plan.steps else None
        if not isinstance(last, Commit) or not last.keep_stable:
            return ""
        kept = f"r{self.plan.stable.number} is kept for {duration(last.keep_stable)}"
        return f"{kept}; to switch back to it: {self._type('rollback')}"

    def _type(self, command: str) -> str:
        return f"immutable {command} {self.plan.fleet}"

    # -- where it stands -----------------------------------------------------------------------

    @property
    def step(self) -> str:
        """What it works on, in words."""
        ledger = self.ledger
        if ledger.ended is not None:
            reason = f": {ledger.ended.reason}" if ledger.ended.reason else ""
            return f"{ledger.ended.status.value.replace('_', ' ')}{reason}"
        if ledger.back:
            return f"going back: {ledger.reason}"
        return self._step(ledger.step) if self.plan.steps else ""

    def gates(self) -> tuple[Said, ...]:
        """Return what the gates said last that watch now."""
        ledger, every = self.ledger, gates(self.plan.steps)
        if ledger.back or ledger.committed or ledger.ended is not None:
            return ()
        found = []
        for gate in watching(self.plan.steps, ledger.step):
            judged = ledger.judged.get(every.index(gate))
            if judged is not None:
                found.append(Said(str(gate), judged.verdict, judged.detail))
            else:
                approval = isinstance(gate, Approval)
                found.append(Said(str(gate), None, "waits for promote" * approval))
        return tuple(found)

    def ways_on(self) -> tuple[tuple[str, str], ...]:
        """Return what can be typed now, and what each command would do."""
        ledger = self.ledger
        if ledger.back or ledger.ended is not None or not self.plan.steps:
            return ()
        if ledger.committed:
            kept = self._kept()
            ways = [("rollback", "switch back to what is kept"), ("promote", "give it up now")]
            return tuple((self._type(name), does) for name, does in ways if kept)
        ways = [("promote", "go on without waiting"), ("abort", "go back")]
        if ledger.paused:
            again = isinstance(self.plan.steps[ledger.step], Bake)
            ways.insert(0, ("resume", "the bake begins again" if again else "go on"))
        elif not isinstance(self.plan.steps[ledger.step], Bake):
            ways = [("pause", "stop where it is"), ("abort", "go back")]
        return tuple((self._type(name), does) for name, does in ways)
