"""Change records as a table of comma-separated values, for who samples them. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

__all__ = ["COLUMNS", "cells", "table"]

COLUMNS = (
    "change", "type", "fleet", "from.revision", "from.artifact", "from.digest", "to.revision",
    "to.artifact", "to.digest", "to.commit", "plan", "strategy", "instances.wanted", "reason",
    "requested_by", "approved_by.wanted", "approved_by.given", "executed_by.controllers",
    "requested_at", "started_at", "finished_at", "outcome.status", "outcome.reason",
    "way_back.planned", "way_back.used", "emergency", "log.first.index", "log.last.index",
)  # fmt: skip
"""The columns, each the way to a field."""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def table(changes: Sequence[dict[str, Any]]) -> str:
    """Return the table, with its head; lines end as RFC 4180 has it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(cells(each) for each in changes)
    return file.getvalue()


def cells(change: dict[str, Any]) -> list[str]:
    """Return one row."""
    return [_harmless(_text(_at(change, path))) for path in COLUMNS]


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name, "") if isinstance(document, dict) else ""
    return document


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(str(e.get("by", e)) if isinstance(e, dict) else str(e) for e in value)
    return str(value)


# What begins like a formula is one for a spreadsheet, whoever wrote it (OWASP, "CSV Injection").
def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
