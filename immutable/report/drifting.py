"""A report on drift as the document that ``--json`` prints."""

from __future__ import annotations

from typing import Any

from immutable.model.drift import DriftReport, Finding
from immutable.model.serial import to_json

__all__ = ["drift"]


def drift(found: DriftReport) -> dict[str, Any]:
    """Return a report on drift.

    ``fleet`` is its address, ``at`` the backend's time, ``verdict`` ``ok``, ``drifted`` or
    ``unknown``. ``instances`` are the findings as ``Finding``, the oldest
    first, ``strays`` what is no member and looks like one, ``checked`` what was looked at,
    ``unseen`` what nobody can see, ``max_age`` seconds or null.
    """
    return {
        "fleet": found.fleet,
        "at": found.at,
        "verdict": found.verdict.value,
        "instances": [_finding(each) for each in found.findings],
        "strays": [to_json(each) for each in found.strays],
        "checked": [each.value for each in found.checked],
        "unseen": list(found.unseen),
        "max_age": found.max_age,
    }


def _finding(each: Finding) -> dict[str, Any]:
    document: dict[str, Any] = to_json(each)
    return document
