"""Reading the whole log in portions, while others may be adding to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from immutable.journal import Journal, Leaf
from immutable.journal.merkle import Frontier, leaf_hash

__all__ = ["all_leaves", "portions", "standing_hash"]

_PORTION = 5_000


async def portions(journal: Journal, *, after: int = -1) -> AsyncIterator[list[Leaf]]:
    """Yield the leaves with an index above *after* in order, some thousand at a time."""
    while portion := await journal.leaves(after=after, limit=_PORTION):
        yield portion
        after = portion[-1].index


async def all_leaves(journal: Journal, take: Callable[[Sequence[Leaf]], None]) -> Frontier:
    """Give all leaves to *take*, in order, and return the frontier that is to be theirs.

    The frontier is read after the leaves, so it knows each of them; what was added in between is
    read too. It is of another size than the leaves only if somebody else than the journal added or
    removed some.

    Raises:
        InvalidValue: The frontier can't be read; all leaves were taken by then.
    """
    after, known = -1, 0
    while True:
        async for portion in portions(journal, after=after):
            take(portion)
            after = portion[-1].index
        frontier = await journal.frontier()
        if frontier.size <= max(after + 1, known):
            return frontier
        known = frontier.size


def standing_hash(leaf: Leaf) -> bytes:
    """Return the hash that stands for a leaf in the tree: the stored one, if it can be one."""
    return leaf.hash if len(leaf.hash) == 32 else leaf_hash(leaf.text.encode())
