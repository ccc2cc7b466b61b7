"""Rules made of rules: all of them, or one of them."""

from __future__ import annotations

from typing import ClassVar

from attrs import Attribute, field, frozen

from immutable.admission.case import Case
from immutable.admission.rule import Rule, asked, listed, worst
from immutable.errors import InvalidValue
from immutable.model.admission import Admission, Ruling

__all__ = ["AllOf", "AnyOf"]


def _some(_: object, attribute: Attribute[tuple[Rule, ...]], rules: tuple[Rule, ...]) -> None:
    if not rules:
        raise InvalidValue(attribute.name, rules, "no rule at all", "name at least one")


@frozen
class AllOf:
    """All of some rules: the worst of what they say.

    Attributes:
        of: The rules.
    """

    of: tuple[Rule, ...] = field(converter=listed, validator=_some)
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"({' and '.join(map(str, self.of))})"

    def ruling(self, case: Case) -> Ruling:
        """Return what they say together."""
        gravest = worst(asked(each, case) for each in self.of)
        return Ruling(str(self), gravest.admission, _why([gravest]), gravest.pending)


@frozen
class AnyOf:
    """One of some rules is enough.

    Attributes:
        of: The rules.
    """

    of: tuple[Rule, ...] = field(converter=listed, validator=_some)
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.of))})"

    def ruling(self, case: Case) -> Ruling:
        """Return PASS if one passes; else UNKNOWN if one may yet, and FAIL if none can."""
        rulings = [asked(each, case) for each in self.of]
        passed = [each for each in rulings if each.admission is Admission.PASS]
        if passed:
            return Ruling(str(self), Admission.PASS, _why(passed[:1]))
        if later := [each for each in rulings if each.pending]:
            return Ruling(str(self), Admission.UNKNOWN, _why(later), pending=True)
        unsure = any(each.admission is Admission.UNKNOWN for each in rulings)
        return Ruling(str(self), Admission.UNKNOWN if unsure else Admission.FAIL, _why(rulings))


def _why(rulings: list[Ruling]) -> str:
    return "; ".join(str(each) for each in rulings)
