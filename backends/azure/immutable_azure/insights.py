"""What is asked of Azure Monitor about Application Insights, and what its answers mean. Pure.

"Metrics - List" of its reference has the shapes; "Supported metrics for
microsoft.insights/components" has the metric and its dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from immutable.backend import Traffic
from immutable.errors import MetricError

__all__ = ["BOUNDS", "PERIOD", "Figure", "figures", "question", "totals"]

Answer = Mapping[str, Any]

PERIOD = 60
"""Seconds that one figure is of."""
BOUNDS = (0.25, 0.5, 1.0, 3.0, 7.0, 15.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds within which requests are counted: where the performance buckets end."""
# As Microsoft's exporters write them (DurationBucketizer of its OpenTelemetry exporter for Java).
_BUCKETS = (
    *("<250ms", "250ms-500ms", "500ms-1sec", "1sec-3sec", "3sec-7sec", "7sec-15sec"),
    *("15sec-30sec", "30sec-1min", "1min-2min", "2min-5min", ">=5min"),
)
_METRIC = "requests/count"
_ROLE, _CODE, _GOOD = "cloud/roleName", "request/resultCode", "request/success"
_BUCKET = "request/performanceBucket"
_MOST = 1000
"""Series that are asked for. Without a number ten are told, and nothing says that it was all."""
_STATUS = re.compile(r"[1-5]\d\d")


@frozen
class Figure:
    """What was counted in one minute, of one role and with one outcome.

    Attributes:
        role: The cloud role name, in small letters.
        code: The result code.
        good: Whether the application calls it a success.
        bucket: The number of the performance bucket.
        began: When the minute began, in seconds since the epoch.
        count: How many requests.
    """

    role: str
    code: str
    good: bool
    bucket: int
    began: float
    count: int

    @property
    def failed(self) -> bool:
        """Whether that was the server's doing: a 5xx, or without any status, no success.

        An application calls a 404 no success either, as most SDKs do; who asked is to blame there.
        """
        return self.code[0] == "5" if _STATUS.fullmatch(self.code) else not self.good


def question(roles: Iterable[str], since: float, until: float) -> dict[str, Any]:
    """Return what "Metrics - List" is given: one question, so that all of it is of one moment."""
    split = [f"{each} eq '*'" for each in (_CODE, _GOOD, _BUCKET)]
    named = " or ".join(f"{_ROLE} eq '{role}'" for role in sorted(roles))
    return {
        "timespan": f"{_moment(since)}/{_moment(until)}",
        "interval": "PT1M",
        "metricnames": _METRIC,
        "aggregation": "Count",
        "filter": " and ".join([named, *split]),
        "top": _MOST,
    }


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def figures(answer: Answer) -> list[Figure]:
    """Return what an answer says; of a minute without a value nothing.

    Raises:
        MetricError: Something is missing, or makes no sense.
    """
    found: list[Figure] = []
    for metric in answer.get("value") or ():
        code = metric.get("errorCode") or "Success"
        if code != "Success":
            said = metric.get("errorMessage") or "?"
            raise MetricError(f"Azure Monitor could not read {_METRIC}: {code}, {said}")
        several = metric.get("timeseries") or ()
        if len(several) >= _MOST:
            raise MetricError(f"Azure Monitor tells {_MOST} series, and may have left out others")
        found += [figure for series in several for figure in _series(series)]
    return found


def _series(series: Answer) -> list[Figure]:
    values = {
        str(each["name"]["value"]).lower(): str(each["value"])
        for each in series.get("metadatavalues") or ()
    }
    role, code, good, bucket = (
        values.get(name.lower(), "") for name in (_ROLE, _CODE, _GOOD, _BUCKET)
    )
    if bucket not in _BUCKETS:
        raise MetricError(f"Azure Monitor tells the performance bucket {bucket!r}: nobody knows it")
    at = _BUCKETS.index(bucket)
    told = [each for each in series.get("data") or () if each.get("count") is not None]
    return [
        Figure(
            role.lower(),
            code,
            good.lower() == "true",
            at,
            _began(each),
            _count(each["count"], role),
        )
        for each in told
    ]


def _began(point: Answer) -> float:
    return datetime.fromisoformat(point["timeStamp"]).timestamp()


def _count(value: Any, role: str) -> int:
    if not isinstance(value, int | float) or value < 0:
        raise MetricError(f"Azure Monitor tells {value!r} for {role}: no count")
    return round(value)


def totals(minutes: Iterable[Figure], roles: Mapping[int, str]) -> dict[int, dict[str, Traffic]]:
    """Return counters by revision, summed over all minutes; of one without figures nothing.

    Args:
        minutes: The newest figure of each role, outcome and minute.
        roles: The role of each revision.
    """
    by_role: dict[str, list[Figure]] = {}
    for each in minutes:
        by_role.setdefault(each.role, []).append(each)
    return {
        number: {"all": _traffic(by_role[role.lower()])} if role.lower() in by_role else {}
        for number, role in roles.items()
    }


def _traffic(own: Sequence[Figure]) -> Traffic:
    latency = [0] * len(_BUCKETS)
    for each in own:
        latency[each.bucket] += each.count
    failed = sum(each.count for each in own if each.failed)
    return Traffic(sum(latency), failed, tuple(latency))
