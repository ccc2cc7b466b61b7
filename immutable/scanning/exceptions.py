"""Exceptions: findings that somebody has answered for, in a file that is reviewed like code.

::

    [[allow]]
    fingerprint = "5f0c9a31b2d47e88c1aa"
    reason = "the key of the vendor's sandbox, public in their documentation"

    [[skip]]
    path = "assets/*.bin"
    reason = "pictures, made by our own tool"

A fingerprint belongs to one value in one file; a path is a pattern as shells have them, where ``*``
stands for ``/`` too. What is allowed is told wherever the verdict is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from immutable.errors import InvalidValue
from immutable.scanning.finding import Excused, Finding, Report

__all__ = ["Allowed", "Exceptions"]

_WAY_OUT = "write [[allow]] with fingerprint and reason, or [[skip]] with path and reason"


@frozen
class Allowed:
    """One exception.

    Attributes:
        key: The fingerprint of a finding, or the pattern of paths.
        reason: Why it is no secret, or need not be scanned.
    """

    key: str
    reason: str


@frozen
class Exceptions:
    """What somebody has answered for.

    Attributes:
        allow: Findings, by fingerprint.
        skip: Files, by pattern.
    """

    allow: tuple[Allowed, ...] = ()
    skip: tuple[Allowed, ...] = ()

    @classmethod
    def load(cls, file: Path) -> Exceptions:
        """Return what a file says.

        Raises:
            InvalidValue: It can't be read, or an exception lacks its reason.
        """
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            reason = f"can't be read: {error.strerror}"
            raise InvalidValue("exceptions", str(file), reason, "name another file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidValue("exceptions", str(file), f"not TOML: {error}", _WAY_OUT) from error
        if unknown := sorted(found.keys() - {"allow", "skip"}):
            raise InvalidValue("exceptions", str(file), f"unknown: {unknown[0]}", _WAY_OUT)
        allow = _read(file, found.get("allow", []), "fingerprint")
        if wrong := [each.key for each in allow if not re.fullmatch(r"[0-9a-f]{20}", each.key)]:
            raise InvalidValue("exceptions", str(file), f"no fingerprint: {wrong[0]!r}", _WAY_OUT)
        return cls(allow, _read(file, found.get("skip", []), "path"))

    def skips(self, name: str) -> bool:
        """Whether a file need not be scanned."""
        return any(fnmatchcase(name, each.key) for each in self.skip)

    def applied(self, report: Report, skipped: Iterable[str] = ()) -> Report:
        """Return a report in which what is excused is told apart.

        Args:
            report: What was found.
            skipped: The names of files that were not scanned for an exception.
        """
        reasons = {each.key: each.reason for each in self.allow}
        excused = [
            Excused(str(f), reasons[f.fingerprint]) for f in report.findings if _in(f, reasons)
        ]
        for name in skipped:
            why = next(each.reason for each in self.skip if fnmatchcase(name, each.key))
            excused.append(Excused(name, why))
        left = tuple(f for f in report.findings if not _in(f, reasons))
        return evolve(report, findings=left, excused=(*report.excused, *excused))


def _in(finding: Finding, reasons: dict[str, str]) -> bool:
    return finding.fingerprint in reasons


def _read(file: Path, entries: Any, key: str) -> tuple[Allowed, ...]:
    found = []
    for each in entries if isinstance(entries, list) else [None]:
        if not isinstance(each, dict) or each.keys() != {key, "reason"}:
            raise InvalidValue("exceptions", str(file), f"not {key} and reason", _WAY_OUT)
        if not all(isinstance(value, str) and value.strip() for value in each.values()):
            raise InvalidValue("exceptions", str(file), f"an empty {key} or reason", _WAY_OUT)
        found.append(Allowed(each[key], each["reason"]))
    return tuple(found)
