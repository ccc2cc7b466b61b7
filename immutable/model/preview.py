"""What a plan comes to: what it changes, where each step leads, how long, how dear."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from immutable.errors import Problem
from immutable.model.admission import Ruling
from immutable.model.frozenmap import FrozenMap
from immutable.model.plan import Plan

__all__ = ["Change", "ChangeKind", "Findings", "Forecast", "Preview", "StepAhead"]


class ChangeKind(StrEnum):
    """What became of something from one revision to the next."""

    ADDED = "added"
    """It was not there before."""
    CHANGED = "changed"
    """It was something else before."""
    REMOVED = "removed"
    """It is not there any more."""


@frozen
class Change:
    """One difference between the revision that a fleet comes from and the one that it goes to.

    Attributes:
        part: ``image``, ``version``, ``commit``, ``setting``, ``secret`` or ``template``.
        name: Which one, of settings, secrets and parts of a template; else empty.
        kind: What became of it.
        before: What it was; of settings and templates empty, for a value may be nobody's business
            where a plan is read. Of secrets the reference.
        after: What it is then; empty for the same.
    """

    part: str
    name: str
    kind: ChangeKind
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        subject = f"{self.part} {self.name}".strip()
        if self.kind is ChangeKind.ADDED:
            return f"{subject} is {self.after}" if self.after else f"{subject} is new"
        if self.kind is ChangeKind.REMOVED:
            return f"{subject} goes" + (f", was {self.before}" if self.before else "")
        values = f"is {self.after}, was {self.before}" if self.after else "changes"
        return f"{subject} {values}"


@frozen
class StepAhead:
    """Where a step of a plan leads, for the size that the fleet had when the plan was made.

    Attributes:
        number: Its place, from 1.
        words: What it does.
        stable: How many instances stable has when it is reached.
        candidate: How many the candidate has then.
        traffic: The candidate's percentage of the traffic then; None where both share one pool.
        seconds: How long it waits at least; 0 for a step that waits for instances only.
        gates: What watches from it to the end of the next bake, in words.
    """

    number: int
    words: str
    stable: int
    candidate: int
    traffic: float | None = None
    seconds: float = 0.0
    gates: tuple[str, ...] = ()


def _calls(value: Mapping[str, int]) -> FrozenMap[str, int]:
    return FrozenMap({name: value[name] for name in sorted(value)})


@frozen
class Forecast:
    """How a plan went when the engine carried it out on a twin of the fleet, in virtual time.

    Attributes:
        trials: How many times it was carried out.
        seconds: How long that took, in the trial of median length; what stable is kept for counts.
        longest: How long in the longest.
        extra_instance_hours: What existed above the fleet's size at rest, over time, in the trial
            of median length.
        calls: How often each method of the backend was called in that trial.
        lowest_ready: The fewest READY instances at any time in any trial.
        boots: How boots are taken to last, in words.
        known: Where that comes from, in words.
        measured: How many boots it was told from; 0 when it is assumed.
        assumed: What was taken for granted, in words.
    """

    trials: int
    seconds: float
    longest: float
    extra_instance_hours: float
    calls: FrozenMap[str, int] = field(converter=_calls)
    lowest_ready: int
    boots: str
    known: str
    measured: int = 0
    assumed: tuple[str, ...] = ()


@frozen
class Findings:
    """What a look at a plan has found, in its backend and in the policy.

    Attributes:
        problems: What would stop it.
        notes: What a reviewer should know.
        rulings: What each rule of the policy that the fleet carries says.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    rulings: tuple[Ruling, ...] = ()


@frozen
class Preview:
    """What a plan comes to, for whoever has to approve it. What `Fleet.preview` answers.

    Attributes:
        plan: The plan. It may be carried out if there are no *problems*.
        digest: What it is approved by.
        changes: What differs between its revisions.
        steps: Where its steps lead.
        forecast: How long it will take and what it costs; None if that can't be foreseen.
        unforeseen: Why not; empty if it can.
        rates: What the limits on launches and terminations that the backend declares cost.
        volumes: What goes over with each slot of a stateful fleet.
        rulings: What the policy that the fleet carries says.
        problems: What stops the plan.
    """

    plan: Plan
    digest: str
    changes: tuple[Change, ...] = ()
    steps: tuple[StepAhead, ...] = ()
    forecast: Forecast | None = None
    unforeseen: str = ""
    rates: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    problems: tuple[Problem, ...] = ()
