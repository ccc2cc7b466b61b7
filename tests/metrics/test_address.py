"""The address of the source `prometheus`: what it may say, and what it never repeats."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable.errors import InvalidValue
from immutable.metrics import PrometheusAddress
from immutable.metrics.selector import Selector
from immutable.model import Analysis

NEEDED = "requests=all_total&errors=bad_total"
FULL = (
    "https://prom.internal/x?requests=http_requests_total"
    '&errors=http_requests_total{status=~"5.."}&latency=http_request_duration_seconds_bucket'
    "&revision=version&series=pod&fleet=service&token_env=PROM_TOKEN&timeout=5"
)


def test_every_option_is_read():
    found = PrometheusAddress.parse(FULL)
    assert found == PrometheusAddress(
        "https://prom.internal/x",
        "http_requests_total",
        'http_requests_total{status=~"5.."}',
        "http_request_duration_seconds_bucket",
        fleet="service",
        revision="version",
        series="pod",
        token_env="PROM_TOKEN",
        timeout=5,
    )


def test_the_built_source_goes_into_an_analysis_and_is_read_back():
    found = PrometheusAddress.parse(FULL)
    name, _, address = Analysis(source=found.source).source.partition(":")
    assert name == "prometheus"
    assert PrometheusAddress.parse(address) == found


def test_what_is_left_out_has_the_usual_names():
    found = PrometheusAddress.parse(f"http://prom:9090?{NEEDED}")
    assert (found.fleet, found.revision, found.series) == ("fleet", "revision", "instance")
    assert (found.latency, found.token_env, found.timeout) == (None, None, 10)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_value_of_a_matcher_survives_being_written_and_read(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    selector = f'bad_total{{path="{escaped}"}}'
    found = PrometheusAddress("http://prom", "all_total", selector)
    assert PrometheusAddress.parse(str(found)) == found


def test_a_plus_stays_a_plus_and_an_ampersand_is_escaped():
    found = PrometheusAddress.parse('http://prom?requests=a&errors=b{path=~"/x/.+%26.%25"}')
    assert found.errors == 'b{path=~"/x/.+&.%"}'


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"prom.internal?{NEEDED}", "no http:// or https://"),
        (f"ftp://prom?{NEEDED}", "no http:// or https://"),
        (f"https://?{NEEDED}", "no http:// or https://"),
        (f"https://prom:port?{NEEDED}", "no URL"),
        (f"https://prom#x?{NEEDED}", "ends with its path"),
        ("https://prom", "requests and errors must say"),
        ("https://prom?requests=a", "errors must say which"),
        ("https://prom?requests=a&errors=", "errors must say which"),
        (f"https://prom?{NEEDED}&latncy=c", "'latncy': unknown; there are requests, errors"),
        (f"https://prom?{NEEDED}&errors=c", "given twice"),
        (f"https://prom?{NEEDED}&fleet=a-b", "no name of a label"),
        (f"https://prom?{NEEDED}&series=le", "none of them le"),
        (f"https://prom?{NEEDED}&series=fleet", "three labels"),
        (f"https://prom?{NEEDED}&timeout=long", "no number of seconds"),
        (f"https://prom?{NEEDED}&timeout=31", "at most 30"),
        (f"https://prom?{NEEDED}&timeout=nan", "at most 30"),
        ("https://prom?requests=rate(a[5m])&errors=b", "no function and no range"),
        ("https://prom?requests=a&errors=b&latency=", "selects no counters"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_and_says_why(address, says):
    with pytest.raises(InvalidValue) as refused:
        PrometheusAddress.parse(address)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        f"https://me:s3cr3t@prom?{NEEDED}",
        f"https://s3cr3t@prom?{NEEDED}",
        f"https://me:s3cr3t/x@prom?{NEEDED}",
        f"https://me:12?s3cr3t@prom?{NEEDED}",
        f"https://me:12#s3cr3t@prom?{NEEDED}",
        f"https://prom?{NEEDED}&token=s3cr3t",
        f"https://prom?{NEEDED}&token_env=s3cr3t",
        f"https://prom?{NEEDED}&token_env=S3CR3T.s3cr3t",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(address):
    with pytest.raises(InvalidValue) as refused:
        PrometheusAddress.parse(address)
    assert "s3cr3t" not in str(refused.value)
    assert "s3cr3t" not in repr(refused.value)
    assert refused.value.__cause__ is None


def test_credentials_in_the_url_are_refused_with_the_reason_and_the_way_out():
    with pytest.raises(InvalidValue, match=r"plans, journals and logs; .*token_env=NAME"):
        PrometheusAddress.parse(f"https://me:pass@prom?{NEEDED}")


def test_a_token_goes_over_https_or_stays_on_this_machine():
    for url in ("https://prom", "http://localhost:9090", "http://127.0.0.1", "http://[::1]:9090"):
        assert PrometheusAddress(url, "a", "b", token_env="TOKEN")
    with pytest.raises(InvalidValue, match="could read the token; use https"):
        PrometheusAddress("http://prom", "a", "b", token_env="TOKEN")


def test_the_token_is_read_from_the_environment_each_time(monkeypatch):
    address = PrometheusAddress("https://prom", "a", "b", token_env="PROM_TOKEN")
    assert evolve(address, token_env=None).token() is None
    monkeypatch.setenv("PROM_TOKEN", "abc.def\n")
    assert address.token() == "abc.def"
    monkeypatch.setenv("PROM_TOKEN", "xyz")
    assert address.token() == "xyz"


@pytest.mark.parametrize(
    ("value", "says"), [(None, "is not set"), (" ", "is empty"), ("se\r\ncret", "no token")]
)
def test_a_token_that_is_none_is_an_error_without_it(monkeypatch, value, says):
    monkeypatch.delenv("PROM_TOKEN", raising=False)
    if value is not None:
        monkeypatch.setenv("PROM_TOKEN", value)
    with pytest.raises(InvalidValue, match=says) as refused:
        PrometheusAddress("https://prom", "a", "b", token_env="PROM_TOKEN").token()
    assert "cret" not in str(refused.value)


# -- selectors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "narrowed"),
    [
        ("a_total", 'a_total{x="1"}'),
        ("job:a:sum", 'job:a:sum{x="1"}'),
        ("a_total{}", 'a_total{x="1"}'),
        (' a_total { status = "500" , } ', 'a_total{status = "500",x="1"}'),
        ("a{b='x\"y',c!~`z`}", 'a{b=\'x"y\',c!~`z`,x="1"}'),
        ('a{b="}",c="a,b{"}', 'a{b="}",c="a,b{",x="1"}'),
        ('a{b="\\"}"}', 'a{b="\\"}",x="1"}'),
        ('{__name__=~"a|b"}', '{__name__=~"a|b",x="1"}'),
        ('{"http.requests", "my.label"="v"}', '{"http.requests","my.label"="v",x="1"}'),
    ],
)
def test_a_selector_is_narrowed(text, narrowed):
    assert Selector.parse("requests", text).where('x="1"') == narrowed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{b="c"}',
        "{",
        "rate(a[5m])",
        "a[5m]",
        "a offset 5m",
        "a + b",
        "a{b}",
        'a{b="c"',
        'a{b="c" d="e"}',
        'a{b=="c"}',
        'a{,b="c"}',
        'a{b="c"} or vector(1)',
        'a{b="c"} or a{b="d"}',
        'a{b="\n"}',
    ],
)
def test_what_is_no_selector_is_refused(text):
    with pytest.raises(InvalidValue, match="selects no counters"):
        Selector.parse("requests", text)


@pytest.mark.parametrize(
    ("text", "any_"),
    [
        ("a", 'a{x="1"}'),
        ('a{status=~"5..",job="j"}', 'a{status!="",job!="",x="1"}'),
        ('a{status!="200",code!~"2..",empty="",all=~".*",odd=~"["}', 'a{x="1"}'),
        ('{__name__="a",status="5"}', '{__name__="a",status!="",x="1"}'),
    ],
)
def test_the_kind_of_a_selector_asks_for_its_labels_only(text, any_):
    assert Selector.parse("errors", text).any('x="1"') == any_
