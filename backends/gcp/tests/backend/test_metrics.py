"""What Cloud Monitoring tells of a fleet's backend services, asked as Google is asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.gcp.tests.backend.account import DOUBLE
from backends.gcp.tests.emulator.monitoring import distribution
from immutable import Canary, RolledBack
from immutable.backend import Denied, Throttled, Transient
from immutable.errors import InvalidValue, MetricError
from immutable.gates import Analysis
from immutable_gcp.marks import Marks, described
from immutable_gcp.metrics import CloudMonitoringSource
from immutable_gcp.timeseries import BOUNDS, Figure, figures, totals
from tests.emulators.adopted import ended
from tests.emulators.waiting import eventually

URL = "?endpoint={}&credentials=anonymous"


class Divided:
    """A fleet ``web`` half way through a canary: each revision has its own backend service."""

    def __init__(self, stage, **fields):
        self.emulator, self.stage = stage.emulator, stage
        self.emulator.laws(operation=0.02)
        self.image, self.check = stage.image("web-1"), stage.check()
        template = stage.template("web", self.image)
        for number, name in ((1, "web"), (2, "web-r2")):
            stage.group(name, 0, template, description=described("", Marks("web", number)))
        self._services(**({"load_balancing_scheme": "EXTERNAL_MANAGED"} | fields))

    def _services(self, **fields):
        for name, group in (("pool", "web"), ("web-r2", "web-r2")):
            self.stage.service(name, self.check, group, **fields)

    def count(self, service, status, number, milliseconds=20.0, **labels):
        """The load balancer answers requests in this minute."""
        latencies = [milliseconds] * number
        self.emulator.answered(
            service=service, group="", status=status, latencies=latencies, **labels
        )

    @asynccontextmanager
    async def source(self):
        where = self.emulator.region if self.stage.regional else self.emulator.zones[0]
        source = CloudMonitoringSource.from_address(f"acme/{where}{URL.format(self.emulator.url)}")
        try:
            yield source
        finally:
            await source.close()

    def read(self, revisions=(1, 2)):
        """Return what can be read five minutes later."""

        async def go():
            async with self.source() as source:
                return await source.read("web", revisions)

        self.emulator.skip(seconds=300)
        return asyncio.run(go())


@pytest.fixture
def divided(stage):
    return Divided(stage)


# -- reading ---------------------------------------------------------------------------------------


def test_revisions_are_told_apart_by_their_backend_services(divided):
    divided.count("pool", 200, 7)
    divided.count("pool", 404, 2)
    divided.count("web-r2", 301, 1, 40.0)
    divided.count("web-r2", 502, 3, 700.0)
    divided.count("web-r2", 503, 1, 60_000.0)
    reading = divided.read()
    one, two = (reading.revisions[number]["all"] for number in (1, 2))
    assert (one.requests, one.errors) == (9, 0)
    assert (two.requests, two.errors) == (5, 4)
    assert reading.bounds == BOUNDS
    slow = dict(zip((*BOUNDS, float("inf")), two.latency, strict=True))
    assert {bound: n for bound, n in slow.items() if n} == {0.05: 1, 1.0: 3, float("inf"): 1}


def test_internal_load_balancers_have_metrics_of_their_own(region):
    divided = Divided(region, load_balancing_scheme="INTERNAL_MANAGED")
    divided.count("pool", 200, 7)
    divided.count("web-r2", 500, 2)
    told = {number: series["all"] for number, series in divided.read().revisions.items()}
    assert [(told[n].requests, told[n].errors) for n in (1, 2)] == [(7, 0), (2, 2)]


def test_what_a_cache_answered_or_nobody_says_nothing_of_servers(divided):
    divided.count("web-r2", 200, 5, cache_result="HIT")
    divided.count("web-r2", 200, 2, cache_result="MISS")
    divided.count("web-r2", 0, 4)
    two = divided.read().revisions[2]["all"]
    assert (two.requests, two.errors) == (2, 0)


def test_a_revision_without_figures_is_unknown_and_not_well(divided):
    divided.count("pool", 200, 7)
    reading = divided.read()
    assert reading.revisions[1]["all"].requests == 7
    assert reading.revisions[2] == {}


def test_no_figures_at_all_are_an_error(divided):
    with pytest.raises(MetricError, match="no data"):
        divided.read()


def test_a_minute_counts_once_all_of_it_is_visible_and_only_once(divided):
    async def go():
        async with divided.source() as source:
            told = []
            for _ in range(3):
                divided.count("pool", 200, 10)
                divided.count("web-r2", 200, 10)
                divided.emulator.skip(seconds=130)
            divided.emulator.skip(seconds=50)
            for _ in range(3):
                await source.read("web", (1, 2))
                reading = await source.read("web", (1, 2))
                told.append(reading.revisions[2]["all"].requests)
                divided.emulator.skip(seconds=180)
            return told

    told = asyncio.run(go())
    # They are 440, 310 and 180 s old at first: the third minute is not over for long enough.
    assert told == [20, 30, 30]


def test_nothing_is_asked_while_there_is_no_new_minute(divided):
    divided.count("pool", 200, 7)
    divided.emulator.skip(seconds=300)

    async def go():
        async with divided.source() as source:
            source._calls.now = lambda: 0.0  # The minute stands still, however slow this is.
            with pytest.raises(MetricError):
                await source.read("web", (1, 2))
            with pytest.raises(MetricError):
                await source.read("web", (1, 2))

    asyncio.run(go())
    assert divided.emulator.calls()["timeSeries.list"] == 2  # One a metric.


def test_pages_are_put_together(divided):
    divided.emulator.monitoring(page=1)
    for status in (200, 404, 500):
        divided.count("pool", status, 2)
        divided.count("web-r2", status, 3)
    told = {number: series["all"] for number, series in divided.read().revisions.items()}
    assert [(told[n].requests, told[n].errors, sum(told[n].latency)) for n in (1, 2)] == [
        (6, 2, 6),
        (9, 3, 9),
    ]


def test_half_an_answer_is_none(divided):
    divided.count("pool", 200, 7)
    divided.emulator.monitoring(incomplete="a zone is away")
    with pytest.raises(MetricError, match="a zone is away"):
        divided.read()


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"kind": "reset"}, Transient),
        ({"kind": "garbled"}, Transient),
        ({"kind": "error", "status": 503}, Transient),
        ({"kind": "throttle", "status": 429}, Throttled),
    ],
)
def test_no_answer_is_an_error_and_the_next_one_has_everything(divided, trouble, error):
    async def go():
        async with divided.source() as source:
            divided.count("web-r2", 200, 4)
            divided.emulator.skip(seconds=300)
            divided.emulator.fault(action="timeSeries.list", **trouble)
            with pytest.raises(error):
                await source.read("web", (1, 2))
            return await source.read("web", (1, 2))

    assert asyncio.run(go()).revisions[2]["all"].requests == 4


def test_what_is_not_permitted_is_said(divided):
    divided.emulator.deny(permissions=["monitoring.*"])
    with pytest.raises(Denied, match=r"monitoring\.timeSeries\.list"):
        divided.read()


def test_revisions_of_one_pool_cannot_be_told_apart(stage):
    class Shared(Divided):
        def _services(self, **fields):
            self.stage.service("pool", self.check, "web", "web-r2")

    shared = Shared(stage)
    with pytest.raises(MetricError, match="r2 of web has no backend service of its own"):
        shared.read()
    with pytest.raises(MetricError, match="scheme EXTERNAL don't tell"):
        shared.read((1,))


def test_a_fleet_that_is_not_there_has_no_figures(divided):
    async def go():
        async with divided.source() as source:
            with pytest.raises(MetricError, match="no fleet other"):
                await source.read("other", (1,))

    asyncio.run(go())


@pytest.mark.parametrize(
    "text", ["", "acme", "acme/nowhere", "acme/europe-west1?colour=red", "a/b/c"]
)
def test_an_address_that_makes_no_sense_is_refused(text):
    with pytest.raises(InvalidValue):
        CloudMonitoringSource.from_address(text)


# -- judging ---------------------------------------------------------------------------------------


def test_an_analysis_turns_a_canary_whose_load_balancer_counts_errors(account, monkeypatch):
    account.group(2, autoscaled=False)
    before = account.everything()
    text = f"acme/{account.location}{URL.format(account.emulator.url)}"
    source = CloudMonitoringSource.from_address(text)
    monkeypatch.setattr("immutable.engine.sources.metric_source", lambda _: source)
    analysis = Analysis(source=f"cloudmonitoring:{text}", interval=0.5)
    strategy = Canary(stages=("50%", "100%"), bake=36_000, gates=(analysis,))

    def divided():
        return bool(account.emulator.traffic()["front"].get("web-r2"))

    def answer():
        """Another minute's requests, and as soon as it is looked at the next one may come."""
        for service, status in (("pool", 200), ("web-r2", 200), ("web-r2", 500)):
            account.emulator.answered(
                service=service, group="", status=status, latencies=[20] * 200
            )
        account.emulator.skip(seconds=60)
        seen = account.emulator.calls().get("timeSeries.list", 0)
        return lambda: account.emulator.calls().get("timeSeries.list", 0) > seen or not divided()

    async def go():
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], strategy, limits=DOUBLE)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(divided)
            while divided():
                await eventually(answer())
            return await task

    end = asyncio.run(go())
    assert isinstance(end, RolledBack)
    assert "errors" in str(end)
    assert account.everything() == before


# -- what an answer means --------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_no_request_counts_as_faster_than_it_was(latencies):
    point = {"interval": {"endTime": "2026-01-01T00:01:00Z"}}
    point["value"] = {"distributionValue": distribution(latencies)}
    series = {"resource": {"labels": {"backend_target_name": "pool"}}, "points": [point]}
    (figure,) = figures({"timeSeries": [series]})
    assert figure.count == len(latencies)
    within = 0
    for bound, number in zip(BOUNDS, figure.latency, strict=False):
        within += number
        assert within <= sum(each <= bound * 1000 for each in latencies)
        # A bucket is 1.4 times as wide as the one before it.
        assert within >= sum(each < bound * 1000 / 1.4**2 for each in latencies)


@pytest.mark.parametrize(
    ("options", "counts", "latency"),
    [
        ({"explicitBuckets": {"bounds": [10, 600]}}, [1, 2, 4], {0: 1, 6: 2, 10: 4}),
        (
            {"linearBuckets": {"offset": 0, "width": 50, "numFiniteBuckets": 2}},
            [0, 1, 1, 1],
            {2: 1, 3: 1, 10: 1},
        ),
        (
            {"exponentialBuckets": {"scale": 10, "growthFactor": 10, "numFiniteBuckets": 2}},
            [1, 2, 3, 4],
            {0: 1, 3: 2, 6: 3, 10: 4},
        ),
    ],
)
def test_all_shapes_of_buckets_are_understood(options, counts, latency):
    told = {"count": sum(counts), "bucketOptions": options, "bucketCounts": list(map(str, counts))}
    point = {
        "interval": {"endTime": "2026-01-01T00:01:00Z"},
        "value": {"distributionValue": told},
    }
    series = {"resource": {"labels": {"backend_target_name": "pool"}}, "points": [point]}
    (figure,) = figures({"timeSeries": [series]})
    assert {at: n for at, n in enumerate(figure.latency) if n} == latency


@pytest.mark.parametrize(
    "value",
    [
        {"stringValue": "many"},
        {"int64Value": "-1"},
        {"distributionValue": {"count": "5", "mean": 20.0}},
        {"distributionValue": {"count": "2", "bucketCounts": ["1", "1"]}},
    ],
)
def test_what_is_no_count_is_an_error(value):
    point = {"interval": {"endTime": "2026-01-01T00:01:00Z"}, "value": value}
    series = {"resource": {"labels": {"backend_target_name": "pool"}}, "points": [point]}
    with pytest.raises(MetricError):
        figures({"timeSeries": [series]})


def test_latencies_that_are_not_told_are_unknown_and_not_nought():
    minutes = [Figure("pool", "200", 60.0, 5), Figure("web-r2", "200", 60.0, 5)]
    minutes.append(Figure("web-r2", "", 60.0, 1, (1, *[0] * len(BOUNDS))))
    told = totals(minutes, {1: "pool", 2: "web-r2"})
    assert told[1]["all"].latency == ()
    assert told[2]["all"].latency == (1, *[0] * len(BOUNDS))
