"""Azure Monitor as its reference describes it: late, by the minute, strict about requests."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.asyncio
SPAN = "2001-01-01T00:00:00Z/2099-01-01T00:00:00Z"
ROLES = "cloud/roleName eq '*'"


class Insights:
    """A component, applications that tell it of requests, and the client that asks."""

    def __init__(self, emulator, stage, monitor):
        self.emulator, self.monitor = emulator, monitor
        self.component = stage.id("Microsoft.Insights", "components", "shop")
        emulator.freeze()
        emulator.component(path=self.component)

    def serve(self, role, durations, code="200", success="True"):
        values = {"cloud/roleName": role, "request/resultCode": code, "request/success": success}
        self.emulator.served(component=self.component, durations=durations, values=values)

    async def ask(self, split=ROLES, **words):
        """What is told, by values of dimensions: the counts of minutes that have one."""
        now = self.emulator.now()
        start, end = (int(now // 60 + at) * 60 for at in (-20, 1))
        given = {
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": "PT1M",
            "metricnames": "requests/count",
            "aggregation": "Count",
            "filter": split,
        } | words
        told = await self.monitor.metrics.list(self.component, **given)
        (metric,) = told.value
        return {
            tuple(each.value for each in series.metadatavalues): [
                point.count for point in series.data if point.count is not None
            ]
            for series in metric.timeseries
        }


def _text(at):
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def insights(emulator, stage, monitor):
    return Insights(emulator, stage, monitor)


async def test_a_minute_is_visible_three_minutes_after_it(emulator, insights):
    """ "Log data ingestion time": within 20 s to 3 min."""
    insights.serve("web", [5.0, 6.0])
    emulator.skip(seconds=170)
    assert await insights.ask() == {}
    emulator.skip(seconds=70)
    assert await insights.ask() == {("web",): [2.0]}


async def test_each_combination_of_dimensions_is_a_series(emulator, insights):
    """ "Metrics - List": a filter of `*` splits by that dimension, `or` chooses values of one."""
    insights.serve("web", [249.0, 250.0, 300_000.0])
    insights.serve("web-r2", [10.0], "500", "False")
    insights.serve("other", [10.0])
    emulator.skip(seconds=300)
    names = "cloud/roleName eq 'web' or cloud/roleName eq 'WEB-R2'"
    assert await insights.ask(f"{names} and request/performanceBucket eq '*'") == {
        ("web", "<250ms"): [1.0],
        ("web", "250ms-500ms"): [1.0],
        ("web", ">=5min"): [1.0],
        ("web-r2", "<250ms"): [1.0],
    }
    assert await insights.ask("request/success eq 'False'") == {("False",): [1.0]}


async def test_minutes_without_requests_have_a_time_and_no_value(emulator, insights):
    for _ in range(2):
        insights.serve("web", [5.0])
        emulator.skip(seconds=120)
    emulator.skip(seconds=300)
    assert await insights.ask() == {("web",): [1.0, 1.0]}


async def test_ten_series_are_told_unless_more_are_asked_for(emulator, insights):
    """ "Metrics - List", top: "Defaults to 10"; those with most."""
    for number in range(12):
        insights.serve(f"role-{number}", [5.0] * (number + 1))
    emulator.skip(seconds=300)
    assert set(await insights.ask()) == {(f"role-{number}",) for number in range(2, 12)}
    assert len(await insights.ask(top=20)) == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"aggregation": "Average"}, "supports the aggregation types: Count"),
        ({"split": "colour eq '*'"}, "does not support requested dimension: colour"),
        ({"split": "cloud/roleName eq 'a' or request/success eq 'b'"}, "Invalid filter"),
        ({"split": "cloud/roleName ne 'a'"}, "Invalid filter"),
        ({"timespan": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"}, "Start time must be before"),
        ({"timespan": "soon"}, "invalid time span"),
    ],
)
async def test_what_azure_would_refuse_is_refused(insights, refused, words, said):
    error = await refused(400, "BadRequest", insights.ask(**words))
    assert said in str(error)


async def test_a_component_that_is_not_there_has_no_metrics(insights, refused):
    insights.component += "-2"
    await refused(404, "ResourceNotFound", insights.ask())


async def test_who_may_not_read_is_told_so(emulator, insights, refused):
    emulator.deny(actions=["Microsoft.Insights/metrics/*"])
    await refused(403, "AuthorizationFailed", insights.ask())
