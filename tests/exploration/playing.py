"""Letting a story happen, and telling what happened."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack

from attrs import frozen

from tests.exploration.lab import Lab
from tests.exploration.story import Story
from tests.support.steady import run_steadily

__all__ = ["Line", "Outcome", "play"]

_FIGURES = re.compile(r"[0-9a-f]{6}\b|[\d.]+|\(.*\)")

Line = tuple[float, str, str, str]
"""When, who, what, and the sizes after."""


@frozen
class Outcome:
    """What came of a story.

    Attributes:
        faults: What must not be, in the order in which it was seen.
        events: At how many events that was looked for.
        ends: How the rollouts ended.
        lines: What happened; empty unless it was asked for.
    """

    faults: tuple[str, ...]
    events: int
    ends: tuple[str, ...]
    lines: tuple[Line, ...] = ()

    @property
    def kind(self) -> str:
        """The first fault, without its figures: by this two failures are told to be the same."""
        return _FIGURES.sub("", self.faults[0]) if self.faults else ""


async def _play(story: Story, *, tell: bool) -> Outcome:
    lines: list[Line] = []
    async with AsyncExitStack() as stack:
        lab = await Lab.open(story.setting, stack)
        watch, began = lab.watch, lab.watch.cloud.at
        if tell:
            watch.tell = lambda at, *rest: lines.append((at - began, *rest))
        for move in story.moves:
            await lab.make(move)
            if watch.breaches:
                break
        else:
            await lab.finish()
        told = {what for _, _, what, _ in lines}
        unsaid = [fault for fault in watch.breaches if fault.partition(": ")[2] not in told]
        lines += [(watch.cloud.at - began, "RULES", fault, watch.sizes()) for fault in unsaid]
        ends = [course.ended.value for course in watch.courses.values() if course.ended]
        shown = tuple(lines) if tell else ()
        return Outcome(tuple(watch.breaches), watch.events, tuple(ends), shown)


def play(story: Story, *, tell: bool = False) -> Outcome:
    """Let a story happen, in a process in which nothing minds blocking.

    Args:
        story: What is to happen.
        tell: Whether to write down everything that does.
    """
    try:
        return run_steadily(_play(story, tell=tell))
    except (TimeoutError, AssertionError, RuntimeError) as error:
        return Outcome((f"0: {type(error).__name__} {error}",), 0, ())
