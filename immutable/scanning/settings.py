"""Settings of instances: what they are told is no secret, or somebody answers for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from attrs import frozen

from immutable.errors import InvalidValue, Problem
from immutable.scanning.finding import Document, Verdict
from immutable.scanning.scanner import scanned

__all__ = ["NotSecret", "Settled", "settled"]

_WAY_OUT = (
    "keep it where secrets are kept and say where: --secret {name}=vault://…, or"
    " RuntimeConfig(secrets=…);"
    " if it is none, say so: --allow-secret {name}=REASON, or NotSecret(value, reason)"
)


class NotSecret(str):
    """A value that looks like a secret and is none, with the reason: an exception, on record.

    >>> NotSecret("3f9a77c0", "public, also in the page").reason
    'public, also in the page'

    Args:
        value: The value.
        reason: Why it may be read by everybody; stands in the plan's notes.

    Raises:
        InvalidValue: There is no reason.
    """

    __slots__ = ("reason",)

    reason: str

    def __new__(cls, value: str, reason: str) -> Self:
        """Return the value with its reason."""
        if not reason.strip():
            way_out = "say why it may be read by everybody"
            raise InvalidValue("reason", reason, "an exception needs a reason", way_out)
        made = super().__new__(cls, value)
        made.reason = reason.strip()
        return made

    def __reduce__(self) -> tuple[type[NotSecret], tuple[str, str]]:
        """Return what makes it anew: for copies."""
        return NotSecret, (str(self), self.reason)


@frozen
class Settled:
    """What came of settings.

    Attributes:
        problems: Which of them look like secrets, and the ways out.
        notes: What a reviewer should know: what somebody has answered for, what was not scanned.
    """

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


async def settled(values: Mapping[str, str], known: Mapping[str, str] | None = None) -> Settled:
    """Return whether settings may be handed out: none looks like a secret.

    Those that the fleet has already are not asked about again: refusing them would keep the image
    back that is to replace it, and take nothing back that is out.

    Args:
        values: The settings, by name.
        known: What the fleet is told now.
    """
    new = {name: value for name, value in values.items() if (known or {}).get(name) != value}
    answered = {name: each for name, each in new.items() if isinstance(each, NotSecret)}
    notes = [
        f"setting {name} is said to be no secret: {each.reason}" for name, each in answered.items()
    ]
    asked = [
        Document(name, f"{name}={value}\n".encode(errors="replace"))
        for name, value in new.items()
        if name not in answered and value
    ]
    if not asked:
        return Settled(notes=tuple(notes))
    report = await scanned(asked)
    looks = {each.name: each for each in reversed(report.findings)}
    problems = [
        Problem(f"setting {name} holds what looks like a secret ({found.rule})",
                _WAY_OUT.format(name=name))
        for name, found in sorted(looks.items())
    ]  # fmt: skip
    if report.verdict is Verdict.NOT_SCANNED:
        notes.append(f"settings {report}")
    notes += [f"setting {each.name} was not scanned for secrets: {each.reason}"
              for each in report.skipped]  # fmt: skip
    return Settled(tuple(problems), tuple(notes))
