"""What a test of an image came to."""

from __future__ import annotations

from attrs import field, frozen

from immutable.trust.checks import present, text

__all__ = ["TestResult"]


@frozen
class TestResult:
    """What one test of an image came to.

    Attributes:
        name: The test, as `immutable.trust.ImageSpec.tests` names it.
        passed: Whether the image passed it.
        artifact: The address of the artifact that was tested (`Artifact.address`).
        milliseconds: How long it took.
        detail: What it said, in a sentence.
    """

    name: str = field(validator=present)
    passed: bool
    artifact: str = field(default="", validator=text)
    milliseconds: int = 0
    detail: str = field(default="", validator=text)

    __test__ = False  # pytest would take the name for a class of tests.
