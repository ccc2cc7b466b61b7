"""What Azure Monitor tells of a fleet's requests, asked as Azure is asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.azure.tests.backend.account import LIMITS
from backends.azure.tests.emulator.monitoring import BUCKETS, ENDS
from immutable import Canary, RolledBack
from immutable.backend import Denied, Throttled, Transient
from immutable.errors import InvalidValue, MetricError
from immutable.gates import Analysis
from immutable.model import Verdict
from immutable.model.records import Judged
from immutable_azure.address import Place
from immutable_azure.insights import BOUNDS, Figure, figures, question, totals
from immutable_azure.marks import Marks, first_tags
from immutable_azure.metrics import AzureMonitorSource
from tests.emulators.adopted import ended, run
from tests.emulators.waiting import eventually

SUBSCRIPTION = "00000000-0000-0000-0000-00000000cafe"
LIST = "monitor:metrics.list"


class Told:
    """A component that the servers of ``web`` and ``web-r2`` tell of their requests."""

    def __init__(self, emulator, stage):
        self.emulator, self.stage = emulator, stage
        self.component = stage.id("Microsoft.Insights", "components", "shop")
        emulator.component(path=self.component)

    def sets(self):
        """Make a set of each of two revisions, without servers."""
        for number, name in ((1, "web"), (2, "web-r2")):
            tags = first_tags(Marks(fleet="web", revision=number))
            self.stage.group(name, 0, self.stage.image(), tags=tags)
        return self

    def serve(self, role, number, milliseconds=20.0, code="200", success=None):
        """Servers answer so many requests in this minute."""
        good = code < "400" if success is None else success
        values = {
            "cloud/roleName": role,
            "request/resultCode": code,
            "request/success": str(good),
        }
        durations = [milliseconds] * number
        self.emulator.served(component=self.component, durations=durations, values=values)

    def begin_a_minute(self):
        """Let time stand still where a minute begins."""
        self.emulator.freeze()
        self.emulator.skip(seconds=60 - self.emulator.now() % 60)

    def new(self, component="shop"):
        """Return a source, as its address would make it, with the emulator's credential."""
        place = Place(
            self.emulator.subscription,
            self.stage.place,
            endpoint=self.emulator.url,
            ca_bundle=self.emulator.trusted,
        )
        return AzureMonitorSource(place, component, credential=self.emulator.credential())

    @asynccontextmanager
    async def source(self, **words):
        source = self.new(**words)
        try:
            yield source
        finally:
            await source.close()

    def read(self, fleet="web", revisions=(1, 2), **words):
        """Return what can be read seven minutes later."""

        async def go():
            async with self.source(**words) as source:
                return await source.read(fleet, revisions)

        self.emulator.skip(seconds=420)
        return asyncio.run(go())


@pytest.fixture
def told(emulator, stage):
    return Told(emulator, stage).sets()


# -- reading ---------------------------------------------------------------------------------------


def test_revisions_are_told_apart_by_the_role_that_is_their_sets_name(told):
    told.serve("web", 7)
    told.serve("WEB", 2, code="404")
    told.serve("web-r2", 1, 300.0, code="301")
    told.serve("web-r2", 3, 700.0, code="502")
    told.serve("web-r2", 1, 600_000.0, code="503")
    told.serve("other", 9, code="500")
    reading = told.read()
    one, two = (reading.revisions[number]["all"] for number in (1, 2))
    assert (one.requests, one.errors) == (9, 0)
    assert (two.requests, two.errors) == (5, 4)
    assert reading.bounds == BOUNDS
    slow = dict(zip((*BOUNDS, float("inf")), two.latency, strict=True))
    assert {bound: n for bound, n in slow.items() if n} == {0.5: 1, 1.0: 3, float("inf"): 1}


def test_what_has_no_status_failed_if_the_application_says_so(told):
    """gRPC and the like, and codes beyond the many that an exporter tells: "Other"."""
    told.serve("web", 4, code="Other", success=True)
    told.serve("web", 3, code="0", success=False)
    two = told.read().revisions[1]["all"]
    assert (two.requests, two.errors) == (7, 3)


def test_a_revision_without_figures_is_unknown_and_not_well(told):
    told.serve("web", 7)
    reading = told.read()
    assert reading.revisions[1]["all"].requests == 7
    assert reading.revisions[2] == {}


def test_no_figures_at_all_are_an_error(told):
    with pytest.raises(MetricError, match="no data: shop has counted no requests of the roles web"):
        told.read()


def test_a_minute_counts_once_all_of_it_is_visible_and_only_once(told):
    async def go():
        told.begin_a_minute()
        async with told.source() as source:
            for _ in range(3):
                told.serve("web", 10)
                told.serve("web-r2", 10)
                told.emulator.skip(seconds=130)
            seen = []
            for _ in range(3):
                # Asked twice in the same minute it is the same.
                told.emulator.skip(seconds=180)
                await _or_none(source)
                seen.append(await _or_none(source))
            return seen

    seen = asyncio.run(go())
    # The oldest is 570 s old at first, the newest 310 s: less than a minute and five.
    assert seen == [20, 30, 30]


async def _or_none(source):
    try:
        return (await source.read("web", (1, 2))).revisions[2]["all"].requests
    except MetricError:
        return None


def test_what_comes_late_is_counted_with_what_came_before(told):
    """A minute is asked for again for five minutes, and its figure is the newest one, not a sum."""

    async def go():
        told.begin_a_minute()
        told.serve("web-r2", 10)
        async with told.source() as source:
            told.emulator.skip(seconds=400)
            first = await _or_none(source)
            told.emulator.skip(seconds=-400)
            told.serve("web-r2", 5)
            told.emulator.skip(seconds=520)
            return first, await _or_none(source)

    assert asyncio.run(go()) == (10, 15)


def test_nothing_is_asked_while_there_is_no_new_minute(told):
    told.emulator.freeze()

    async def go():
        async with told.source() as source:
            assert [await _or_none(source) for _ in range(3)] == [None] * 3

    asyncio.run(go())
    assert told.emulator.calls()[LIST] == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"kind": "reset"}, Transient),
        ({"kind": "error", "status": 503}, Transient),
        ({"kind": "throttle", "status": 429}, Throttled),
    ],
)
def test_no_answer_is_an_error_and_the_next_one_has_everything(told, trouble, error):
    async def go():
        async with told.source() as source:
            told.serve("web-r2", 4)
            told.emulator.skip(seconds=420)
            told.emulator.fault(action=LIST, **trouble)
            with pytest.raises(error):
                await source.read("web", (1, 2))
            return await source.read("web", (1, 2))

    assert asyncio.run(go()).revisions[2]["all"].requests == 4


def test_what_is_not_permitted_is_said(told):
    told.emulator.deny(actions=["Microsoft.Insights/metrics/read"])
    with pytest.raises(Denied, match=r"Microsoft\.Insights/metrics/read"):
        told.read()


def test_who_is_not_there_has_no_figures(told):
    with pytest.raises(MetricError, match="no fleet other"):
        told.read("other")
    with pytest.raises(MetricError, match="r3 of web has no scale set"):
        told.read(revisions=(1, 3))
    with pytest.raises(Exception, match="nowhere"):
        told.read(component="nowhere")


@pytest.mark.parametrize(
    "text",
    [
        "",
        SUBSCRIPTION,
        f"{SUBSCRIPTION}/shop",
        f"{SUBSCRIPTION}/shop/",
        f"{SUBSCRIPTION}/shop/a/b",
        f"{SUBSCRIPTION}/shop/a'b",
        f"{SUBSCRIPTION}/shop/insights?colour=red",
        "subscription/shop/insights",
    ],
)
def test_an_address_that_makes_no_sense_is_refused(text):
    with pytest.raises(InvalidValue):
        AzureMonitorSource.from_address(text)


# -- judging ---------------------------------------------------------------------------------------


def looks(account):
    """Return how often figures were asked for."""
    return account.emulator.calls().get(LIST, 0)


async def listen(rollout, verdicts):
    """Note what the analysis says, as it says it."""
    async for event in rollout.events():
        if isinstance(event.record, Judged):
            verdicts.append(event.record.verdict)


async def figures_until(account, told, code, over):
    """Servers answer; another minute's requests come as soon as the one before was looked at."""

    def looked(seen):
        return looks(account) > seen or over()

    while not over():
        for role, status in (("web", "200"), ("web-r2", "200"), ("web-r2", code)):
            told.serve(role, 100, code=status)
        seen = looks(account)
        account.emulator.skip(seconds=60)
        await eventually(partial(looked, seen))


@pytest.fixture
def judged(account, monkeypatch):
    """Roll out in two stages, and let the new servers answer half with *code*; end and verdicts."""
    told = Told(account.emulator, account.stage)
    monkeypatch.setattr("immutable.engine.sources.metric_source", lambda _: told.new())
    address = f"azuremonitor:{account.emulator.subscription}/rg/shop"
    gate = Analysis(source=address, interval=0.5, requests=400)
    verdicts = []

    async def go(code, bake):
        strategy = Canary(stages=("50%", "100%"), bake=bake, gates=(gate,))
        async with account.fleet() as fleet:
            rollout = fleet.replace(account.images[1], strategy, limits=LIMITS)
            task = asyncio.ensure_future(ended(rollout))
            await eventually(lambda: looks(account))
            listening = asyncio.ensure_future(listen(rollout, verdicts))
            passed = partial(verdicts.count, Verdict.PASS)
            await figures_until(account, told, code, lambda: task.done() or passed())
            if passed():
                await rollout.resume(reason="there are figures now")
            end = await task
            listening.cancel()
            return end, verdicts

    account.group(2)
    # Stable has been told of for a while. With no figures at all the rollout would pause at once.
    told.serve("web", 100)
    account.emulator.skip(seconds=420)
    return lambda code, bake: run(go(code, bake))


@pytest.mark.timeout(240)
def test_a_canary_whose_servers_tell_of_errors_is_turned(account, judged):
    before = account.everything()
    end, verdicts = judged("500", bake=36_000)
    assert isinstance(end, RolledBack)
    assert "errors" in str(end)
    assert Verdict.PASS not in verdicts
    assert account.everything() == before
    # A minute's figures come five minutes later: with fewer looks it would have judged nothing.
    assert looks(account) >= 6


@pytest.mark.timeout(240)
def test_a_good_canary_pauses_without_figures_and_goes_on_with_them(account, judged):
    end, verdicts = judged("200", bake=0.1)
    assert end.status.value == "succeeded"
    assert verdicts[0] is Verdict.INCONCLUSIVE
    assert {each["group"] for each in account.emulator.members()} == {"web-r2"}
    assert looks(account) >= 6


# -- what an answer means --------------------------------------------------------------------------


def answer(data, bucket="<250ms", **values):
    """Return an answer of one series."""
    own = {
        "cloud/rolename": "web",
        "request/resultcode": "200",
        "request/success": "True",
        "request/performancebucket": bucket,
        **values,
    }
    metadata = [{"name": {"value": name}, "value": value} for name, value in own.items()]
    return {"value": [{"timeseries": [{"metadatavalues": metadata, "data": data}]}]}


def point(**value):
    return {"timeStamp": "2026-01-01T00:01:00Z", **value}


@given(st.lists(st.sampled_from(range(len(BUCKETS))), min_size=1, max_size=30))
def test_every_request_is_counted_in_the_bucket_that_it_was_told_in(drawn):
    told = [
        figure
        for at in set(drawn)
        for figure in figures(answer([point(count=float(drawn.count(at)))], BUCKETS[at]))
    ]
    traffic = totals(told, {1: "web"})[1]["all"]
    assert traffic.latency == tuple(drawn.count(at) for at in range(len(BUCKETS)))
    assert (traffic.requests, traffic.errors) == (len(drawn), 0)


def test_buckets_end_where_bounds_are():
    assert tuple(end / 1000 for end in ENDS) == BOUNDS


def test_a_minute_without_a_value_is_missing_and_not_nought():
    assert figures(answer([point(), point(count=None)])) == []
    (none,) = figures(answer([point(count=0.0)]))
    assert none.count == 0


def test_half_an_answer_is_none():
    failed = {"value": [{"errorCode": "Timeout", "errorMessage": "a store is away"}]}
    with pytest.raises(MetricError, match="a store is away"):
        figures(failed)
    (metric,) = answer([point(count=1.0)])["value"]
    full = {"value": [{"timeseries": metric["timeseries"] * question(["web"], 0, 60)["top"]}]}
    with pytest.raises(MetricError, match="may have left out"):
        figures(full)


@pytest.mark.parametrize(
    "wrong", [answer([point(count=-1.0)]), answer([point(count="5")]), answer([], "soon")]
)
def test_what_is_no_count_is_an_error(wrong):
    with pytest.raises(MetricError):
        figures(wrong)


def test_one_question_names_all_roles_and_splits_by_outcome():
    asked = question(["web-r2", "web"], 0, 120)
    assert asked["timespan"] == "1970-01-01T00:00:00Z/1970-01-01T00:02:00Z"
    assert asked["filter"].startswith("cloud/roleName eq 'web' or cloud/roleName eq 'web-r2' and ")


def test_a_figure_of_another_role_is_nobodys():
    minutes = [Figure("web-r20", "200", True, 0, 60.0, 5)]
    assert totals(minutes, {2: "web-r2"}) == {2: {}}
