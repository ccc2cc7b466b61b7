"""Exploring: one seed after the other, in as many processes as there are processors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

from attrs import define, field

from tests.exploration.playing import Line, Outcome, play
from tests.exploration.shrinking import shrunk
from tests.exploration.story import Story, drawn

__all__ = ["Report", "explained", "explore", "shortest"]

_AT_ONCE = 8


@define
class Report:
    """What an exploration has found.

    Attributes:
        seeds: How many stories were told.
        events: At how many events everything was held against the rules.
        ends: How many rollouts ended how.
        failed: The seeds of the stories in which something was wrong, with the first of it.
    """

    seeds: int = 0
    events: int = 0
    ends: Counter[str] = field(factory=Counter)
    failed: dict[int, str] = field(factory=dict)

    def add(self, seed: int, outcome: Outcome) -> None:
        """Count a story."""
        self.seeds += 1
        self.events += outcome.events
        self.ends.update(outcome.ends)
        if outcome.faults:
            self.failed[seed] = outcome.faults[0]

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} {how}" for how, count in self.ends.most_common())
        return (
            f"{self.events:,} events in {self.seeds:,} stories ({ends}); {len(self.failed)} wrong"
        )


def told(seed: int) -> tuple[int, Outcome]:
    """Tell the story of a seed."""
    return seed, play(drawn(seed))


def explore(first: int, events: int, pool: Executor) -> Report:
    """Tell the stories of one seed after the other until so many events were seen, or one fails."""
    report, seed = Report(), first
    while report.events < events and not report.failed:
        for each, outcome in pool.map(told, range(seed, seed + _AT_ONCE), chunksize=2):
            report.add(each, outcome)
        seed += _AT_ONCE
    return report


def shortest(story: Story, most: int = 400) -> Story:
    """Return the shortest story found, of so many, that fails in the same way."""
    kind = play(story).kind
    return shrunk(story, lambda each: play(each).kind == kind, most)


def explained(story: Story, lines: Iterable[Line]) -> Iterator[str]:
    """Yield a story as numbered lines: when, who, what, and the sizes after."""
    yield str(story.setting)
    for number, (at, who, what, sizes) in enumerate(lines, 1):
        yield f"{number:5} {at:9.1f} s  {who:>7}  {what}  [{sizes}]"
