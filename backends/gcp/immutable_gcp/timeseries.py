"""What Cloud Monitoring's answers about backend services mean. Pure.

"TypedValue" and "Distribution" of its reference have the shapes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from immutable.backend import Traffic
from immutable.errors import MetricError

__all__ = ["BOUNDS", "Figure", "figures", "totals"]

Answer = Mapping[str, Any]

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds within which answers are counted."""

_ANSWERED = ("200", "300", "400")
_FAILED = "500"


@frozen
class Figure:
    """What was counted for one backend service in one minute.

    Attributes:
        service: The backend service's name.
        group: The class of the status, ``200`` to ``500``, 0 for none; empty for latencies.
        ended: When the minute was over, in seconds since the epoch.
        count: How many requests.
        latency: How many took how long, by `BOUNDS`; empty for requests.
    """

    service: str
    group: str
    ended: float
    count: int
    latency: tuple[int, ...] = ()


def figures(answer: Answer) -> list[Figure]:
    """Return what one page of an answer says.

    Raises:
        MetricError: Google says that something is missing, or a value is no count.
    """
    errors = answer.get("executionErrors") or ()
    if errors:
        raise MetricError(
            f"Cloud Monitoring could not read everything: {errors[0].get('message', '?')}"
        )
    return [
        _figure(series, point)
        for series in answer.get("timeSeries", ())
        for point in series.get("points", ())
    ]


def _figure(series: Answer, point: Answer) -> Figure:
    service = str(series["resource"]["labels"]["backend_target_name"])
    group = str(series.get("metric", {}).get("labels", {}).get("response_code_class", ""))
    ended = datetime.fromisoformat(point["interval"]["endTime"]).timestamp()
    value: Answer = point.get("value", {})
    told = value.get("distributionValue")
    if told is not None:
        latency = _counted(told)
        return Figure(service, "", ended, sum(latency), latency)
    count = value.get("int64Value", value.get("doubleValue"))
    if count is None or float(count) < 0:
        raise MetricError(f"Cloud Monitoring tells {dict(value)} for {service}: no count")
    return Figure(service, group, ended, round(float(count)))


# Buckets to 1, 1.4 and 1.96 ms, 1 ms being the first bound of ours: 1, 2, 2 of ours. A bucket that
# lies across a bound counts as slower: of none of its requests it is known that it was faster.
def _counted(told: Answer) -> tuple[int, ...]:
    counts = [int(count) for count in told.get("bucketCounts", ())]
    if int(told.get("count", 0)) != sum(counts):
        raise MetricError("Cloud Monitoring tells latencies without a histogram")
    ends = _ends(told.get("bucketOptions", {}), len(counts))
    latency = [0] * (len(BOUNDS) + 1)
    for end, count in zip(ends, counts, strict=True):
        latency[bisect_left(BOUNDS, end / 1000)] += count
    return tuple(latency)


def _ends(options: Answer, count: int) -> list[float]:
    """Return the upper bounds, in milliseconds, of so many buckets of a distribution."""
    if "exponentialBuckets" in options:
        form = options["exponentialBuckets"]
        scale, growth = float(form["scale"]), float(form["growthFactor"])
        bounds = [scale * growth**number for number in range(int(form["numFiniteBuckets"]) + 1)]
    elif "linearBuckets" in options:
        form = options["linearBuckets"]
        width, first = float(form["width"]), float(form.get("offset", 0))
        bounds = [first + width * number for number in range(int(form["numFiniteBuckets"]) + 1)]
    else:
        bounds = [float(each) for each in options.get("explicitBuckets", {}).get("bounds", ())]
    ends = [*bounds, float("inf")]
    if count > len(ends):
        raise MetricError(f"Cloud Monitoring tells {count} buckets of {len(ends)}")
    return ends[:count]


def totals(minutes: Iterable[Figure], services: Mapping[int, str]) -> dict[int, dict[str, Traffic]]:
    """Return counters by revision, summed over all minutes; of one without figures nothing.

    Requests without any status are neither: the client went away, or nobody knows.

    Args:
        minutes: The newest figure of each service, class and minute.
        services: The backend service of each revision.
    """
    by_service: dict[str, list[Figure]] = {}
    for each in minutes:
        by_service.setdefault(each.service, []).append(each)
    return {
        number: {"all": _traffic(by_service[service])} if service in by_service else {}
        for number, service in services.items()
    }


def _traffic(own: Sequence[Figure]) -> Traffic:
    failed = sum(each.count for each in own if each.group == _FAILED)
    answered = sum(each.count for each in own if each.group in _ANSWERED)
    slow = [each.latency for each in own if each.latency]
    return Traffic(answered + failed, failed, tuple(map(sum, zip(*slow, strict=True))))
