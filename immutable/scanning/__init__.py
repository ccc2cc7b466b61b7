"""Looking for secrets in what is about to be handed out: files of an image, user data, settings.

`scanned` looks at documents, `scanned_tree` at the files of a directory. What is encoded is decoded
first (base64, gzip, MIME, nested); then every text is held against the rules of detect-secrets, the
forms of vendors' tokens, and names that say that a secret follows. A `Finding` tells where a secret
stands and what it looks like, never the secret. Only ``CLEAN`` means that all was looked at.

It needs the extra ``scan``; without it the verdict is ``NOT_SCANNED``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from attrs import evolve

from immutable.scanning.exceptions import Exceptions
from immutable.scanning.finding import (
    NOT_INSTALLED,
    Document,
    Excused,
    Finding,
    Report,
    Skipped,
    Verdict,
)
from immutable.scanning.scanner import scanned
from immutable.scanning.settings import NotSecret, Settled, settled
from immutable.scanning.trees import LEFT_OUT, Most, Tree

__all__ = [
    "LEFT_OUT",
    "NOT_INSTALLED",
    "Document",
    "Exceptions",
    "Excused",
    "Finding",
    "Most",
    "NotSecret",
    "Report",
    "Settled",
    "Skipped",
    "Verdict",
    "scanned",
    "scanned_tree",
    "settled",
]


async def scanned_tree(
    place: Path,
    exceptions: Exceptions | None = None,
    *,
    most: Most | None = None,
    left_out: Collection[str] = LEFT_OUT,
) -> Report:
    """Return what came of a directory's files, or of one file.

    Args:
        place: Where they are.
        exceptions: What somebody has answered for.
        most: How much is looked at; what is more is skipped, and said.
        left_out: Names of directories and files that are not looked at, and not reported.

    Raises:
        InvalidValue: Nothing is there.
    """
    exceptions = exceptions or Exceptions()
    tree = await asyncio.to_thread(Tree, place, most, left_out)
    passed_over: list[str] = []

    def excused(name: str) -> bool:
        if not exceptions.skips(name):
            return False
        passed_over.append(name)
        return True

    report = await scanned(tree.documents(excused))
    report = evolve(report, skipped=(*tree.skipped, *report.skipped))
    if not (report.documents or report.skipped or report.missing or passed_over):
        report = evolve(report, missing=f"not scanned for secrets: there is no file in {place}")
    return exceptions.applied(report, passed_over)
