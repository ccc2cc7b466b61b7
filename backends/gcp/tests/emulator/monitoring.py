"""Cloud Monitoring: one method of it, about what load balancers counted.

"Method: projects.timeSeries.list"
(https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list), "Aggregation" and
"Monitoring filters" for the request; "Google Cloud metrics: loadbalancing"
(https://cloud.google.com/monitoring/api/metrics_gcp_i_o#gcp-loadbalancing) for names, labels, and
that a minute is not visible for up to 210 s. A minute without requests has no point.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from attrs import define, field

from tests.emulators.serving import Reply, Request

if TYPE_CHECKING:
    from .world import World

NAME = "timeSeries.list"
MINUTE, PAGE = 60, 100_000
RESOURCES = {
    "https/": "https_lb_rule",
    "https/external/regional/": "http_external_regional_lb_rule",
    "https/internal/": "internal_http_lb_rule",
}
LABELS = {
    "metric": {"response_code_class", "response_code", "cache_result", "protocol"},
    "resource": {"project_id", "region", "backend_target_name", "backend_name", "url_map_name"},
}
NUMBERS = {"response_code_class", "response_code"}
GROUPED = "aggregation.groupByFields"
WORDS = {
    "filter", "interval.startTime", "interval.endTime", "aggregation.alignmentPeriod",
    "aggregation.perSeriesAligner", "aggregation.crossSeriesReducer", GROUPED,
    "pageSize", "pageToken", "view",
}  # fmt: skip
TERM = re.compile(
    r'(metric|resource)\.(?:type|labels\.(\w+)) (=|!=) (?:"([^"]*)"|one_of\(("[^"]*"(?:, "[^"]*")*)\)|(\d+))'
)
METRIC = re.compile(r"loadbalancing\.googleapis\.com/(https/\S*?)(request_count|backend_latencies)")
GROWTH, FINITE = 1.4, 66
"""Buckets of latencies: exponential, from 1 ms."""


@define
class Series:
    """Requests of one minute with the same labels; latencies in milliseconds."""

    minute: float
    resource: str
    labels: dict[str, dict[str, str]]
    count: int = 0
    latencies: list[float] = field(factory=list)


@define(eq=False)
class Monitoring:
    """What load balancers have counted."""

    world: World
    series: list[Series] = field(factory=list)
    visible: float = 210.0
    page: int = PAGE
    incomplete: str = ""

    def put(
        self, service: str, group: str, status: int, latencies: Iterable[float], **labels: str
    ) -> None:
        """Requests that a backend service answered just now.

        Args:
            service: the backend service's name.
            group: the managed group that answered; empty for none.
            status: of the answers; 0 for none.
            latencies: of each, in milliseconds.
            labels: others of the metric, such as `cache_result`.
        """
        services = self.world.store.of("backendServices")
        found = next((each for each in services if each.name == service), None)
        if found is None:
            return  # It is gone: nobody answers there.
        prefix = _prefix(found.data.get("loadBalancingScheme"), found.scope.kind == "regions")
        told = {
            "metric": {
                "response_code": str(status),
                "response_code_class": str(status // 100 * 100),
                "cache_result": "DISABLED",
                "protocol": "HTTP/1.1",
                **labels,
            },
            "resource": {
                "project_id": self.world.store.project,
                "region": found.scope.name if found.scope.kind == "regions" else "global",
                "backend_target_name": service,
                "backend_name": group,
                "url_map_name": "",
            },
        }
        minute = self.world.clock.now() // MINUTE * MINUTE
        for each in self.series:
            if (each.minute, each.resource, each.labels) == (minute, RESOURCES[prefix], told):
                break
        else:
            each = Series(minute, RESOURCES[prefix], told)
            self.series.append(each)
        each.latencies += latencies
        each.count = len(each.latencies)

    def seen(self) -> list[Series]:
        """Minutes that are visible by now."""
        now = self.world.clock.now()
        return [each for each in self.series if each.minute + MINUTE + self.visible <= now]


def _prefix(scheme: str | None, regional: bool) -> str:
    if scheme == "INTERNAL_MANAGED":
        return "https/internal/"
    return "https/external/regional/" if regional else "https/"


class Refused(Exception):
    """400 INVALID_ARGUMENT, with what is wrong."""


@define
class Asked:
    """One request, as faults and counts look at it."""

    url: str
    query: dict[str, Any]
    request_id: str
    name: str = NAME
    path: dict[str, str] = field(factory=dict)
    body: dict[str, Any] = field(factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter."""
        return self.query.get(name, default)


def understand(request: Request) -> Asked:
    """A request of the API of version 3."""
    query: dict[str, Any] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return Asked(request.path, query, uuid.uuid4().hex)


def carry_out(world: World, asked: Asked) -> Reply:
    """Answer it."""
    if world.refuses("monitoring.timeSeries.list"):
        said = "Permission monitoring.timeSeries.list denied"
        return _refusal(403, "PERMISSION_DENIED", said)
    if asked.url != f"/v3/projects/{world.store.project}/timeSeries":
        return _refusal(404, "NOT_FOUND", f"{asked.url} was not found")
    try:
        return _json(200, _list(world.monitoring, asked.query))
    except Refused as error:
        # No client of ours may send what Google refuses.
        world.ledger.failures.append(f"{NAME}: {error}")
        return _refusal(400, "INVALID_ARGUMENT", str(error))


def _json(status: int, said: dict[str, Any]) -> Reply:
    return status, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(said).encode()


def _refusal(status: int, word: str, message: str) -> Reply:
    """As newer APIs of Google's refuse: a word for the status, and no list of errors."""
    return _json(status, {"error": {"code": status, "message": message, "status": word}})


# -- the request -----------------------------------------------------------------------------------


def _list(monitoring: Monitoring, query: dict[str, list[str]]) -> dict[str, Any]:
    if unknown := set(query) - WORDS:
        raise Refused(f"unknown parameters {sorted(unknown)}")
    grouped = query.get(GROUPED, [])
    given = {name: values[0] for name, values in query.items() if name != GROUPED}
    if any(len(query[name]) > 1 for name in given):
        raise Refused("a parameter came twice")
    metric, terms = _filter(given.get("filter", ""))
    since, until = (_moment(given, f"interval.{end}") for end in ("startTime", "endTime"))
    if since > until:
        raise Refused("The interval ends before it starts.")
    _aggregation(given)
    fields = [_field(each) for each in grouped]
    found = [
        each
        for each in monitoring.seen()
        if since < each.minute + MINUTE <= until and all(_fits(each, *term) for term in terms)
    ]
    return _paged(monitoring, _grouped(found, metric, fields, until), given)


def _filter(text: str) -> tuple[str, list[tuple[str, str, str, list[str]]]]:
    terms = []
    for part in text.split(" AND "):
        match = TERM.fullmatch(part)
        if match is None:
            raise Refused(f"The filter {part!r} can't be read.")
        kind, label, sign, plain, listed, number = match.groups()
        if label and label not in LABELS[kind]:
            raise Refused(f"There is no label {kind}.labels.{label}.")
        if label in NUMBERS and number is None:
            raise Refused(f"The value of {label} can't be read as an integer.")
        values = (
            [plain if plain is not None else number]
            if not listed
            else re.findall('"([^"]*)"', listed)
        )
        terms.append((kind, label or "", sign, values))
    types = {kind: values[0] for kind, label, sign, values in terms if not label and sign == "="}
    metric = METRIC.fullmatch(types.get("metric", ""))
    if metric is None or RESOURCES.get(metric[1]) != types.get("resource"):
        raise Refused(f"The filter must name one metric type and its resource: {types}")
    return metric[0], [term for term in terms if term[:2] != ("metric", "")]


def _fits(series: Series, kind: str, label: str, sign: str, values: list[str]) -> bool:
    has = series.labels[kind][label] if label else series.resource
    return (has in values) == (sign == "=")


def _field(text: str) -> tuple[str, str]:
    kind, _, label = text.partition(".labels.")
    if label not in LABELS.get(kind, ()):
        raise Refused(f"{text} can't be grouped by.")
    return kind, label


def _moment(given: dict[str, str], name: str) -> float:
    try:
        return datetime.fromisoformat(given[name]).timestamp()
    except (KeyError, ValueError):
        raise Refused(f"{name} is no time") from None


def _aggregation(given: dict[str, str]) -> None:
    period = given.get("aggregation.alignmentPeriod", "")
    if period != f"{MINUTE}s":
        raise Refused(f"an alignment period of {period!r}: only 60s is modelled")
    how = tuple(
        given.get(f"aggregation.{each}") for each in ("perSeriesAligner", "crossSeriesReducer")
    )
    if how != ("ALIGN_SUM", "REDUCE_SUM"):
        raise Refused(f"aligned and reduced by {how}: only sums are modelled")


# -- the answer ------------------------------------------------------------------------------------


def _grouped(
    found: list[Series], metric: str, fields: list[tuple[str, str]], until: float
) -> list[dict[str, Any]]:
    """One series for each combination of labels; its points newest first."""
    groups: dict[tuple[str, ...], dict[float, list[Series]]] = {}
    for each in found:
        key = tuple(each.labels[kind][label] for kind, label in fields)
        # Periods are counted back from the end of the interval.
        end = until - (until - each.minute - MINUTE) // MINUTE * MINUTE
        groups.setdefault(key, {}).setdefault(end, []).append(each)
    told = []
    for key, minutes in sorted(groups.items()):
        labels: dict[str, dict[str, str]] = {"metric": {}, "resource": {}}
        for (kind, label), value in zip(fields, key, strict=True):
            labels[kind][label] = value
        points = [
            _point(metric, end, parts) for end, parts in sorted(minutes.items(), reverse=True)
        ]
        told.append(
            {
                "metric": {"type": metric, "labels": labels["metric"]},
                "resource": {"type": found[0].resource, "labels": labels["resource"]},
                "metricKind": "DELTA",
                "valueType": "INT64" if metric.endswith("request_count") else "DISTRIBUTION",
                "points": points,
            }
        )
    return told


def _point(metric: str, end: float, parts: list[Series]) -> dict[str, Any]:
    def stamp(at: float) -> str:
        return datetime.fromtimestamp(at).astimezone().isoformat()

    interval = {"startTime": stamp(end - MINUTE), "endTime": stamp(end)}
    if metric.endswith("request_count"):
        return {"interval": interval, "value": {"int64Value": str(sum(p.count for p in parts))}}
    return {
        "interval": interval,
        "value": {"distributionValue": distribution([x for p in parts for x in p.latencies])},
    }


def distribution(latencies: list[float]) -> dict[str, Any]:
    """Latencies in milliseconds as Google tells them; trailing buckets of 0 are left out."""
    counts = [0] * (FINITE + 2)
    for latency in latencies:
        number = sum(latency >= GROWTH**power for power in range(FINITE + 1))
        counts[number] += 1
    while counts and not counts[-1]:
        counts.pop()
    options = {"numFiniteBuckets": FINITE, "growthFactor": GROWTH, "scale": 1.0}
    return {
        "count": str(len(latencies)),
        "mean": sum(latencies) / max(1, len(latencies)),
        "bucketOptions": {"exponentialBuckets": options},
        "bucketCounts": [str(count) for count in counts],
    }


def _paged(
    monitoring: Monitoring, series: list[dict[str, Any]], given: dict[str, str]
) -> dict[str, Any]:
    """Pages hold so many points; the rest of a series comes on the next one."""
    size = min(int(given.get("pageSize", monitoring.page)), monitoring.page)
    start = int(given.get("pageToken") or 0)
    flat = [(each, point) for each in series for point in each["points"]]
    told: list[dict[str, Any]] = []
    for each, point in flat[start : start + size]:
        if not told or told[-1]["metric"] is not each["metric"]:
            told.append({**each, "points": []})
        told[-1]["points"].append(point)
    said: dict[str, Any] = {"timeSeries": told, "unit": "1"} if told else {}
    if start + size < len(flat):
        said["nextPageToken"] = str(start + size)
    if monitoring.incomplete:
        said["executionErrors"] = [{"code": 14, "message": monitoring.incomplete}]
    return said
