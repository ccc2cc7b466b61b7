"""What a rehearsal answers: the trials, and what they come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.model import Plan
from immutable.simulation.scenarios import Scenario
from immutable.simulation.spans import Spans
from immutable.simulation.trial import Point, Trial

__all__ = ["Rehearsal", "compare", "quantile"]


# quantile([1, 2, 3, 4], 0.5) == 2     quantile([1, 2, 3, 4], 0.95) == 4
def quantile(values: Iterable[float], share: float) -> float:
    """Return the least value that a *share* of the values doesn't exceed: the nearest rank."""
    listed = sorted(values)
    return listed[max(0, math.ceil(share * len(listed)) - 1)]


@frozen
class Rehearsal:
    """How a rollout went in many trials.

    Attributes:
        plan: The plan that was rehearsed, as `Fleet.plan` makes it.
        spans: How long things were taken to last, and from how many boots that was told.
        traffic: Requests per second; 0 for none, or unknown.
        scenarios: What went wrong.
        seed: Equal seeds, plans and fleets give equal trials.
        assumed: What was taken for granted, in words.
        trials: All trials, by their numbers.
        course: The fleet over time in the trial whose length is the median.
    """

    plan: Plan
    spans: Spans
    traffic: float
    scenarios: tuple[Scenario, ...]
    seed: int
    assumed: tuple[str, ...]
    trials: tuple[Trial, ...]
    course: tuple[Point, ...] = ()

    @property
    def ends(self) -> dict[str, int]:
        """How many trials ended how, the most frequent first."""
        return dict(Counter(trial.end for trial in self.trials).most_common())

    @property
    def median(self) -> Trial:
        """The trial whose length is the median."""
        return median(self.trials)

    def length(self, share: float) -> float:
        """Return the seconds within which a *share* of the trials ended, whatever their end."""
        return quantile((trial.seconds for trial in self.trials), share)

    def capacity(self, share: float) -> float:
        """Return the extra instance-hours that a *share* of the trials didn't exceed."""
        return quantile((trial.extra for trial in self.trials), share) / 3600

    def exposed(self, share: float) -> float:
        """Return how many requests the new image got in a *share* of the trials, at most."""
        return quantile((trial.exposed for trial in self.trials), share)

    def failed(self, share: float) -> float:
        """Return how many of those failed in a *share* of the trials, at most."""
        return quantile((trial.failed for trial in self.trials), share)

    @property
    def calls(self) -> dict[str, float]:
        """How many calls of each method there were on average, the most frequent first."""
        totals: Counter[str] = Counter()
        for trial in self.trials:
            totals.update(trial.calls)
        return {name: many / len(self.trials) for name, many in totals.most_common()}

    @property
    def lowest(self) -> int:
        """The fewest READY servers at any time, in any trial."""
        return min(trial.lowest for trial in self.trials)

    @property
    def available(self) -> float:
        """The same as a share of the fleet's size; 1 for an empty fleet."""
        wanted = self.plan.bounds.wanted
        return self.lowest / wanted if wanted else 1.0

    @property
    def reasons(self) -> dict[str, int]:
        """Why trials did not succeed, each reason's first words, the most frequent first."""
        said = (trial.reason.split(". ")[0] for trial in self.trials if trial.end != "succeeded")
        return dict(Counter(said).most_common(5))


def median(trials: Sequence[Trial]) -> Trial:
    """Return the trial whose length is the median; of equal ones the first."""
    ordered = sorted(trials, key=lambda trial: (trial.seconds, trial.number))
    return ordered[max(0, math.ceil(len(ordered) / 2) - 1)]


def compare(*rehearsals: Rehearsal) -> list[dict[str, Any]]:
    """Return a row for each rehearsal, side by side; what ``immutable rehearse --against`` shows.

    Raises:
        InvalidValue: They are of different fleets, scenarios, seeds or numbers of trials: what
            differs would not be the strategies' doing.
    """
    alike = {(r.plan.fleet, r.scenarios, r.seed, len(r.trials), r.traffic) for r in rehearsals}
    if len(alike) > 1:
        reason = "fleets, scenarios, traffic, seeds and numbers of trials must be the same"
        raise InvalidValue("rehearsals", f"{len(alike)} kinds", reason)
    return [
        {
            "strategy": each.plan.strategy,
            "p50": each.length(0.5),
            "p95": each.length(0.95),
            "worst": each.length(1),
            "extra_hours": each.capacity(0.5),
            "calls": sum(each.calls.values()),
            "lowest": each.lowest,
            "exposed": each.exposed(0.5),
            "failed": each.failed(0.5),
            "ends": each.ends,
        }
        for each in rehearsals
    ]
