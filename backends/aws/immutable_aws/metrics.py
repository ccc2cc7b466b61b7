"""The metric source ``cloudwatch``: what an Application Load Balancer counts, by target group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from immutable.backend import FleetURL, Gone, Reading, SystemClock
from immutable.errors import InvalidValue, MetricError
from immutable.toolkit.requests import parts_of, together
from immutable_aws.address import Place
from immutable_aws.calls import Answer, Calls
from immutable_aws.looking import Eyes
from immutable_aws.metricdata import BOUNDS, PERIOD, Minutes, Query, queries, totals
from immutable_aws.reading import Described

__all__ = ["CloudWatchSource"]

_OVERLAP = 180.0
"""Seconds for which a minute's figures can still grow after it is over."""
_MOST = 500
"""Queries that one GetMetricData may have."""


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
            self._began = now - now % PERIOD
        since = max(self._began, now - 10 * PERIOD - _OVERLAP)
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
            EndTime=datetime.fromtimestamp(until + PERIOD, UTC),
        )


def _pool_of(group: Described) -> str:
    return group.target_groups[0] if group.target_groups else ""
