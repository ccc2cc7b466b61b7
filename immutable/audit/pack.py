"""The compliance pack: files that an auditor gets, and that can be checked without this software.

``log.jsonl`` is the whole log with proofs, ``changes.jsonl`` a change record a line; the others are
made of those. ``manifest.json`` has the SHA-256 of each, so whoever keeps its own knows all.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from attrs import asdict, frozen

from immutable.audit.changes import changes as changes_of
from immutable.audit.checkpoint import ORIGIN
from immutable.audit.completeness import Lack, lacks
from immutable.audit.controls import CONTROLS
from immutable.audit.export import export
from immutable.audit.tabulating import table
from immutable.errors import JournalError
from immutable.journal import Journal

__all__ = ["FORMAT", "VERSION", "Pack", "manifest", "pack"]

FORMAT, VERSION = "immutable-compliance-pack", 1
"""What the manifest says of itself."""

_ATTEMPTS = 5

_READ_ME = """\
A compliance pack: what was changed on fleets of servers, by whom, why, and what came of it.

changes.jsonl      a change record a line; "log" proves where its first and last record are
changes.csv        the same as a table, for sampling
log.jsonl          the whole log with proofs (RFC 6962)
controls.json      which fields answer which control of which framework, and what they don't answer
inventory.json     what share is immutable, and the exceptions; if fleets were looked at
completeness.json  fields that change records have to have and have not
index.html         all of it as a page
manifest.json      the SHA-256 of each other file

Check it: python verify_pack.py DIRECTORY CHECKPOINT... [--key public.pem], with verify.py beside
it; both are in the documentation of immutable, and need Python only. Without a checkpoint that
was kept elsewhere, who had the journal can have rewritten all, and the pack would not tell.
"""


@frozen
class Pack:
    """A pack, but for its page and its manifest.

    Attributes:
        files: Texts, by the name of the file.
        changes: The change records.
        lacks: What those lack.
        inventory: What share is immutable; None when nobody looked.
    """

    files: dict[str, str]
    changes: tuple[dict[str, Any], ...]
    lacks: tuple[Lack, ...]
    inventory: dict[str, Any] | None


async def pack(
    journal: Journal, *, origin: str = ORIGIN, inventory: dict[str, Any] | None = None
) -> Pack:
    """Make a pack of a journal.

    Args:
        journal: The journal.
        origin: The log's name in its checkpoint.
        inventory: What share is immutable, as `immutable.audit.inventory` tells it; None to say
            that nobody looked.

    Raises:
        JournalError: It can't be read, holds what is no record, or was written to meanwhile.
    """
    found, log = await _at_one_size(journal, origin)
    lacking = lacks(found)
    complete = {
        "changes": len(found),
        "complete": not lacking,
        "lacks": [asdict(each) for each in lacking],
    }
    files = {
        "README.txt": _READ_ME,
        "changes.csv": table(found),
        "changes.jsonl": "".join(map(_line, found)),
        "completeness.json": _line(complete),
        "controls.json": _line([asdict(each) for each in CONTROLS]),
        "log.jsonl": log,
    }
    if inventory is not None:
        files["inventory.json"] = _line(inventory)
    return Pack(files, tuple(found), lacking, inventory)


async def _at_one_size(journal: Journal, origin: str) -> tuple[list[dict[str, Any]], str]:
    """Return the change records and the export of one and the same log.

    Raises:
        JournalError: As for `pack`.
    """
    for _ in range(_ATTEMPTS):
        found = await changes_of(journal, origin=origin)
        log = "".join([line async for line in export(journal, origin=origin)])
        newest = json.loads(log.partition("\n")[0])["checkpoints"][-1]
        bodies = {each["log"]["checkpoint"].partition("\n\n")[0] for each in found}
        if bodies <= {newest.partition("\n\n")[0]}:
            return found, log
    raise JournalError("the journal is written to all the time; make the pack of a copy of it")


def manifest(files: dict[str, str]) -> str:
    """Return the text of the manifest of *files*."""
    sums = {name: sha256(text.encode()).hexdigest() for name, text in files.items()}
    return _line({"files": sums, "format": FORMAT, "version": VERSION})


def _line(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True) + "\n"
