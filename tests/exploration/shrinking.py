"""Making a story that fails shorter: the fewest moves, and the plainest setting, that fail so too.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE
Transactions on Software Engineering, 2002): leave parts out, ever smaller ones, for as long as what
is left still fails.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.exploration.story import Move, Story

__all__ = ["shrunk"]


def shrunk(story: Story, fails: Callable[[Story], bool], most: int = 400) -> Story:
    """Return a story that fails as well, from which no single move can be left out.

    Args:
        story: One that fails.
        fails: Whether one does, in the same way.
        most: How many are tried at most.
    """
    tried = 0

    def still(each: Story) -> bool:
        nonlocal tried
        tried += 1
        return tried <= most and fails(each)

    while True:
        before = story
        story = Story(story.setting, _fewest(story, still))
        for plainer in story.simpler():
            if still(plainer):
                story = plainer
                break
        if story == before:
            return story


def _fewest(story: Story, still: Callable[[Story], bool]) -> tuple[Move, ...]:
    moves, parts = story.moves, 2
    while len(moves) >= 1:
        size = max(1, len(moves) // parts)
        for start in range(0, len(moves), size):
            rest = moves[:start] + moves[start + size :]
            if still(Story(story.setting, rest)):
                moves, parts = rest, max(2, parts - 1)
                break
        else:
            if size == 1:
                return moves
            parts = min(len(moves), 2 * parts)
    return moves
