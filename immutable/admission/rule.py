"""What a rule is, and how the answers for several images become one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from immutable.admission.case import Candidate, Case
from immutable.errors import ImmutableError
from immutable.model.admission import Admission, Ruling

__all__ = ["Rule", "Said", "asked", "for_each", "listed", "worst"]

Said = tuple[Admission, str]
"""What a rule says of one image, and why."""


class Rule(Protocol):
    """One rule of a policy: a frozen value that says itself in words.

    Attributes:
        due: Whether it can be answered only when the rollout begins.
    """

    due: ClassVar[bool]

    def __str__(self) -> str: ...

    def ruling(self, case: Case) -> Ruling:
        """Return what it says of a case, and why."""
        ...


def listed(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules as they are kept: the converter of attributes that are rules."""
    return tuple(rules)


def asked(rule: Rule, case: Case) -> Ruling:
    """Return what a rule says; that it can't be asked is UNKNOWN, and when it is due is said.

    Args:
        rule: The rule.
        case: What it is asked about.
    """
    if rule.due and not case.starting:
        why = "which is asked when the rollout begins"
        return Ruling(str(rule), Admission.UNKNOWN, why, pending=True)
    try:
        return rule.ruling(case)
    except ImmutableError as error:
        return Ruling(str(rule), Admission.UNKNOWN, f"it can't be asked: {error}")


def for_each(rule: Rule, case: Case, said: Callable[[Candidate], Said]) -> Ruling:
    """Return what a rule says of all images that would be launched: the worst of it."""
    if not case.candidates:
        artifact = case.plan.candidate.image.artifact
        why = f"{artifact} is not in the catalog; add it with: immutable image add"
        return Ruling(str(rule), Admission.UNKNOWN, why)
    return worst(Ruling(str(rule), *said(each)) for each in case.candidates)


_GRAVITY = (Admission.FAIL, Admission.UNKNOWN, Admission.PASS)


def worst(rulings: Iterable[Ruling]) -> Ruling:
    """Return the gravest of some rulings: FAIL, then UNKNOWN, then what is due later."""
    return min(rulings, key=lambda each: (_GRAVITY.index(each.admission), each.pending))
