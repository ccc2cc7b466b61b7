"""What a policy says of an image that is about to be launched."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

__all__ = ["Admission", "Ruling"]


class Admission(StrEnum):
    """Whether an image may be launched. All but `PASS` keeps it from being so."""

    PASS = "pass"  # noqa: S105  # No password.
    """It may."""
    FAIL = "fail"
    """It may not."""
    UNKNOWN = "unknown"
    """Nobody can say; that is no pass."""


@frozen
class Ruling:
    """What one rule says, and why.

    Attributes:
        rule: The rule, in words.
        admission: What it says.
        why: Why, naming what it was decided by.
        pending: Whether the answer is due only when the rollout begins: an approval of a plan
            can't be there before the plan. It does not keep the plan from being made.
    """

    rule: str
    admission: Admission
    why: str
    pending: bool = False

    def __str__(self) -> str:
        said = "later" if self.pending else self.admission.name
        return f"{self.rule}: {said}, {self.why}"

    @property
    def blocks(self) -> bool:
        """Whether it keeps the image from being launched, or the plan from being made."""
        return self.admission is not Admission.PASS and not self.pending
