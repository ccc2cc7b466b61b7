"""The metric source ``cloudwatch``: what an Application Load Balancer counts, by target group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from attrs import frozen

from immutable.backend import FleetURL, Gone, Reading, SystemClock, Traffic
from immutable.errors import InvalidValue, MetricError
from immutable.toolkit.requests import parts_of, together
from immutable_aws.address import Place
from immutable_aws.calls import Answer, Calls
from immutable_aws.looking import Eyes
from immutable_aws.reading import Described

__all__ = ["CloudWatchSource", "Query", "queries", "totals"]

_NAMESPACE = "AWS/ApplicationELB"
_PERIOD = 60
_OVERLAP = 180.0
"""Seconds for which a minute's figures can still grow after it is over."""
_MOST = 500
"""Queries that one GetMetricData may have."""

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
                "Period": _PERIOD,
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
    found: dict[int, Traffic] = {}
    for number in sorted({query.revision for query in asked}):
        sums = {"requests": 0.0, "errors": 0.0, "lost": 0.0}
        latency = [0.0] * (len(BOUNDS) + 1)
        for at in sorted({at for query, at in minutes if query.revision == number}):
            figures = {
                (query.metric, query.statistic): value
                for (query, minute), value in minutes.items()
                if minute == at and query.revision == number
            }
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


class CloudWatchSource:
    """Counts of a fleet's target groups: ``cloudwatch:REGION``, options as in a fleet's address.

    ``Analysis(source="cloudwatch:eu-west-1")``. Figures come by the minute and some minutes late:
    a bake has to be much longer than that. Each revision needs a target group of its own, so it
    is for rollouts by weights.

    Args:
        place: Where.
    """

    def __init__(self, place: Place) -> None:
        self._calls = Calls(place, SystemClock())
        self._eyes = Eyes(self._calls, staleness=20.0, poll=5.0)
        self._began: float | None = None
        self._minutes: Minutes = {}

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the source of a region; connects to nothing.

        Raises:
            InvalidValue: The address makes no sense.
        """
        region, _, query = address.partition("?")
        if not region:
            raise InvalidValue("source", address, "no region", "write cloudwatch:eu-west-1")
        url = FleetURL.parse(f"aws://{region}/any{'?' if query else ''}{query}")
        return cls(Place.of(url))

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return what was counted since the first reading.

        Raises:
            MetricError: A revision has no target group of its own, or there are no figures.
        """
        places = await self._places(fleet, revisions)
        asked = queries(places)
        now = self._calls.now()
        if self._began is None:
            self._began = now - now % _PERIOD
        since = max(self._began, now - 10 * _PERIOD - _OVERLAP)
        for query, at, value in await self._figures(asked, since, now):
            self._minutes[query, at] = value
        if not self._minutes:
            raise MetricError(
                f"no data: CloudWatch has no figures of {fleet}'s target groups since the first"
                " reading; they come some minutes late"
            )
        told = totals(asked, self._minutes)
        return Reading({number: {"all": each} for number, each in told.items()}, BOUNDS)

    async def close(self) -> None:
        """Let go of connections."""
        self._calls.close()

    async def _places(self, fleet: str, revisions: tuple[int, ...]) -> dict[int, tuple[str, str]]:
        try:
            groups = await self._eyes.groups(fleet)
        except Gone as error:
            raise MetricError(f"no data: {error}") from error
        mine = {g.marks.revision: g for g in groups if g.marks.revision in revisions}
        pools = {number: _pool_of(group) for number, group in mine.items()}
        if set(pools) != set(revisions) or len(set(pools.values())) < len(revisions):
            raise MetricError(
                f"revisions {', '.join(map(str, revisions))} of {fleet} don't have a target group"
                " each: CloudWatch can't tell them apart"
            )
        answer = await self._calls.ask(
            "elbv2", "DescribeTargetGroups", TargetGroupArns=sorted(pools.values())
        )
        balancers: dict[str, list[str]] = {
            each["TargetGroupArn"]: each.get("LoadBalancerArns", [])
            for each in answer["TargetGroups"]
        }
        lone = [arn for arn, used in balancers.items() if not used]
        if lone:
            raise MetricError(f"no load balancer uses target group {lone[0]}")
        return {number: (arn, balancers[arn][0]) for number, arn in pools.items()}

    async def _figures(
        self, asked: Sequence[Query], since: float, until: float
    ) -> list[tuple[Query, float, float]]:
        named = {f"q{number}": query for number, query in enumerate(asked)}
        answers = await together(
            *(self._part(named, part, since, until) for part in parts_of(list(named), _MOST))
        )
        return [
            (named[each["Id"]], stamp.timestamp(), float(value))
            for results in answers
            for each in results
            for stamp, value in zip(each["Timestamps"], each["Values"], strict=True)
        ]

    async def _part(
        self, named: Mapping[str, Query], names: Sequence[str], since: float, until: float
    ) -> list[Answer]:
        return await self._calls.pages(
            "cloudwatch",
            "GetMetricData",
            "MetricDataResults",
            MetricDataQueries=[named[name].request(name) for name in names],
            StartTime=datetime.fromtimestamp(since, UTC),
            EndTime=datetime.fromtimestamp(until + _PERIOD, UTC),
        )


def _pool_of(group: Described) -> str:
    return group.target_groups[0] if group.target_groups else ""
