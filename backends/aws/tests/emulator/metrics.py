"""CloudWatch: numbers of load balancers that the test makes up, and asks for as AWS is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.emulators.clock import Clock

from .calls import Call, ours
from .errors import AwsError, NotEmulated

if TYPE_CHECKING:
    from .world import World

Key = tuple[str, str, frozenset[tuple[str, str]]]


@define(eq=False)
class Metrics:
    """Data points by namespace, name and the exact set of dimensions, as CloudWatch keeps them.

    "Metrics concepts": dimensions are part of a metric's identity; a metric without data has no
    points, not zeros
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html).
    """

    clock: Clock
    points: dict[Key, list[tuple[float, list[float]]]] = field(factory=dict)

    def put(
        self, namespace: str, name: str, dimensions: dict[str, str], values: list[float],
        at: float | None = None,
    ) -> None:  # fmt: skip
        """Add samples of one moment."""
        key = (namespace, name, frozenset(dimensions.items()))
        self.points.setdefault(key, []).append((self.clock.now() if at is None else at, values))

    def ask(
        self, metric: dict[str, Any], start: float, end: float, period: int, stat: str
    ) -> list[tuple[float, float]]:
        """A statistic by period, oldest first."""
        dims = frozenset((d["Name"], d["Value"]) for d in metric.get("Dimensions", []))
        bins: dict[float, list[float]] = {}
        for at, values in self.points.get((metric["Namespace"], metric["MetricName"], dims), []):
            bin_start = at // period * period
            if start <= at < end or start <= bin_start < end:
                bins.setdefault(bin_start, []).extend(values)
        return [(at, _statistic(stat, values)) for at, values in sorted(bins.items())]


def _statistic(stat: str, values: list[float]) -> float:
    """Of samples; a trimmed count includes its upper bound, as all trimmed statistics do.

    "CloudWatch statistics definitions"
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html).
    """
    simple: dict[str, Callable[[list[float]], float]] = {
        "Sum": sum,
        "Average": lambda v: sum(v) / len(v),
        "Minimum": min,
        "Maximum": max,
        "SampleCount": len,
    }
    if stat in simple:
        return float(simple[stat](values))
    if stat.startswith("TC(:") and stat.endswith(")"):
        return float(sum(value <= float(stat[4:-1]) for value in values))
    if stat.startswith("p"):
        ranked = sorted(values)
        return float(ranked[min(len(ranked) - 1, int(float(stat[1:]) / 100 * len(ranked)))])
    raise NotEmulated(f"the statistic {stat}")


@ours("cloudwatch", "GetMetricData")
def get_metric_data(world: World, call: Call) -> dict[str, Any]:
    """Queries by metric; newest first unless told otherwise.

    GetMetricData: at most 500 queries a call
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
    """
    queries = call.params["MetricDataQueries"]
    if len(queries) > 500:
        said = "The collection MetricDataQueries must not have a size greater than 500."
        raise AwsError("ValidationError", said)
    start, end = call.params["StartTime"], call.params["EndTime"]
    told = []
    for query in queries:
        if "MetricStat" not in query:
            raise NotEmulated("metric math in cloudwatch:GetMetricData")
        stat = query["MetricStat"]
        found = world.metrics.ask(stat["Metric"], start, end, stat["Period"], stat["Stat"])
        if call.get("ScanBy", "TimestampDescending") == "TimestampDescending":
            found.reverse()
        told.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label", stat["Metric"]["MetricName"]),
                "Timestamps": [at for at, _ in found],
                "Values": [value for _, value in found],
                "StatusCode": "Complete",
            }
        )
    return {"MetricDataResults": told, "Messages": []}
