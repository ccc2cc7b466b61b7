"""Reading counters through the HTTP API of a Prometheus, or not."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue, MetricError, RegistryError
from immutable.metrics import PrometheusAddress
from immutable.metrics.answers import samples
from immutable.metrics.prometheus import PrometheusSource
from immutable.metrics.questions import reading
from immutable.model import Traffic
from immutable.registry import metric_source
from tests.metrics.answering import KINDS, answering, failure, sample, series, vector

OPTIONS = 'requests=all_total&errors=all_total{status=~"5.."}'
ADDRESS = PrometheusAddress("https://prom", "all_total", "bad_total", "took_seconds_bucket")
LATENCY = "&latency=took_seconds_bucket"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with answering() as server:
        yield server


def read(server, more="", *, fleet="web", revisions=(1, 2)):
    """What the source reads."""

    async def main():
        source = PrometheusSource.from_address(f"{server.url}?{OPTIONS}{more}")
        try:
            return await source.read(fleet, revisions)
        finally:
            await source.close()

    return asyncio.run(main())


def complaint(server, more=""):
    """What the source says about what it can't read."""
    with pytest.raises(MetricError) as failed:
        read(server, more)
    assert str(failed.value).startswith(f"prometheus at {server.url}: ")
    return str(failed.value)


# -- asking ---------------------------------------------------------------------------------------


def test_all_is_asked_in_one_query_of_one_moment(server):
    server.body = vector(*series(1, "a", 5), KINDS)
    read(server)
    (asked,) = server.asked
    assert server.paths == ["/api/v1/query"]
    assert asked == {
        "query": (
            "label_replace(sum by (revision, instance)"
            ' (all_total{fleet="web",revision=~"1|2"}),'
            ' "immutable_counter", "requests", "", "")'
            " or label_replace(sum by (revision, instance)"
            ' (all_total{status=~"5..",fleet="web",revision=~"1|2"}),'
            ' "immutable_counter", "errors", "", "")'
            ' or label_replace(count(all_total{status!="",fleet="web"}),'
            ' "immutable_counter", "kinds", "", "")'
        ),
        "timeout": "10000ms",
    }


def test_latency_is_asked_by_bucket_and_labels_have_the_names_that_were_given(server):
    body = vector(sample("requests", 1, version="1", pod="a"),
                  sample("latency", 1, version="1", pod="a", le="+Inf"), KINDS)  # fmt: skip
    server.body = body
    read(server, f"{LATENCY}&fleet=service&revision=version&series=pod&timeout=2.5")
    (asked,) = server.asked
    assert (
        'sum by (version, pod, le) (took_seconds_bucket{service="web",version=~"1|2"})'
    ) in asked["query"]
    assert asked["timeout"] == "2500ms"


def test_a_fleets_name_can_not_break_out_of_its_quotes(server):
    server.body = vector(*series(1, "a", 5), KINDS)
    read(server, fleet='a"} or up{x="\\')
    assert 'fleet="a\\"} or up{x=\\"\\\\"' in server.asked[0]["query"]


def test_a_path_before_the_api_is_kept(server):
    server.body = vector(*series(1, "a", 5), KINDS)

    async def main():
        source = PrometheusSource.from_address(f"{server.url}/prometheus/?{OPTIONS}")
        await source.read("web", (1, 2))
        await source.close()

    asyncio.run(main())
    assert server.paths == ["/prometheus/api/v1/query"]


def test_the_token_is_sent_and_never_told(server, monkeypatch):
    monkeypatch.setenv("PROM_TOKEN", "s3cr3t")
    server.body = vector(*series(1, "a", 5), KINDS)
    read(server, "&token_env=PROM_TOKEN")
    assert server.got[0]["authorization"] == "Bearer s3cr3t"
    server.status, server.body = 403, failure("forbidden", "no rights for Bearer s3cr3t")
    said = complaint(server, "&token_env=PROM_TOKEN")
    assert said.endswith("answered 403, forbidden: no rights for Bearer …")


def test_no_credentials_are_sent_when_none_are_named(server):
    server.body = vector(*series(1, "a", 5), KINDS)
    read(server)
    assert "authorization" not in server.got[0]


def test_a_redirect_is_not_followed(server):
    server.status, server.body = 302, b""
    server.headers = {"Location": f"{server.url}/login"}
    assert "redirects are not followed" in complaint(server)
    assert len(server.paths) == 1


# -- reading --------------------------------------------------------------------------------------


def test_counters_come_by_revision_and_series(server):
    server.body = vector(*series(1, "a", 100, 1), *series(1, "b", 90), *series(2, "c", 10, 2))
    assert read(server).revisions == {
        1: {"a": Traffic(100, 1), "b": Traffic(90, 0)},
        2: {"c": Traffic(10, 2)},
    }


def test_buckets_become_counts_between_bounds(server):
    buckets = {"le_0_1": 3, "le_0_5": 7, "le_Inf": 8}
    server.body = vector(*reversed(series(1, "a", 8, **buckets)), KINDS)
    found = read(server, LATENCY)
    assert found.bounds == (0.1, 0.5)
    assert found.revisions == {1: {"a": Traffic(8, 0, (3, 4, 1))}, 2: {}}


def test_bounds_are_equal_by_their_value_not_by_their_spelling(server):
    one, other = {"le_1": 2, "le_Inf": 2}, {"le_1_0": 1, "le_Inf": 3}
    server.body = vector(*series(1, "a", 2, **one), *series(2, "b", 3, **other))
    assert read(server, LATENCY).revisions[2] == {"b": Traffic(3, 0, (1, 2))}


def test_a_process_without_errors_so_far_has_none_if_the_fleet_shows_such_a_counter(server):
    server.body = vector(*series(1, "a", 100, None), KINDS)
    assert read(server).revisions[1] == {"a": Traffic(100, 0)}


def test_a_process_that_answered_nothing_so_far_has_empty_buckets(server):
    buckets = {"le_1": 2, "le_Inf": 2}
    server.body = vector(*series(1, "a", 2, **buckets), *series(2, "b", 0))
    assert read(server, LATENCY).revisions[2] == {"b": Traffic(0, 0, (0, 0))}


def test_large_counts_are_read_as_prometheus_writes_them(server):
    server.body = vector(*series(1, "a", "1.234567e+06"), KINDS)
    assert read(server).revisions[1]["a"].requests == 1_234_567


def test_notes_of_the_server_are_no_warnings(server):
    server.body = vector(*series(1, "a", 5), KINDS, infos=["metric might not be a counter"])
    assert read(server).revisions[1] == {"a": Traffic(5)}


def test_a_series_that_is_missing_once_is_no_news_when_it_is_back(server):
    async def main():
        source = PrometheusSource.from_address(f"{server.url}?{OPTIONS}")
        found = []
        for c in (series(2, "c", 1_000, 7), [], series(2, "c", 1_010, 7), series(2, "c", 4, 0)):
            server.body = vector(*series(1, "a", 100), *c)
            found.append((await source.read("web", (1, 2))).revisions[2])
        await source.close()
        return found

    first, gap, back, restarted = asyncio.run(main())
    assert first == gap == {"c": Traffic(1_000, 7)}
    assert back == {"c": Traffic(1_010, 7)}
    assert restarted == {"c": Traffic(4, 0)}


def test_a_source_that_was_closed_can_be_read_again(server):
    server.body = vector(*series(1, "a", 5), KINDS)

    async def main():
        source = PrometheusSource.from_address(f"{server.url}?{OPTIONS}")
        await source.close()
        await source.read("web", (1, 2))
        await source.close()
        await source.close()

    asyncio.run(main())


def test_two_analyses_may_read_at_once(server):
    server.body = vector(*series(1, "a", 5), KINDS)

    async def main():
        source = PrometheusSource.from_address(f"{server.url}?{OPTIONS}")
        one, other = await asyncio.gather(*(source.read("web", (1, 2)) for _ in range(2)))
        await source.close()
        assert one == other

    asyncio.run(main())


# -- figures that can't be judged -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], 'no data: no series of all_total has fleet="web" and revision 1 or 2'),
        ([KINDS], "no data: no series of all_total has"),
        (series(1, "a", 5, None), 'no data: the fleet has no series all_total{status!=""}'),
        (series(1, "a", "NaN"), 'instance="a", revision="1"} is NaN, which is no count'),
        (series(1, "a", "+Inf"), "is +Inf, which is no count"),
        (series(1, "a", "-1"), "is -1, which is no count"),
        (series(1, "a", "0.25"), "is 0.25, which is no count of requests: name a counter"),
        (series(1, "a", "many"), "is many, which is no count"),
        (series(1, "a", 5, 6), "revision 1, a has 6 errors in 5 requests"),
        ([sample("errors", 1, revision="1", instance="a"), *series(1, "b", 1)], "1 errors in 0"),
        ([sample("requests", 5, revision="1")], "requests without a label instance: name the"),
        (series(3, "a", 5), "answered for revision '3', asked for (1, 2)"),
        ([sample("requests", 5, instance="a")], "answered for revision None"),
    ],
)
def test_counters_that_can_not_be_are_an_error(server, entries, says):
    server.body = vector(*entries)
    assert says in complaint(server)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (series(1, "a", 5), "no data: no series of took_seconds_bucket has"),
        (
            [*series(1, "a", 5, le_1=3, le_Inf=5), *series(2, "b", 5, le_2=3, le_Inf=5)],
            "revision 2, b has latency buckets 2, inf, revision 1, a has 1, inf",
        ),
        (series(1, "a", 5, le_1=5), "revision 1, a has no latency bucket +Inf"),
        (series(1, "a", 5, le_1=5, le_Inf=3), "fewer requests in a slower latency bucket"),
        (series(1, "a", 5, le_1="NaN", le_Inf=3), "is NaN, which is no count"),
        (series(1, "a", 5, le_x=5, le_Inf=5), "no label le with a bound"),
        ([*series(1, "a", 5), sample("latency", 5, revision="1", instance="a")], "no label le"),
    ],
)
def test_latencies_that_can_not_be_compared_are_an_error(server, entries, says):
    server.body = vector(*entries)
    assert says in complaint(server, LATENCY)


def test_bounds_that_change_during_a_rollout_are_an_error(server):
    async def main():
        source = PrometheusSource.from_address(f"{server.url}?{OPTIONS}{LATENCY}")
        server.body = vector(*series(1, "a", 5, le_1=5, le_Inf=5))
        await source.read("web", (1, 2))
        server.body = vector(*series(1, "a", 5, le_2=5, le_Inf=5))
        try:
            with pytest.raises(MetricError, match="bounds of the latency buckets have changed"):
                await source.read("web", (1, 2))
        finally:
            await source.close()

    asyncio.run(main())


# -- servers that don't answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, failure("bad_data", '1:5: parse error: unexpected "x"'), "answered 400, bad_data: 1"),
        (422, failure("execution", "many-to-many matching"), "answered 422, execution: many-to-m"),
        (503, failure("timeout", "query timed out"), "answered 503, timeout: query timed out"),
        (200, failure("internal", "odd"), "answered 200, internal: odd"),
        (500, vector(), "answered 500, error: nothing more"),
        (401, b"<html>", "answered 401: it wants other credentials; name a token"),
        (404, b"404 page not found", "is a path missing in the URL?): 404 page not found"),
        (502, b"", "answered 502 and not as Prometheus does"),
        (200, b"[1]", "answered 200 and not as Prometheus does"),
        (200, b"[" * 100_000, "answered 200 and not as Prometheus does"),
        (200, b'{"status": "success"}', "a result of type None, not a vector"),
        (200, b'{"status": "success", "data": {"resultType": "vector"}}', "not a vector"),
        (200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}', "scalar"),
        (200, vector({"metric": {}, "histogram": [1, {}]}), "answered with a native histogram"),
        (200, vector({"metric": {}, "value": []}), "answered with a value that is none"),
        (200, vector(7), "answered with a value that is none"),
        (
            200,
            vector(*series(1, "a", 5), KINDS, warnings=["store gateway is down", "x"]),
            "answered with a warning, so something is missing: store gateway is down",
        ),
    ],
)
def test_an_answer_that_is_none_says_what_the_server_said(server, status, body, says):
    server.status, server.body = status, body
    assert says in complaint(server)


def test_a_long_message_is_cut(server):
    server.status, server.body = 422, failure("execution", "x" * 10_000)
    assert len(complaint(server)) < 500


@pytest.mark.parametrize("sign", ["\ud800", "\x1b[2J", "\u202e"])
def test_what_can_not_be_printed_is_left_out_of_a_message(server, sign):
    server.status, server.body = 422, failure("execution", f"odd {sign} name")
    said = complaint(server)
    assert said.isprintable()
    assert "odd �" in said
    server.status, server.body = 200, vector(*series(1, f"a{sign}", 5, 6))
    assert "revision 1, a� has" in complaint(server).replace("[2J", "")


def test_an_answer_is_understood_beside_the_event_loop(server, monkeypatch):
    threads = []

    def noting(*args):
        threads.append(threading.current_thread())
        return samples(*args)

    monkeypatch.setattr("immutable.metrics.prometheus.samples", noting)
    server.body = vector(*series(1, "a", 5), KINDS)
    read(server)
    assert threading.main_thread() not in threads


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
labels = st.fixed_dictionaries(
    {
        "immutable_counter": st.sampled_from(["requests", "errors", "latency", "kinds", "other"]),
        "revision": st.sampled_from(["1", "2", "3", ""]),
        "instance": st.sampled_from(["a", "b", ""]),
    },
    optional={"le": st.sampled_from(["0.1", "1", "+Inf", "NaN", "x"])},
)
values = st.sampled_from(["0", "1", "2", "0.5", "NaN", "-1", "1e400"])
entries = (
    st.builds(lambda metric, value: {"metric": metric, "value": [1, value]}, labels, values)
    | st.fixed_dictionaries({"metric": json_values, "value": json_values})
    | json_values
)


@given(
    body=st.binary() | st.lists(entries, max_size=4).map(lambda some: vector(*some)),
    status=st.integers(100, 599),
)
def test_whatever_is_answered_is_a_vector_or_an_error_that_says_so(body, status):
    try:
        found = samples(status, body)
        reading(ADDRESS, "web", (1, 2), found)
    except MetricError as error:
        assert str(error)  # noqa: PT017  # An answer may be one.


def test_a_huge_answer_is_not_read_to_its_end(server, monkeypatch):
    monkeypatch.setattr("immutable.metrics.prometheus._LARGEST", 1 << 20)
    server.body = vector(*series(1, "a", 5), KINDS, infos=["x" * (2 << 20)])
    assert "answered with more than 1 MiB" in complaint(server)


def test_a_slow_answer_is_not_waited_for(server):
    server.pause = 30
    assert complaint(server, "&timeout=0.2").endswith("no answer within 0.2 s")


def test_nobody_there_is_said(server):
    server.url = "http://127.0.0.1:1"
    assert "can't be asked" in complaint(server)


def test_an_answer_that_breaks_off_is_said(server):
    server.headers = {"Content-Encoding": "gzip"}
    server.body = json.dumps({"status": "success"}).encode()
    assert "can't be asked" in complaint(server)


# -- finding it -----------------------------------------------------------------------------------


def test_it_is_found_by_its_name():
    found = metric_source("prometheus:https://prom?requests=a&errors=b")
    assert isinstance(found, PrometheusSource)


def test_a_missing_token_is_said_before_anything_is_asked(monkeypatch):
    monkeypatch.delenv("PROM_TOKEN", raising=False)
    with pytest.raises(InvalidValue, match="environment variable is not set"):
        metric_source("prometheus:https://prom?requests=a&errors=b&token_env=PROM_TOKEN")


def test_without_httpx_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr("immutable.metrics.prometheus.find_spec", lambda name: None)
    with pytest.raises(RegistryError, match=r"pip install 'immutable-sdk\[prometheus\]'"):
        metric_source("prometheus:https://prom?requests=a&errors=b")
