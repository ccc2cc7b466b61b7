"""Azure Monitor: samples of metrics that the test makes up, and what Application Insights counted.

"Metrics - List" (https://learn.microsoft.com/rest/api/monitor/metrics/list) for the request: a
`$filter` splits a metric by dimension, `top` series are told, 10 by default, and `or` never stands
between two dimensions. "Supported metrics for microsoft.insights/components"
(https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-insights-components-metrics)
for `requests/count`, its dimensions, and that it is only ever counted. "Log data ingestion time"
(https://learn.microsoft.com/azure/azure-monitor/logs/data-ingestion-time) for how late it comes. The
names of the performance buckets are those of Microsoft's exporters. A minute without requests has
no value, and names of dimensions are told in small letters, as the reference's examples have them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import define, field

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated
from .operations import stamp
from .repairs import minutes

if TYPE_CHECKING:
    from .world import World

COMPONENT = "Microsoft.Insights/components"
REQUESTS = "requests/count"
MINUTE = 60
BUCKET = "request/performanceBucket"
DIMENSIONS = (
    "cloud/roleInstance", "cloud/roleName", "operation/synthetic", BUCKET, "request/resultCode",
    "request/success",
)  # fmt: skip
BUCKETS = (
    "<250ms", "250ms-500ms", "500ms-1sec", "1sec-3sec", "3sec-7sec", "7sec-15sec", "15sec-30sec",
    "30sec-1min", "1min-2min", "2min-5min", ">=5min",
)  # fmt: skip
ENDS = (250, 500, 1000, 3000, 7000, 15_000, 30_000, 60_000, 120_000, 300_000)
"""Where buckets end, in milliseconds; the end belongs to the next one."""
CLAUSE = re.compile(r"([\w/]+) eq '([^']*)'")
KNOWN = {"average", "total", "count", "minimum", "maximum"}


@define
class Served:
    """A request that an application answered in one minute."""

    component: str
    minute: float
    values: dict[str, str]


@define(eq=False)
class Monitoring:
    """What applications have told Application Insights."""

    world: World
    served: list[Served] = field(factory=list)
    visible: float = 180.0

    def put(self, component: str, durations: Iterable[float], values: dict[str, str]) -> None:
        """Requests that an application has just answered.

        Args:
            component: the long name of the Application Insights component.
            durations: of each, in milliseconds.
            values: of the dimensions, but for the performance bucket.
        """
        self.world.store.get(component)
        minute = self.world.clock.now() // MINUTE * MINUTE
        usual = {"operation/synthetic": "False", "cloud/roleInstance": "host", **values}
        for each in durations:
            bucket = BUCKETS[bisect_right(ENDS, each)]
            told = Served(ids.key(component), minute, {BUCKET: bucket, **usual})
            self.served.append(told)

    def seen(self, component: str) -> list[Served]:
        """Of minutes that are visible by now."""
        latest = self.world.clock.now() - MINUTE - self.visible
        return [e for e in self.served if e.component == component and e.minute <= latest]


@answers("monitor:metrics.list")
def metrics(world: World, call: Call) -> Answer:
    """Values by interval; a time without samples has none."""
    resource = ids.key(call.path).split("/providers/microsoft.insights/metrics")[0]
    interval = call.query.get("interval", "PT1M")
    start, end = _span(call.query["timespan"])
    wanted = [each.lower() for each in call.query.get("aggregation", "average").split(",")]
    if strange := set(wanted) - KNOWN:
        raise NotEmulated(f"the aggregation {sorted(strange)} of metrics")
    value = []
    for name in call.query["metricnames"].split(","):
        if ids.kind_of(resource).lower() == COMPONENT.lower():
            series = _counted(world, call, resource, name, start, end)
        else:
            series = [_sampled(world, call, resource, name, wanted, start, end, minutes(interval) * 60)]  # fmt: skip
        value.append({
            "id": f"{resource}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics", "name": {"value": name, "localizedValue": name},
            "unit": "Count", "errorCode": "Success", "timeseries": series,
        })  # fmt: skip
    return Answer(200, {"cost": 0, "timespan": call.query["timespan"], "interval": interval, "value": value})  # fmt: skip


def _span(text: str) -> tuple[float, float]:
    try:
        start, end = (datetime.fromisoformat(each).timestamp() for each in text.split("/"))
    except ValueError:
        raise _refused(f"Detect invalid time span: {text}") from None
    if start >= end:
        raise _refused(f"Start time must be before end time: {text}")
    return start, end


def _refused(said: str) -> ArmError:
    return ArmError("BadRequest", said, 400)


def _counted(
    world: World, call: Call, component: str, name: str, start: float, end: float
) -> list[dict[str, Any]]:
    """Requests of a component, in a series for each combination of the filter's dimensions."""
    world.store.get(component)
    if name != REQUESTS or call.query.get("interval", "PT1M") != "PT1M":
        raise NotEmulated(f"the metric {name} of Application Insights, or other than by the minute")
    if call.query.get("aggregation", "").lower() != "count":
        raise _refused(f"{name} supports the aggregation types: Count")
    terms = _terms(call.query.get("$filter", ""))
    found: dict[tuple[str, ...], dict[float, int]] = {}
    for each in world.monitoring.seen(component):
        own = tuple(each.values[dimension] for dimension in terms)
        fits = all("*" in t or v.lower() in t for v, t in zip(own, terms.values(), strict=True))
        if start <= each.minute < end and fits:
            counts = found.setdefault(own, {})
            counts[each.minute] = counts.get(each.minute, 0) + 1
    most = int(call.query.get("top", 10)) if terms else 1
    largest = sorted(found.items(), key=lambda item: -sum(item[1].values()))
    return [
        {
            "metadatavalues": [
                {"name": {"value": n.lower(), "localizedValue": n.lower()}, "value": v}
                for n, v in zip(terms, own, strict=True)
            ],
            "data": [
                {"timeStamp": stamp(world, at), **({"count": float(counts[at])} if at in counts else {})}
                for at in range(int(start), int(end), MINUTE)
            ],
        }
        for own, counts in largest[:most]
    ]  # fmt: skip


def _terms(text: str) -> dict[str, set[str]]:
    """The values that each dimension of a filter may have, in small letters."""
    terms: dict[str, set[str]] = {}
    for part in text.split(" and ") if text else ():
        clauses = [CLAUSE.fullmatch(each.strip()) for each in part.split(" or ")]
        pairs = [(each.group(1), each.group(2).lower()) for each in clauses if each]
        names = {name for name, _ in pairs}
        if len(pairs) < len(clauses) or len(names) != 1:
            raise _refused(f"Invalid filter: {text}")
        (name,) = names
        if name not in DIMENSIONS or name in terms:
            raise _refused(f"Metric: {REQUESTS} does not support requested dimension: {name}")
        terms[name] = {value for _, value in pairs}
    return terms


def _sampled(
    world: World, call: Call, resource: str, name: str, wanted: list[str],
    start: float, end: float, step: float,
) -> dict[str, Any]:  # fmt: skip
    """Samples that the test made up, of any other resource."""
    if "$filter" in call.query:
        raise NotEmulated(f"a $filter of {name}")
    data, at = [], start
    while at < end:
        found = [v for when, vs in world.samples.get((ids.key(resource), name), []) if at <= when < at + step for v in vs]  # fmt: skip
        data.append({"timeStamp": stamp(world, at), **_statistics(wanted, found)})
        at += step
    return {"metadatavalues": [], "data": data}


def _statistics(wanted: list[str], values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    every = {"average": sum(values) / len(values), "total": sum(values), "count": len(values),
             "minimum": min(values), "maximum": max(values)}  # fmt: skip
    return {name: float(every[name]) for name in wanted}
