r"""The whole log as JSON Lines with proofs, to be checked by who has none of this software.

The first line is the header::

    {"checkpoints": ["…", "…"], "format": "immutable-log", "version": 1}

Its last checkpoint is what the journal believes of itself now, those before it are those that lie
in the journal. Each further line is a record::

    {"hash": "…", "index": 0, "leaf": "{\"at\":…}", "proof": ["…", "…"]}

``leaf`` is the text that was hashed: canonical JSON, as it stands in the journal. ``proof`` holds
the siblings on its way to the root of the last checkpoint (RFC 6962), so that a line can be checked
alone; it is null where the records don't lead there. Hashes are in base64. ``docs/verify.py``
checks all of it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from typing import Any

from immutable.audit.checkpoint import ORIGIN, Checkpoint
from immutable.audit.stream import all_leaves, portions, standing_hash
from immutable.journal import Journal, Leaf
from immutable.journal.merkle import Frontier, Tree

__all__ = ["FORMAT", "VERSION", "export"]

FORMAT, VERSION = "immutable-log", 1
"""What the header says of itself."""


async def export(journal: Journal, *, origin: str = ORIGIN) -> AsyncIterator[str]:
    """Yield the lines of an export, each with its newline. What is found is written, sound or not.

    Args:
        journal: The journal; what is added meanwhile is left out.
        origin: The log's name in its checkpoint.

    Raises:
        InvalidValue: The journal's frontier can't be read.
        JournalError: The journal can't be read.
    """
    hashes: list[bytes] = []

    def take(leaves: Sequence[Leaf]) -> None:
        hashes.extend(map(standing_hash, leaves))

    frontier = await all_leaves(journal, take)
    kept, tree = await journal.checkpoints(), Tree(hashes)
    yield _line(_header(Checkpoint(origin, frontier.size, frontier.root()), kept))
    leads, place = _leads(tree, frontier), 0
    async for portion in portions(journal):
        for leaf in portion[: len(hashes) - place]:
            proof = tree.inclusion(place) if leads else None
            yield _line(_record(leaf, proof))
            place += 1
        if place == len(hashes):
            return


def _leads(tree: Tree, frontier: Frontier) -> bool:
    """Return whether proofs in *tree* lead to the journal's own root."""
    return len(tree) == frontier.size and tree.root() == frontier.root()


def _header(now: Checkpoint, kept: Sequence[str]) -> dict[str, Any]:
    signed = [text for text in kept if text.startswith(f"{now.body}\n")]
    newest = signed[-1] if signed else str(now)
    return {"checkpoints": [*kept, newest], "format": FORMAT, "version": VERSION}


def _record(leaf: Leaf, proof: Sequence[bytes] | None) -> dict[str, Any]:
    return {
        "hash": b64encode(leaf.hash).decode(),
        "index": leaf.index,
        "leaf": leaf.text,
        "proof": None if proof is None else [b64encode(each).decode() for each in proof],
    }


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n"
