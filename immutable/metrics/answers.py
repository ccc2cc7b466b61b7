"""What a Prometheus answers to a query, and everything that makes it no answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from attrs import frozen

from immutable.errors import MetricError

__all__ = ["Sample", "samples"]

_SHOWN = 300
"""Characters of a message of a server that are shown."""


@frozen
class Sample:
    """One value of an instant vector.

    Attributes:
        labels: Its labels.
        value: The value, as it is written: ``"1027"``, ``"NaN"``.
    """

    labels: Mapping[str, str]
    value: str

    @property
    def count(self) -> int:
        """The value as a count.

        Raises:
            MetricError: It is none.
        """
        try:
            number = float(self.value)
        except ValueError:
            number = float("nan")
        if not isfinite(number) or number < 0 or number != int(number):
            shown = ", ".join(f'{name}="{value}"' for name, value in sorted(self.labels.items()))
            raise MetricError(
                f"{{{shown}}} is {self.value[:_SHOWN]}, which is no count of requests:"
                " name a counter, not a rate or a ratio"
            )
        return int(number)


def samples(status: int, body: bytes) -> tuple[Sample, ...]:
    """Return the instant vector that a server answered with.

    Args:
        status: The HTTP status.
        body: The answer, a JSON document.

    Raises:
        MetricError: It is an error, is incomplete, or isn't Prometheus' API.
    """
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
        raise MetricError(_not_prometheus(status, body))
    if status // 100 != 2 or answer["status"] == "error":
        kind, said = answer.get("errorType", "error"), answer.get("error", "nothing more")
        raise MetricError(f"answered {status}, {_short(kind)}: {_short(said)}")
    if answer.get("warnings"):
        warnings = answer["warnings"]
        first = warnings[0] if isinstance(warnings, list) else warnings
        raise MetricError(f"answered with a warning, so something is missing: {_short(first)}")
    return _vector(answer.get("data"))


def _not_prometheus(status: int, body: bytes) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed, so write the address they lead to"
    if status in (401, 403):
        return f"answered {status}: it wants other credentials; name a token with token_env=NAME"
    said = _short(body[:_SHOWN].decode(errors="replace")) or "nothing"
    return f"answered {status} and not as Prometheus does (is a path missing in the URL?): {said}"


def _vector(data: Any) -> tuple[Sample, ...]:
    kind = data.get("resultType") if isinstance(data, dict) else None
    result = data.get("result") if isinstance(data, dict) else None
    if kind != "vector" or not isinstance(result, list):
        raise MetricError(f"answered with a result of type {_short(kind)}, not a vector")
    return tuple(_sample(each) for each in result)


def _sample(entry: Any) -> Sample:
    if isinstance(entry, dict) and "histogram" in entry:
        raise MetricError(
            "answered with a native histogram, whose buckets can't be compared:"
            " name the _bucket series of a classic one"
        )
    try:
        (_, value), labels = entry["value"], entry["metric"]
        return Sample({str(name): str(text) for name, text in labels.items()}, str(value))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MetricError(f"answered with a value that is none: {_short(entry)}") from error


def _short(said: Any) -> str:
    text = " ".join(str(said).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
