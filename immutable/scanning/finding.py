"""What is scanned, and what came of it; never the secret itself."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

__all__ = [
    "NOT_INSTALLED",
    "Document",
    "Excused",
    "Finding",
    "Report",
    "Seen",
    "Skipped",
    "Verdict",
]

NOT_INSTALLED = "not scanned for secrets: install immutable-sdk[scan]"
"""What is said where the extra is missing."""


class Verdict(StrEnum):
    """What a scan comes to. Only CLEAN says that nothing was found in all that there is."""

    CLEAN = "clean"
    FOUND = "found"
    PARTLY = "partly scanned"
    NOT_SCANNED = "not scanned"


@frozen
class Document:
    """Something to be scanned.

    Attributes:
        name: What it is called: a path in a tree, or the name of a variable.
        data: Its content.
    """

    name: str
    data: bytes = field(repr=False)


@frozen
class Finding:
    """A place where a secret stands. It does not hold the secret.

    Attributes:
        name: The document's name.
        line: The line in it, from 1; of what is encoded, the line where that begins. 0 in what
            has no lines.
        rule: What it looks like: ``github token``.
        how: What it was decoded from, the outermost first: ``("base64", "gzip")``.
        fingerprint: By which an exception names it (`Exceptions`).
    """

    name: str
    line: int
    rule: str
    how: tuple[str, ...] = ()
    fingerprint: str = ""

    def __str__(self) -> str:
        place = f"{self.name}:{self.line}" if self.line else self.name
        how = f", in {' in '.join(reversed(self.how))}" if self.how else ""
        return f"{place}: {self.rule}{how}"


@frozen
class Skipped:
    """What could not be scanned, so that nobody knows what is in it.

    Attributes:
        name: The document's name.
        reason: Why.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@frozen
class Excused:
    """A finding, or a file that is not scanned, which somebody has answered for.

    Attributes:
        what: The finding or the file, in words.
        reason: Why it is no secret, or may be there.
    """

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: allowed, {self.reason}"


@frozen
class Seen:
    """What came of one document.

    Attributes:
        findings: Where secrets stand.
        skipped: Why it was not scanned to its end; empty if it was.
    """

    findings: tuple[Finding, ...] = ()
    skipped: str = ""


@frozen
class Report:
    """What came of all documents.

    Attributes:
        findings: Where secrets stand, but for those that are excused.
        skipped: What could not be scanned.
        excused: What somebody has answered for.
        documents: How many were scanned to their end.
        bytes: How much that was.
        missing: Why nothing at all was scanned; empty if something was.
    """

    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    excused: tuple[Excused, ...] = ()
    documents: int = 0
    bytes: int = 0
    missing: str = ""

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if self.findings:
            return Verdict.FOUND
        if self.missing:
            return Verdict.NOT_SCANNED
        return Verdict.PARTLY if self.skipped else Verdict.CLEAN

    def __str__(self) -> str:
        if self.findings:
            count = len(self.findings)
            return f"{count} secret{'s' if count > 1 else ''} found in {_count(self.documents)}"
        if self.missing:
            return self.missing
        if self.skipped:
            skipped = _count(len(self.skipped))
            return f"partly scanned: nothing in {_count(self.documents)}, {skipped} skipped"
        return f"no secret found in {_count(self.documents)}"

    @property
    def words(self) -> tuple[str, ...]:
        """All of it, a sentence each: what was found, skipped and excused, and what follows."""
        return (*map(str, (*self.findings, *self.skipped, *self.excused)), str(self))


def _count(files: int) -> str:
    return f"{files} file" if files == 1 else f"{files} files"
