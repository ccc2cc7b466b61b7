"""Rules about an image among others: what was revoked, and what is newer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import ClassVar

from attrs import Attribute, field, frozen

from immutable.admission.case import Candidate, Case
from immutable.admission.rule import Said, for_each
from immutable.catalog.state import Version
from immutable.errors import InvalidValue
from immutable.model.admission import Admission, Ruling
from immutable.trust.shape import spelled

__all__ = ["NoDowngrade", "NotRevoked"]

_DAY = 86_400.0


@frozen
class NotRevoked:
    """It is not revoked, nor will be soon.

    What is revoked is never launched, whatever the policy. This says so where rules are put
    together, and looks ahead.

    Attributes:
        days: How many days ahead a revocation that was announced counts; 0 for none.
    """

    days: int = field(default=0)
    due: ClassVar[bool] = False

    @days.validator
    def _sensible(self, attribute: Attribute[int], days: int) -> None:
        if type(days) is not int or days < 0:
            raise InvalidValue(attribute.name, days, "not a number of days, 0 or more")

    def __str__(self) -> str:
        return f"not revoked{f' within {self.days} days' if self.days else ''}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it isn't."""

        def said(each: Candidate) -> Said:
            later = case.now + self.days * _DAY
            found = case.catalog.revocation(each.version.digest, later)
            if found is None:
                return Admission.PASS, f"{each.version} is not"
            since = spelled(datetime.fromtimestamp(found.at, UTC))
            return Admission.FAIL, f"{each.version} is revoked from {since} on: {found.reason}"

        return for_each(self, case, said)


@frozen
class NoDowngrade:
    """Its version is not below that of the image that the fleet runs.

    Going back to the image that the fleet ran before is none: ``rollback`` stays possible. Versions
    are compared as Semantic Versioning 2.0.0 does (§ 11), with any number of numbers.
    """

    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return "no downgrade"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it isn't; versions that can't be compared are unknown."""
        if case.previous and case.previous == case.plan.candidate.image.artifact:
            why = "it is what the fleet ran before: going back is none"
            return Ruling(str(self), Admission.PASS, why)
        return for_each(self, case, lambda each: _against(each.version, case.running))


def _against(wanted: Version, running: tuple[Version, ...]) -> Said:
    same = [each for each in running if each.name == wanted.name]
    if not same:
        why = f"no version of {wanted.name} is known to run on the fleet"
        return Admission.PASS, why
    newest, order = max(same, key=lambda each: _order(each.version) or ()), _order(wanted.version)
    present = _order(newest.version)
    if order is None or present is None:
        why = f"{newest} and {wanted} are not versions that can be compared; write numbers"
        return (Admission.PASS if newest == wanted else Admission.UNKNOWN), why
    said = Admission.FAIL if order < present else Admission.PASS
    return said, f"the fleet runs {newest}"


_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.+-]*)?")
_Order = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


# 1.4.0-rc.1 < 1.4.0 < 1.4.1 < 1.10.0; 1.4 = 1.4.0; 1.4.0+build says nothing.
def _order(version: str) -> _Order | None:
    """Return what versions are compared by; None for one without numbers."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    numbers = tuple(int(each) for each in match[1].split("."))
    while numbers[-1:] == (0,):
        numbers = numbers[:-1]
    parts = match[2].split(".") if match[2] else []
    before = tuple((not each.isdigit(), int(each) if each.isdigit() else 0, each) for each in parts)
    return numbers, not parts, before
