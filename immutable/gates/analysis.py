"""From counters of a fleet's traffic to what an `Analysis` says. Pure."""

from __future__ import annotations

from attrs import evolve, frozen

from immutable.gates.counts import Arm, Look, since
from immutable.gates.evidence import Evidence
from immutable.gates.judgement import Judgement
from immutable.gates.judging import judge
from immutable.model import Analysis, Reading, Verdict

__all__ = ["Study", "study"]


@frozen
class Study:
    """An analysis in the middle of its work.

    Attributes:
        evidence: What all looks have shown.
        last: Stable's and the candidate's counters that the next look is compared with; None at
            first, and for one who takes over: what happened in between is lost, and not made up.
        share: The candidate's percentage of the traffic at that reading.
    """

    evidence: Evidence
    last: tuple[dict[str, Arm], dict[str, Arm]] | None = None
    share: float | None = None

    def after(
        self, reading: Reading, stable: int, candidate: int, share: float | None, *, tempered: bool
    ) -> Study:
        """Return the study after one more reading.

        Args:
            reading: The counters.
            stable: Stable's revision number.
            candidate: The candidate's.
            share: The candidate's percentage of the traffic, where the router knows it.
            tempered: Whether stable is compared with itself too.
        """
        now = _arms(reading, stable), _arms(reading, candidate)
        if self.last is None:
            return evolve(self, last=now, share=share)
        base = since(self.last[0], now[0])
        # The candidate's servers are new: what one that wasn't there before shows is all news.
        new = since(self.last[1], now[1], fresh=True)
        # A share that has changed in between was none of both.
        steady = share if share == self.share else None
        router = steady / 100 if steady is not None and 0 < steady < 100 else None
        look = Look.of_servers(new, base, router, tempered=tempered)
        return Study(self.evidence.after(look), now, share)

    def verdict(self, gate: Analysis) -> tuple[Verdict, Judgement]:
        """Return what it says by now, and all about it."""
        judgement = judge(self.evidence, alpha=gate.alpha, least=gate.requests)
        seen = min(judgement.canary, judgement.stable)
        if judgement.verdict is Verdict.INCONCLUSIVE and not gate.strict and seen >= gate.requests:
            return Verdict.PASS, judgement
        return judgement.verdict, judgement


def _arms(reading: Reading, revision: int) -> dict[str, Arm]:
    series = reading.revisions.get(revision, {})
    return {name: Arm(each.requests, each.errors, each.latency) for name, each in series.items()}


def study(gate: Analysis, *, latency: bool) -> Study:
    """Return an analysis that has seen nothing yet."""
    return Study(Evidence(margin=gate.margin, tolerance=gate.tolerance, latency=latency))
