"""What Cloud Monitoring is asked about backend services. Pure.

"Google Cloud metrics" (load balancing) has the metrics and their labels, "Method:
projects.timeSeries.list", "Monitoring filters" and "Aggregation" the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from attrs import frozen

from immutable.errors import MetricError

__all__ = ["METRICS", "PERIOD", "Kind", "kind_of", "question"]

PERIOD = 60
"""Seconds for which one figure counts."""

_REQUESTS = "request_count"
METRICS = (_REQUESTS, "backend_latencies")
"""What is asked for."""


@frozen
class Kind:
    """Which metrics a load balancer writes.

    Attributes:
        prefix: What the names of its metrics begin with.
        resource: The type of monitored resource that they are of.
    """

    prefix: str
    resource: str


_GLOBAL = Kind("https/", "https_lb_rule")
_REGIONAL = Kind("https/external/regional/", "http_external_regional_lb_rule")
_INTERNAL = Kind("https/internal/", "internal_http_lb_rule")


def kind_of(scheme: str, region: str) -> Kind:
    """Return which metrics the load balancers of a backend service write.

    Args:
        scheme: The service's load balancing scheme.
        region: Its region; empty for a global one.

    Raises:
        MetricError: None by backend service.
    """
    if scheme == "INTERNAL_MANAGED":
        return _INTERNAL
    if scheme == "EXTERNAL_MANAGED":
        return _REGIONAL if region else _GLOBAL
    raise MetricError(
        f"load balancers of scheme {scheme} don't tell Cloud Monitoring of backend services;"
        " read a Prometheus"
    )


def question(
    metric: str,
    kind: Kind,
    project: str,
    region: str,
    services: Iterable[str],
    since: float,
    until: float,
) -> list[tuple[str, str]]:
    """Return the parameters that ask for the figures of some backend services, by the minute.

    What a cache answered is left out: no server of a revision did. ``ALIGN_SUM`` and not
    ``ALIGN_DELTA``, which makes up figures for minutes that have none.

    Args:
        metric: One of `METRICS`.
        kind: Which load balancers.
        project: The project.
        region: The services' region; empty for global ones.
        services: Their names.
        since: From when on, in seconds since the epoch, a whole minute.
        until: Till when.
    """
    named = ", ".join(f'"{name}"' for name in sorted(services))
    terms = [
        f'metric.type = "loadbalancing.googleapis.com/{kind.prefix}{metric}"',
        f'resource.type = "{kind.resource}"',
        f'resource.labels.project_id = "{project}"',
        f"resource.labels.backend_target_name = one_of({named})",
        'metric.labels.cache_result != "HIT"',
    ]
    if region:
        terms.append(f'resource.labels.region = "{region}"')
    grouped = ["resource.labels.backend_target_name"]
    if metric == _REQUESTS:
        grouped.append("metric.labels.response_code_class")
    return [
        ("filter", " AND ".join(terms)),
        ("interval.startTime", _stamp(since)),
        ("interval.endTime", _stamp(until)),
        ("aggregation.alignmentPeriod", f"{PERIOD}s"),
        ("aggregation.perSeriesAligner", "ALIGN_SUM"),
        ("aggregation.crossSeriesReducer", "REDUCE_SUM"),
        *(("aggregation.groupByFields", field) for field in grouped),
    ]


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
