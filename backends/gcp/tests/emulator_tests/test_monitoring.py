"""Cloud Monitoring as its reference describes it: late, by the minute, strict about requests."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

TYPE = 'metric.type = "loadbalancing.googleapis.com/https/request_count"'
FILTER = f'{TYPE} AND resource.type = "https_lb_rule"'
SUMS = {
    "aggregation.alignmentPeriod": "60s",
    "aggregation.perSeriesAligner": "ALIGN_SUM",
    "aggregation.crossSeriesReducer": "REDUCE_SUM",
    "aggregation.groupByFields": "metric.labels.response_code_class",
}
DAY = {"interval.startTime": "2001-01-01T00:00:00Z", "interval.endTime": "2099-01-01T00:00:00Z"}


@pytest.fixture
def pool(stage):
    stage.service("pool", stage.check(), load_balancing_scheme="EXTERNAL_MANAGED")
    return stage.emulator


def asked(emulator, **words):
    given = {"filter": FILTER, **SUMS, **DAY} | words
    url = f"{emulator.url}/v3/projects/acme/timeSeries?{urllib.parse.urlencode(given)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]


def test_a_minute_is_visible_after_three_and_a_half(pool):
    pool.answered(service="pool", group="", status=200, latencies=[5.0, 6.0])
    pool.answered(service="pool", group="", status=404, latencies=[5.0])
    assert "timeSeries" not in asked(pool)
    pool.skip(seconds=270)
    told = asked(pool)["timeSeries"]
    counted = {
        each["metric"]["labels"]["response_code_class"]: each["points"][0]["value"] for each in told
    }
    assert counted == {"200": {"int64Value": "2"}, "400": {"int64Value": "1"}}


def test_points_come_newest_first(pool):
    for _ in range(3):
        pool.answered(service="pool", group="", status=200, latencies=[5.0])
        pool.skip(seconds=120)
    pool.skip(seconds=270)
    (series,) = asked(pool)["timeSeries"]
    ends = [point["interval"]["endTime"] for point in series["points"]]
    assert ends == sorted(ends, reverse=True)
    assert len(ends) == 3


@pytest.mark.parametrize(
    "words",
    [
        {"filter": TYPE},
        {"filter": 'resource.type = "https_lb_rule"'},
        {"filter": f'{TYPE} AND resource.type = "internal_http_lb_rule"'},
        {"filter": f'{FILTER} AND metric.labels.response_code_class = "500"'},
        {"filter": f'{FILTER} AND resource.labels.colour = "red"'},
        {"filter": f"{FILTER} OR 1"},
        {"aggregation.groupByFields": "resource.labels.colour"},
        {"aggregation.perSeriesAligner": "ALIGN_GUESS"},
        {"interval.endTime": "2000-01-01T00:00:00Z"},
        {"interval.endTime": "soon"},
        {"colour": "red"},
    ],
)
def test_what_google_would_refuse_is_refused(pool, words):
    told = asked(pool, **words)
    assert (told["code"], told["status"]) == (400, "INVALID_ARGUMENT")
    assert len(pool.failures()) == 1


def test_a_number_among_labels_is_written_without_quotes(pool):
    pool.answered(service="pool", group="", status=500, latencies=[5.0])
    pool.answered(service="pool", group="", status=200, latencies=[5.0])
    pool.skip(seconds=270)
    (series,) = asked(pool, filter=f"{FILTER} AND metric.labels.response_code_class = 500")[
        "timeSeries"
    ]
    assert series["metric"]["labels"] == {"response_code_class": "500"}


def test_latencies_are_counted_in_exponential_buckets(pool):
    """ "Distribution": a bucket has its lower bound and not its upper one; the first has none."""
    pool.answered(service="pool", group="", status=200, latencies=[0.9, 1.0, 1.39, 1.41, 2000.0])
    pool.skip(seconds=270)
    told = FILTER.replace("request_count", "backend_latencies")
    (series,) = asked(pool, filter=told)["timeSeries"]
    value = series["points"][0]["value"]["distributionValue"]
    assert value["bucketOptions"]["exponentialBuckets"] == {
        "numFiniteBuckets": 66,
        "growthFactor": 1.4,
        "scale": 1.0,
    }
    # 1.4 to the power of 22 is 1640, and of 23 it is 2295: the 23rd bucket ends there.
    counts = {at: number for at, number in enumerate(value["bucketCounts"]) if number != "0"}
    assert counts == {0: "1", 1: "2", 2: "1", 23: "1"}
    assert (value["count"], len(value["bucketCounts"])) == ("5", 24)


def test_a_page_holds_so_many_points_and_says_where_the_next_one_begins(pool):
    pool.answered(service="pool", group="", status=200, latencies=[5.0])
    pool.answered(service="pool", group="", status=404, latencies=[5.0] * 2)
    pool.skip(seconds=270)
    first = asked(pool, pageSize="1")
    second = asked(pool, pageSize="1", pageToken=first["nextPageToken"])
    assert "nextPageToken" not in second
    told = [page["timeSeries"][0]["points"][0]["value"] for page in (first, second)]
    assert told == [{"int64Value": "1"}, {"int64Value": "2"}]


def test_who_may_not_read_is_told_so(pool):
    pool.deny(permissions=["monitoring.timeSeries.*"])
    told = asked(pool)
    assert (told["code"], told["status"]) == (403, "PERMISSION_DENIED")


def test_an_internal_load_balancer_counts_under_a_name_of_its_own(stage):
    """ "Google Cloud metrics: loadbalancing": a resource for each kind of load balancer."""
    stage.service("pool", stage.check(), load_balancing_scheme="INTERNAL_MANAGED")
    stage.emulator.answered(service="pool", group="", status=200, latencies=[5.0])
    stage.emulator.skip(seconds=270)
    assert "timeSeries" not in asked(stage.emulator)
    kind = "loadbalancing.googleapis.com/https/internal/request_count"
    words = f'metric.type = "{kind}" AND resource.type = "internal_http_lb_rule"'
    assert len(asked(stage.emulator, filter=words)["timeSeries"]) == 1
