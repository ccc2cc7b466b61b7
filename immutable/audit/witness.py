"""Who vouches for the log, and how much that is worth.

A checkpoint that lies in the journal itself shows a slip, not an attack: who can change a record
can change it too. One from elsewhere shows both; one that is signed with a key which the journal's
administrator lacks does so wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from attrs import define, field, frozen

from immutable.audit.checkpoint import Checkpoint, Standing
from immutable.audit.finding import Finding
from immutable.audit.keys import PublicKey
from immutable.errors import InvalidValue

__all__ = ["Bench", "Trust", "Witness"]


class Trust(IntEnum):
    """What a witness's word is worth; more is better."""

    KEPT = 0
    """It lies in the journal itself."""
    GIVEN = 1
    """It comes from elsewhere; its signature was not checked, for want of a key."""
    SIGNED = 2
    """It is signed with the key that was given."""


@frozen
class Witness:
    """Something that knows what the log was at one size.

    Attributes:
        name: What to call it.
        size: How many records there were.
        root: The Merkle root over them.
        trust: What its word is worth.
        whole: Whether it knows of all records that there are.
    """

    name: str
    size: int
    root: bytes
    trust: Trust
    whole: bool = False


@define
class Bench:
    """The witnesses that can be heard, and what is wrong with the others.

    Attributes:
        origin: The log's name.
        key: The key that signatures are checked with; None for no check.
        witnesses: Those that count.
        findings: What is wrong with a checkpoint that therefore doesn't.
        warnings: What makes a checkpoint worth less than it might be.
    """

    origin: str
    key: PublicKey | None
    witnesses: list[Witness] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    warnings: list[str] = field(factory=list)

    def hear(self, kept: Sequence[str], given: Mapping[str, str]) -> None:
        """Weigh checkpoints.

        Args:
            kept: The texts of those in the journal.
            given: The texts of those from elsewhere, by name.
        """
        for name, text, outside in _all(kept, given):
            try:
                checkpoint = Checkpoint.parse(text)
            except InvalidValue:
                self.findings.append(Finding(f"{name} is not a checkpoint"))
                continue
            if checkpoint.origin != self.origin:
                of = f"is of the log {checkpoint.origin!r}, not of {self.origin!r}"
                self.findings.append(Finding(f"{name} {of}"))
                continue
            trust = self._trust(checkpoint, name, outside=outside)
            if trust is not None:
                heard = Witness(name, checkpoint.size, checkpoint.root, trust)
                self.witnesses.append(heard)

    def _trust(self, checkpoint: Checkpoint, name: str, *, outside: bool) -> Trust | None:
        """Return what a checkpoint's word is worth; None for nothing."""
        if self.key is None:
            if outside:
                self.warnings.append(f"the signature of {name} was not checked: no key was given")
            return Trust.GIVEN if outside else Trust.KEPT
        standing = checkpoint.standing(self.key)
        if standing is Standing.SIGNED:
            return Trust.SIGNED
        said = f"{name} {_SAID[standing]}"
        if outside or standing is Standing.FORGED:
            self.findings.append(Finding(said))
            return None
        self.warnings.append(said)
        return Trust.KEPT


_SAID = {
    Standing.UNSIGNED: "is not signed",
    Standing.STRANGE: "is not signed with this key",
    Standing.FORGED: "was changed after it was signed, or its signature was",
}


def _all(kept: Sequence[str], given: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    for number, text in enumerate(kept, 1):
        yield f"checkpoint {number} in the journal", text, False
    for name, text in given.items():
        yield f"checkpoint {name}", text, True
