"""What is decided without a cloud: addresses, marks, tables of weights, what errors mean."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError
from google.protobuf.json_format import ParseError
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import ConnectionError as Dropped
from requests.exceptions import ReadTimeout

from immutable.backend import (
    CapacityShortage,
    Conflict,
    Denied,
    FleetURL,
    Gone,
    Hold,
    Invalid,
    Origin,
    Pool,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.errors import InvalidValue
from immutable.toolkit.weights import shares
from immutable_gcp.address import Place
from immutable_gcp.faults import failed, translated, without_secrets
from immutable_gcp.images import parse
from immutable_gcp.marks import Marks, Saved, described, read
from immutable_gcp.names import request_id
from immutable_gcp.room import needs_of, quota_problems
from immutable_gcp.tables import others, path_of, table_of, with_table
from immutable_gcp.tables import shares as table_for
from immutable_gcp.template import FleetTemplate

# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "regional", "region"),
    [("europe-west1", True, "europe-west1"), ("europe-west1-b", False, "europe-west1")],
)
def test_a_location_is_a_zone_or_a_region(location, regional, region):
    place = Place.of(FleetURL.parse(f"gcp://my-project/{location}/web"))
    assert (place.regional, place.region) == (regional, region)
    assert place.where == {"region" if regional else "zone": location}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("gcp://p1/nowhere/web", "neither a region nor a zone"),
        ("gcp://europe-west1/web", "neither a region nor a zone"),
        ("gcp://p1/europe-west1/Web", "lower-case"),
        ("gcp://p1/europe-west1/web?endpoint=ftp://x", "http"),
        ("gcp://p1/europe-west1/web?traffic=some", "weights"),
        ("gcp://p1/europe-west1/web?colour=blue", "credentials, endpoint, traffic"),
        ("gcp://p1/europe-west1/web?credentials=ya29.secret", "only 'anonymous'"),
        ("gcp://p1/europe-west1/web?endpoint=http://me:secret@host", "without a user"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_and_no_secret_repeated(url, says):
    with pytest.raises(InvalidValue, match=says) as caught:
        Place.of(FleetURL.parse(url))
    assert "secret" not in str(caught.value)


def test_nothing_of_google_is_imported_before_it_is_opened():
    program = (
        "import sys; import immutable, immutable_gcp\n"
        "from immutable.backend import FleetURL, SystemClock\n"
        "url = FleetURL.parse('gcp://p1/europe-west1/web')\n"
        "immutable_gcp.GcpBackend.from_url(url, clock=SystemClock())\n"
        "assert not [n for n in sys.modules if n.split('.')[0] in ('google', 'requests', 'proto')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# -- marks -----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
MARKS = st.builds(
    Marks,
    fleet=WORDS,
    revision=st.integers(0, 10**6),
    rollout=WORDS,
    plan=WORDS,
    origin=st.sampled_from(Origin),
    pool=st.sampled_from(Pool),
    maximum=st.none() | st.integers(0, 5000),
    last=st.tuples(st.integers(1, 10**6), WORDS),
    hold=st.none()
    | st.builds(
        Hold,
        rollout=WORDS,
        fence=st.integers(0, 99),
        until=st.floats(0, 1e10),
        plan=WORDS,
        size=st.none() | st.integers(0, 5000),
    ),
    retired=WORDS,
)


@given(WORDS.filter(lambda text: not text.endswith("\n") and "immutable:" not in text), MARKS)
def test_marks_are_read_as_they_were_written_and_the_owners_words_stay(theirs, marks):
    text = described(theirs, marks)
    assert read(text) == marks
    assert described(text, Marks()) == theirs
    assert read(described(text, marks)) == marks


def test_a_hold_tells_the_minimum_that_was_saved():
    marks = Marks("web", 1, hold=Hold("r", 1, 5.0, size=3), saved=Saved(2, "ON", "PROACTIVE"))
    told = read(described("", marks))
    assert told.saved == marks.saved
    assert told.hold == Hold("r", 1, 5.0, size=3, minimum=2)


@pytest.mark.parametrize("text", ["immutable:", "immutable:[]", "immutable:{", "x\nimmutable:7"])
def test_damaged_marks_are_none(text):
    assert read(text) == Marks()


# -- tables ----------------------------------------------------------------------------------------

POOL = "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/pool"
OWN = "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/web-r2"
ELSE = "https://www.googleapis.com/compute/v1/projects/p/global/backendServices/else"
FRONT = {
    "name": "front",
    "default_service": POOL,
    "path_matchers": [
        {
            "name": "m",
            "default_service": ELSE,
            "path_rules": [{"paths": ["/a"], "service": POOL}],
            "route_rules": [
                {"priority": 1, "service": POOL, "route_action": {"timeout": {"seconds": "9"}}}
            ],
        }
    ],
}


@given(st.integers(0, 1000))
def test_a_table_is_in_every_place_and_gone_without_a_trace(weight):
    table = {POOL: 1000 - weight, OWN: weight}
    divided = with_table(FRONT, [POOL, OWN], table)
    assert {link.partition("v1/")[2]: w for link, w in table.items()} == table_of(divided, [OWN])
    assert str(divided).count("weighted_backend_services") == 3
    assert divided["path_matchers"][0]["default_service"] == ELSE
    assert with_table(divided, [POOL, OWN], {POOL: 1}) == FRONT


def test_a_map_that_divides_with_others_is_seen():
    divided = with_table(FRONT, [POOL], {POOL: 1, ELSE: 1})
    assert others(divided, [POOL]) == {ELSE.partition("v1/")[2]}
    assert others(FRONT, [POOL]) == set()


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=4).filter(sum))
def test_shares_come_back_as_percentages(tenths):
    total = sum(tenths)
    percent = {n: round(t * 1000 / total) / 10 for n, t in enumerate(tenths, 1)}
    services = {n: f"projects/p/global/backendServices/s{n}" for n in percent}
    table = table_for(percent, services)
    told = shares({n: [path_of(link)] for n, link in services.items()}, table)
    whole = sum(table.values()) or 1
    assert told == {n: round(table[services[n]] / whole * 100, 6) for n in percent}


# -- errors ----------------------------------------------------------------------------------------


def refused(status, reason, message="no"):
    kind = exceptions.from_http_status(status, message).__class__
    return kind(message, errors=[{"reason": reason, "message": message}])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused(403, "rateLimitExceeded"), Throttled),
        (
            refused(403, "x", "Quota exceeded for quota metric 'Q' and limit 'Q per minute'"),
            Throttled,
        ),
        (refused(429, "x"), Throttled),
        (refused(400, "resourceNotReady"), Throttled),
        (refused(400, "resourceInUseByAnotherResource"), Throttled),
        (refused(403, "quotaExceeded"), QuotaExceeded),
        (refused(403, "forbidden"), Denied),
        (refused(401, "authError"), Denied),
        (refused(404, "notFound"), Gone),
        (refused(409, "alreadyExists"), Conflict),
        (refused(412, "conditionNotMet", "Invalid fingerprint."), Conflict),
        (refused(412, "conditionNotMet", "Something else."), Invalid),
        (refused(400, "invalid"), Invalid),
        (refused(500, "backendError"), Transient),
        (refused(503, "x"), Transient),
        (Dropped("reset"), Transient),
        (ReadTimeout("late"), Transient),
        (ParseError("half"), Transient),
        (TransportError("no way to the token"), Transient),
        (DefaultCredentialsError("none"), Denied),
        (RefreshError("invalid_grant: secret"), Denied),
    ],
)
def test_what_the_client_raises_is_one_of_the_eight(error, kind):
    told = translated(error, "images.get", "web-1")
    assert type(told) is kind
    assert "images.get web-1" in str(told)
    assert "secret" not in str(told)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ZONE_RESOURCE_POOL_EXHAUSTED", 503, CapacityShortage),
        ("ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", None, CapacityShortage),
        ("RESOURCE_POOL_EXHAUSTED", None, CapacityShortage),
        ("QUOTA_EXCEEDED", 403, QuotaExceeded),
        ("RESOURCE_ALREADY_EXISTS", 409, Conflict),
        ("RESOURCE_NOT_FOUND", 404, Gone),
        ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", 400, Throttled),
        ("RESOURCE_NOT_READY", 400, Throttled),
        ("CONDITION_NOT_MET", 412, Invalid),
        ("INTERNAL_ERROR", None, Transient),
    ],
)
def test_an_operation_with_errors_alone_is_an_error(code, status, kind):
    operation = {"error": {"errors": [{"code": code, "message": "in zones/europe-west1-b"}]}}
    if status:
        operation["http_error_status_code"] = status
    told = failed(operation, "instanceGroupManagers.insert", "web-r2")
    assert type(told) is kind
    assert code in str(told)
    if kind is CapacityShortage:
        assert told.zone == "europe-west1-b"
    assert failed({"status": "DONE"}, "x", "y") is None


def test_tokens_and_keys_are_left_out_of_messages():
    assert without_secrets("with ya29.a0AfB and AIzaSyB") == "with … and …"


def test_a_request_has_its_own_id_and_a_failed_one_another():
    same = [
        request_id("t", "a.b", {"x": 1, "y": 2}, 0),
        request_id("t", "a.b", {"y": 2, "x": 1}, 0),
    ]
    assert len(set(same)) == 1
    more = [
        request_id("t", "a.b", {"x": 1}, 0),
        request_id("u", "a.b", {"x": 1}, 0),
        request_id("t", "a.b", {"x": 1}, 1),
    ]
    assert len({*same, *more}) == 4


# -- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web-1", ("mine", False, "web-1")),
        ("family/web", ("mine", True, "web")),
        ("projects/p/global/images/7", ("p", False, "7")),
        (
            "https://www.googleapis.com/compute/v1/projects/p/global/images/family/w",
            ("p", True, "w"),
        ),
        ("a b", None),
        ("", None),
    ],
)
def test_references_of_images(text, told):
    assert parse(text, "mine") == told


def test_quotas_are_of_the_machines_family():
    assert needs_of("e2-standard-4", 4, 3, public=False, preemptible=False) == {
        "INSTANCES": 3,
        "CPUS": 12,
    }
    needs = needs_of("n2-standard-4", 4, 3, public=True, preemptible=False)
    assert needs == {"INSTANCES": 3, "N2_CPUS": 12, "IN_USE_ADDRESSES": 3}
    (problem,) = quota_problems([{"metric": "N2_CPUS", "limit": 24.0, "usage": 16}], needs, "here")
    assert "N2_CPUS of here is 24, 16 are used and 12 more are needed" in problem.what


def test_settings_of_a_fleet_that_make_no_sense_are_all_named():
    with pytest.raises(Invalid) as caught:
        FleetTemplate.of({"machin_type": "e2", "port": "x", "spread": "ODD", "label.A": "b"})
    for word in ("machin_type", "machine_type=''", "port='x'", "spread='ODD'", "label.A"):
        assert word in str(caught.value)
