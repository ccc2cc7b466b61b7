"""Rules about how an image came to be: by what its manifest says.

SLSA v1.0, "Verifying artifacts" (https://slsa.dev/spec/v1.0/verifying-artifacts): the builder and
the source are compared with what is expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from attrs import Attribute, field, frozen

from immutable.admission.case import Candidate, Case
from immutable.admission.rule import Said, for_each
from immutable.errors import InvalidValue
from immutable.model.admission import Admission, Ruling
from immutable.trust.checks import no_secret, present, uri
from immutable.trust.shape import spelled

__all__ = ["BaseAllowed", "BuiltBy", "BuiltFrom", "MaxAge", "TestsPassed"]


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _each(check: Any) -> Any:
    def validator(instance: object, attribute: Attribute[Any], values: tuple[str, ...]) -> None:
        for value in values:
            check(instance, attribute, value)

    return validator


def _some(_: object, attribute: Attribute[Any], values: tuple[str, ...]) -> None:
    if not values:
        raise InvalidValue(attribute.name, values, "empty: nothing could pass", "name one")


@frozen
class BuiltBy:
    """One of some builders has built it.

    Attributes:
        builders: The builders' URIs, as `immutable.trust.ImageSpec.builder` has them.
    """

    builders: tuple[str, ...] = field(converter=_listed, validator=[_some, _each(uri)])
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"built by {' or '.join(self.builders)}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether one has."""

        def said(each: Candidate) -> Said:
            known = each.manifest.builder in self.builders
            why = f"{each.version} was built by {each.manifest.builder}"
            return (Admission.PASS if known else Admission.FAIL), why

        return for_each(self, case, said)


@frozen
class BuiltFrom:
    """It was built from a repository, and from one of some branches or tags.

    Attributes:
        repository: The repository's address, as `immutable.trust.Source` has it.
        refs: Patterns of refs, such as ``refs/heads/main`` or ``refs/tags/v*`` (a ``*`` stands for
            any characters); empty for any, also none.
    """

    repository: str = field(validator=[present, no_secret])
    refs: tuple[str, ...] = field(default=(), converter=_listed, validator=_each(present))
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        of = f" at {' or '.join(self.refs)}" if self.refs else ""
        return f"built from {self.repository}{of}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it was; an image whose manifest names no source is unknown."""

        def said(each: Candidate) -> Said:
            source = each.manifest.source
            if source is None:
                return Admission.UNKNOWN, f"the manifest of {each.version} names no source"
            at = source.ref or "no ref"
            fits = not self.refs or any(fnmatchcase(source.ref, ref) for ref in self.refs)
            right = fits and source.repository == self.repository
            why = f"{each.version} was built from {source.repository} at {at} ({source.commit})"
            return (Admission.PASS if right else Admission.FAIL), why

        return for_each(self, case, said)


@frozen
class MaxAge:
    """It is not older than some days: what is older lacks the newest patches.

    Attributes:
        days: How old it may be, from the end of its build.
    """

    days: int = field()
    due: ClassVar[bool] = False

    @days.validator
    def _sensible(self, attribute: Attribute[int], days: int) -> None:
        if type(days) is not int or days < 1:
            raise InvalidValue(attribute.name, days, "not a number of days, 1 or more")

    def __str__(self) -> str:
        return f"not older than {self.days} {'day' if self.days == 1 else 'days'}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it isn't; a build that is still to come is unknown."""

        def said(each: Candidate) -> Said:
            age = case.moment - each.manifest.built_at
            why = f"{each.version} was built at {spelled(each.manifest.built_at)}"
            if age < -_SKEW:
                return Admission.UNKNOWN, f"{why}, which is to come: a clock is wrong"
            return (Admission.PASS if age <= timedelta(self.days) else Admission.FAIL), why

        return for_each(self, case, said)


_SKEW = timedelta(hours=1)
"""How far the clocks of a builder and of who asks may differ."""


@frozen
class TestsPassed:
    """It has passed its tests, on what is launched.

    Attributes:
        tests: Which tests have to be among them; empty for any, but one at least.
    """

    tests: tuple[str, ...] = field(default=(), converter=_listed, validator=_each(present))
    due: ClassVar[bool] = False
    __test__: ClassVar[bool] = False  # pytest would take the name for a class of tests.

    def __str__(self) -> str:
        return f"tests passed: {', '.join(self.tests)}" if self.tests else "tests passed"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it has; tests that nobody has run are unknown."""

        def said(each: Candidate) -> Said:
            results = [
                test for test in each.manifest.tests
                if test.artifact in ("", each.artifact.address)
            ]  # fmt: skip
            failed = [test.name for test in results if not test.passed]
            if failed:
                return Admission.FAIL, f"{each.version} did not pass {', '.join(failed)}"
            ran = {test.name for test in results}
            missing = [name for name in self.tests if name not in ran]
            if missing or not ran:
                what = ", ".join(missing) or "any test"
                return Admission.UNKNOWN, f"{each.version} is not known to have passed {what}"
            return Admission.PASS, f"{each.version} has passed {', '.join(sorted(ran))}"

        return for_each(self, case, said)


@frozen
class BaseAllowed:
    """What it was built on is one of some images.

    Attributes:
        bases: Digests; or, of images in the catalog, names (any version) or ``name:version``.
    """

    bases: tuple[str, ...] = field(converter=_listed, validator=[_some, _each(present)])
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"built on {' or '.join(self.bases)}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it is; an image whose manifest names no base is unknown."""

        def said(each: Candidate) -> Said:
            base = each.manifest.base
            if not base:
                return Admission.UNKNOWN, f"the manifest of {each.version} names no base"
            known = case.catalog.versions.get(base)
            names = {base} if known is None else {base, known.name, str(known)}
            why = f"{each.version} was built on {base if known is None else f'{known} ({base})'}"
            return (Admission.PASS if names & {*self.bases} else Admission.FAIL), why

        return for_each(self, case, said)
