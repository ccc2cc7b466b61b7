"""Letting the gates watch: asking their sources beside the loop, keeping what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from math import inf

from attrs import define, field

from immutable.engine.ledger import Ledger
from immutable.engine.session import Session
from immutable.engine.watch import Watch
from immutable.gates.analysis import Study, study
from immutable.gates.checks import CheckLook, call
from immutable.gates.evidence import Evidence
from immutable.gates.health import Streak
from immutable.model import (
    Analysis,
    Approval,
    Bake,
    Check,
    Gate,
    Health,
    Reading,
    Shift,
    Verdict,
)
from immutable.model.records import Judged
from immutable.model.serial import from_json, to_json
from immutable.planning.goals import gates, goals, share, watching
from immutable.planning.stance import Opinion, Stance, stance

__all__ = ["Gatekeeper", "Reader"]

Reader = Callable[[str], Awaitable[Reading]]
"""Reads the counters of the metric source of a name."""

_ERRORS = 3
"""How many errors in a row of a gate are its verdict: one may pass."""
_PATIENCE = 30.0
_SAVED = 60.0
"""Seconds of evidence that a crash may cost."""
_POLLS, _CALM_POLLS = 2.5, 7.5
"""How many polls there are between two looks at the candidate's health in a bake; and when it has
been good for long: hours of a bake are not to cost a call every few seconds."""
_CALM = 24
"""After so many good looks in a row they are fewer, until one is bad."""
_UNDECIDED = 4
"""So many times its dwell may a gate of health go on disagreeing with itself past the end of a
bake: then that is its answer. One that is asked in the moment of a change has not answered yet."""
_FREE = Stance()


@define
class _Memory:
    """What a gate says, and what it needs to say something next time."""

    verdict: Verdict = Verdict.INCONCLUSIVE
    detail: str = "nothing is known so far"
    streak: Streak = field(factory=Streak)
    study: Study | None = None
    due: float = -inf
    errors: int = 0
    looks: int = 0
    late: int = 0
    step: int = -1
    saved: float = -inf
    certified: bool = False


_Watcher = tuple[Gate, _Memory]
"""A gate that watches, and what it remembers."""


class Gatekeeper:
    """The gates of one rollout.

    Args:
        session: The records, and where verdicts are noted.
        watch: The fleet.
        read: How to read a metric source.
        poll: Seconds between two observations while something is about to change.
    """

    def __init__(self, session: Session, watch: Watch, read: Reader, poll: float) -> None:
        self._session = session
        self._watch = watch
        self._read = read
        self._poll = poll
        self._gates = gates(session.plan.steps)
        self._minds: dict[Gate, _Memory] = {gate: _Memory() for gate in self._gates}
        self._asking: dict[Gate, asyncio.Task[None]] = {}
        self._news: list[Judged] = []
        self._begun = False
        self._watchers: dict[int, tuple[_Watcher, ...]] = {}

    @property
    def _ledger(self) -> Ledger:
        return self._session.ledger

    def recall(self) -> None:
        """Take the evidence up that a predecessor has written down."""
        for number, judged in self._ledger.judged.items():
            if judged.evidence:
                evidence = from_json(Evidence, json.loads(judged.evidence))
                self._minds[self._gates[number]].study = Study(evidence)

    def forget(self) -> None:
        """Let health and checks begin anew: somebody resumed what one of them had paused."""
        for gate in self._gates:
            if isinstance(gate, (Health, Check)):
                self._minds[gate] = _Memory()
        self._watchers.clear()

    async def close(self) -> None:
        """Stop asking."""
        asking = tuple(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    # -- watching ------------------------------------------------------------------------------

    def _watching(self) -> tuple[_Watcher, ...]:
        ledger = self._ledger
        if not self._gates or ledger.back or ledger.committed:
            return ()
        there = self._watchers.get(ledger.step)
        if there is None:
            found = watching(self._session.plan.steps, ledger.step)
            there = tuple((gate, self._minds[gate]) for gate in found)
            self._watchers[ledger.step] = there
        if self._awake:
            return there
        return tuple(each for each in there if isinstance(each[0], Approval))

    @property
    def _awake(self) -> bool:
        """Whether there is, or has been, something to watch: a candidate that serves."""
        if not self._begun:
            counts = self._watch.census.counts(self._session.plan.candidate.number)
            self._begun = counts.ready + counts.unready > 0
        return self._begun

    def look(self, now: float) -> None:
        """Let every gate that watches see what is seen now, and note what they changed to."""
        for gate, mind in self._watching():
            if isinstance(gate, Health):
                mind.looks += 1
                mind.late = mind.late + 1 if self._time_is_over() else 0
                mind.streak = mind.streak.after(gate, *self._ready())
                self._say(gate, mind, mind.streak.verdict(gate), mind.streak.detail)
            elif isinstance(gate, (Analysis, Check)) and mind.due <= now:
                mind.due = now + gate.interval
                if gate not in self._asking:
                    self._asking[gate] = asyncio.ensure_future(self._ask(gate))
        news, self._news = self._news, []
        self._session.note(*news)

    def _ready(self) -> tuple[int, int]:
        """Return how many of the candidate are READY, and how many should be."""
        plan, ledger = self._session.plan, self._ledger
        counts = self._watch.census.counts(plan.candidate.number)
        of = counts.ready + counts.unready
        if not isinstance(plan.steps[ledger.step], Shift):
            of = max(of, goals(plan.steps[: ledger.step + 1], ledger.wanted).candidate)
        return counts.ready, of

    def _say(
        self, gate: Gate, mind: _Memory, verdict: Verdict, detail: str, evidence: str = ""
    ) -> None:
        if not isinstance(gate, Health):
            mind.looks, mind.step = mind.looks + 1, self._ledger.step
        changed = verdict is not mind.verdict
        mind.verdict, mind.detail = verdict, detail
        if changed or evidence:
            self._news.append(Judged(self._gates.index(gate), verdict, detail, evidence))

    # -- asking --------------------------------------------------------------------------------

    async def _ask(self, gate: Analysis | Check) -> None:
        patience = gate.timeout if isinstance(gate, Check) else _PATIENCE
        try:
            async with asyncio.timeout(patience):
                if isinstance(gate, Check):
                    verdict, detail = await call(gate, self._told())
                    self._heard(gate, verdict, detail)
                else:
                    self._learn(gate, await self._read(gate.source))
        except Exception as error:  # noqa: BLE001  # A source that fails is an ERROR, whatever it is.
            detail = str(error) or f"no answer within {patience:g} s"
            self._heard(gate, Verdict.ERROR, detail)
        finally:
            del self._asking[gate]

    def _told(self) -> CheckLook:
        plan, ledger = self._session.plan, self._ledger
        return CheckLook(
            fleet=plan.fleet,
            rollout=self._session.lease.rollout,
            step=ledger.step,
            stable=plan.stable.number,
            candidate=plan.candidate.number,
            share=share(plan.steps, ledger.step),
            ready=self._watch.census.counts(plan.candidate.number).ready,
        )

    def _heard(self, gate: Gate, verdict: Verdict, detail: str, evidence: str = "") -> None:
        """Take an answer; errors count only when they last."""
        mind = self._minds[gate]
        mind.errors = mind.errors + 1 if verdict is Verdict.ERROR else 0
        if verdict is not Verdict.ERROR or mind.errors >= _ERRORS:
            self._say(gate, mind, verdict, detail, evidence)

    def _learn(self, gate: Analysis, reading: Reading) -> None:
        plan, mind = self._session.plan, self._minds[gate]
        known = mind.study or study(gate, latency=bool(reading.bounds))
        mind.study = known.after(
            reading,
            plan.stable.number,
            plan.candidate.number,
            share(plan.steps, self._ledger.step),
            tempered=gate.tempered,
        )
        if mind.study.last is None or known.last is None:
            return
        verdict, judgement = mind.study.verdict(gate)
        mind.certified = judgement.verdict is Verdict.PASS
        evidence, detail, now = "", mind.detail, asyncio.get_running_loop().time()
        if verdict is not mind.verdict or now - mind.saved >= _SAVED:
            mind.saved = now
            evidence = json.dumps(to_json(mind.study.evidence))
            detail = judgement.reason  # Figures a minute old are good enough.
        self._heard(gate, verdict, detail, evidence)

    # -- saying --------------------------------------------------------------------------------

    def opinions(self) -> tuple[Opinion, ...]:
        """Return what each gate that watches says now."""
        return tuple([self._opinion(gate, mind) for gate, mind in self._watching()])

    def _opinion(self, gate: Gate, mind: _Memory) -> Opinion:
        if isinstance(gate, Approval):
            given = self._promoted()
            verdict = Verdict.PASS if given else Verdict.INCONCLUSIVE
            return Opinion(gate, verdict, "" if given else "nobody has said promote so far")
        return Opinion(gate, mind.verdict, mind.detail)

    def _promoted(self) -> bool:
        """Whether somebody said to go on past the bake that the step is, or leads to."""
        steps, ledger = self._session.plan.steps, self._ledger
        return self._bake(ledger.promoted) == self._bake(ledger.step) if steps else False

    def _bake(self, step: int) -> int | None:
        if step < 0:
            return None
        steps = self._session.plan.steps
        return next((n for n in range(step, len(steps)) if isinstance(steps[n], Bake)), -1)

    def _heard_out(self, gate: Gate, mind: _Memory) -> bool:
        """Whether a gate has had the looks that it needs; before, it can't be held to anything."""
        match gate:
            case Analysis():
                # What it said of a smaller share, or of none, is no answer about this one.
                return mind.step == self._ledger.step
            case Health(dwell=least):
                return mind.streak.looks >= least or mind.late >= _UNDECIDED * least
        return isinstance(gate, Approval) or mind.looks > 0

    def over(self) -> bool:
        """Whether the time of the present bake is over."""
        step = self._session.plan.steps[self._ledger.step]
        if not isinstance(step, Bake):
            return False
        if self._promoted():
            return True
        if not all(self._heard_out(gate, mind) for gate, mind in self._watching()):
            return False
        if self._time_is_over():
            return True
        early = [g for g in step.gates if isinstance(g, Analysis) and g.early]
        if not early or not all(self._minds[gate].certified for gate in early):
            return False
        return all(each.verdict is Verdict.PASS for each in self.opinions())

    def _time_is_over(self) -> bool:
        """Whether a bake has lasted for as long as it is to last, whatever the gates know."""
        step = self._session.plan.steps[self._ledger.step]
        passed = self._watch.census.at - self._ledger.entered_at
        return isinstance(step, Bake) and passed >= step.seconds

    def stance(self, *, over: bool) -> Stance:
        """Return what the gates make the rollout do; *over* is whether the bake's time is."""
        if not self._gates:
            return _FREE
        return stance(self.opinions(), over=over, promoted=self._promoted())

    def next_look(self, now: float) -> float:
        """Return in how many seconds a gate wants to look again."""
        watching = self._watching()
        wish = min((max(0.0, m.due - now) for _, m in watching if m.due > -inf), default=inf)
        streaks = [mind.streak for gate, mind in watching if isinstance(gate, Health)]
        if streaks:
            calm = all(each.good and each.looks >= _CALM for each in streaks)
            wish = min(wish, (_CALM_POLLS if calm else _POLLS) * self._poll)
        return wish
