"""What is asked of CloudWatch's ``GetMetricData``, and what its figures add up to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from immutable.backend import Traffic

__all__ = ["BOUNDS", "PERIOD", "Minutes", "Query", "queries", "totals"]

_NAMESPACE = "AWS/ApplicationELB"
PERIOD = 60
"""Seconds that one figure is of."""
# What a target answers, and what it doesn't: errors are its 5xx and failed connections, and no
# request that it failed to answer counts as answered ("CloudWatch metrics for your Application Load
# Balancer"). HTTPCode_ELB_5XX is the balancer's own and has no target group.
_REQUESTS = ("HTTPCode_Target_2XX_Count", "HTTPCode_Target_3XX_Count", "HTTPCode_Target_4XX_Count")
_ERRORS = ("HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount")
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds within which answers are counted."""
_COUNTS = tuple(f"TC(:{bound:g})" for bound in BOUNDS)
"""Trimmed counts: how many samples are within a bound ("CloudWatch statistics definitions")."""


@frozen
class Query:
    """One question to CloudWatch.

    Attributes:
        revision: Whose figures.
        metric: Which.
        statistic: ``Sum``, or ``TC(:0.1)``: how many answers took 0.1 s at most.
        dimensions: Of which load balancer and target group.
    """

    revision: int
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]

    def request(self, name: str) -> dict[str, Any]:
        """Return it as GetMetricData takes it."""
        return {
            "Id": name,
            "ReturnData": True,
            "MetricStat": {
                "Metric": {
                    "Namespace": _NAMESPACE,
                    "MetricName": self.metric,
                    "Dimensions": [{"Name": n, "Value": v} for n, v in self.dimensions],
                },
                "Period": PERIOD,
                "Stat": self.statistic,
            },
        }


# …:targetgroup/web/50dc6c495c0c9188 and …:loadbalancer/app/front/1ab: "targetgroup/web/50dc…" and
# "app/front/1ab".
def dimensions(target_group: str, balancer: str) -> tuple[tuple[str, str], ...]:
    """Return the dimensions of a target group's metrics, from the ARNs."""
    return (
        ("LoadBalancer", balancer.partition(":loadbalancer/")[2]),
        ("TargetGroup", target_group.rpartition(":")[2]),
    )


def queries(places: Mapping[int, tuple[str, str]]) -> tuple[Query, ...]:
    """Return all questions about some revisions.

    Args:
        places: The ARNs of each revision's target group and load balancer.
    """
    found: list[Query] = []
    for number, (target_group, balancer) in sorted(places.items()):
        where = dimensions(target_group, balancer)
        found += [Query(number, metric, "Sum", where) for metric in (*_REQUESTS, *_ERRORS)]
        found += [
            Query(number, "TargetResponseTime", statistic, where)
            for statistic in (*_COUNTS, "SampleCount")
        ]
    return tuple(found)


Minutes = dict[tuple[Query, float], float]
"""A figure of one minute, by its question and the minute's beginning."""


# 100 answered, 2 of them with 5xx, 90 within 0.1 s, 100 within 0.25 s, and 2 that nobody answered:
# 102 requests, 4 errors, buckets 90, 10, 0 …
def totals(asked: Sequence[Query], minutes: Minutes) -> dict[int, Traffic]:
    """Return counters by revision, summed over all minutes that were seen."""
    by_minute: dict[int, dict[float, dict[tuple[str, str], float]]] = {}
    for (query, at), value in minutes.items():
        figures = by_minute.setdefault(query.revision, {}).setdefault(at, {})
        figures[query.metric, query.statistic] = value
    found: dict[int, Traffic] = {}
    for number in sorted({query.revision for query in asked}):
        sums = {"requests": 0.0, "errors": 0.0, "lost": 0.0}
        latency = [0.0] * (len(BOUNDS) + 1)
        for _, figures in sorted(by_minute.get(number, {}).items()):
            _add_minute(figures, sums, latency)
        requests = round(sums["requests"] + sums["errors"] + sums["lost"])
        counts = tuple(round(count) for count in latency)
        found[number] = Traffic(requests, round(sums["errors"] + sums["lost"]), counts)
    return found


def _add_minute(
    figures: Mapping[tuple[str, str], float], sums: dict[str, float], latency: list[float]
) -> None:
    good = sum(figures.get((metric, "Sum"), 0.0) for metric in _REQUESTS)
    bad = figures.get((_ERRORS[0], "Sum"), 0.0)
    sums["requests"] += good
    sums["errors"] += bad
    sums["lost"] += figures.get((_ERRORS[1], "Sum"), 0.0)
    below = 0.0
    for number, statistic in enumerate((*_COUNTS, "SampleCount")):
        # A minute's figures don't all arrive at once: none falls below the one before it.
        count = max(below, figures.get(("TargetResponseTime", statistic), below))
        latency[number] += count - below
        below = count
