"""What a check of the log has found, and how far the log can be relied on."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Finding", "Report"]


@frozen
class Finding:
    """Something that is not as it was written, and where.

    Attributes:
        what: What is wrong.
        first: The index in the log of the first record that it may be; None for none.
        last: The index of the last one; *first* where the place is exact.
        rollout: The rollout that the record says it belongs to; empty when unknown.
        seq: Its number in the rollout; None when unknown.
    """

    what: str
    first: int | None = None
    last: int | None = None
    rollout: str = ""
    seq: int | None = None

    def __str__(self) -> str:
        if self.first is None:
            return self.what
        place = f"record {self.first}"
        if self.last not in (None, self.first):
            place = f"records {self.first} to {self.last}"
        if self.rollout:
            place += f" (rollout {self.rollout}, seq {self.seq})"
        return f"{place}: {self.what}"


@frozen
class Report:
    """The outcome of a check of the whole log.

    Attributes:
        size: How many records there are.
        root: The Merkle root over them.
        findings: What is wrong; empty when all is as it was written.
        warnings: What weakens the proof, or could not be checked.
        confirmed: So many records, from the first, are as a checkpoint from outside has them.
        by: Which checkpoint that was; empty for none.
    """

    size: int
    root: bytes
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    confirmed: int = 0
    by: str = ""
