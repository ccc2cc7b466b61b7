"""Requests against Google's schema, which comes out of the client: nothing passes by accident."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from google.api_core import exceptions

PROJECT = "/compute/v1/projects/acme"


@pytest.fixture
def raw(emulator):
    """A request without the client; status, reason, and what the test would have failed with."""

    def send(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(emulator.url + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply), emulator.failures()
        except urllib.error.HTTPError as error:
            said = json.load(error)["error"]
            return said["code"], said["errors"][0]["reason"], emulator.failures()

    return send


def test_a_method_that_there_is_not(raw):
    status, reason, failures = raw("GET", f"{PROJECT}/global/fleets")
    assert (status, reason) == (404, "notEmulated")
    assert "/global/fleets" in failures[0]


def test_a_method_that_nothing_here_does(emulator, stage):
    with pytest.raises(exceptions.MethodNotImplemented):
        list(emulator.client("routers").list(project=stage.project, region=emulator.region))
    assert "routers.list is not emulated" in emulator.failures()


def test_a_field_that_there_is_not(raw):
    body = {"name": "net", "colour": "red"}
    status, reason, failures = raw("POST", f"{PROJECT}/global/networks", body)
    assert (status, reason) == (400, "notEmulated")
    assert "colour" in failures[0]


def test_a_field_in_snake_case(raw):
    body = {"name": "net", "auto_create_subnetworks": True}
    status, _, failures = raw("POST", f"{PROJECT}/global/networks", body)
    assert status == 400
    assert "autoCreateSubnetworks is meant" in failures[0]


def test_a_value_of_the_wrong_type(raw):
    body = {"name": "net", "autoCreateSubnetworks": "perhaps"}
    status, _, failures = raw("POST", f"{PROJECT}/global/networks", body)
    assert status == 400
    assert "autoCreateSubnetworks" in failures[0]


def test_a_parameter_that_there_is_not(raw):
    status, _, failures = raw("GET", f"{PROJECT}/global/networks?colour=red")
    assert status == 400
    assert "colour" in failures[0]


def test_a_body_where_none_belongs(raw):
    status, _, failures = raw("GET", f"{PROJECT}/global/networks", {"name": "net"})
    assert status == 400
    assert "a body" in failures[0]


def test_a_word_that_is_in_no_enumeration(emulator, fleet):
    """The client takes any string: only the server knows that this is none."""
    fleet.make(0)
    with pytest.raises(exceptions.BadRequest, match="PROACTIVE"):
        fleet.patch(update_policy={"type_": "EAGER"})
    assert "OPPORTUNISTIC, PROACTIVE" in emulator.failures()[0]


def test_a_name_that_breaks_the_pattern(stage):
    with pytest.raises(exceptions.BadRequest, match="regex"):
        stage.image("Web_1")


def test_an_error_is_shaped_as_google_shapes_it(stage):
    with pytest.raises(exceptions.NotFound) as caught:
        stage.told("none")
    assert caught.value.errors[0]["reason"] == "notFound"
    assert "instanceGroupManagers/none' was not found" in str(caught.value)


def test_a_project_a_zone_a_region_that_there_are_not(emulator, stage):
    with pytest.raises(exceptions.NotFound):
        emulator.client("projects").get(project="other")
    with pytest.raises(exceptions.BadRequest):
        list(emulator.client("instances").list(project=stage.project, zone="us-east1-b"))


def test_another_client_is_refused_by_name(monkeypatch):
    from backends.gcp.tests.emulator import schema

    monkeypatch.setattr(schema, "PINNED", "1.0.0")
    with pytest.raises(RuntimeError, match=r"written for google-cloud-compute 1\.0\.0"):
        schema.load()
    monkeypatch.undo()
    monkeypatch.setattr(schema, "FOUND", (1, 1))
    with pytest.raises(RuntimeError, match="not built as it was: 1005 methods"):
        schema.load()
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match=r"has no instances\.explode"):
        schema.load().has(["instances.get", "instances.explode"])


def test_answers_carry_the_cloud_s_own_time(emulator):
    """Not this machine's: a test may have moved it on."""
    from email.utils import parsedate_to_datetime

    def date():
        with urllib.request.urlopen(f"{emulator.url}{PROJECT}/zones", timeout=30) as reply:
            return parsedate_to_datetime(reply.headers["Date"])

    emulator.freeze()
    before = date()
    emulator.skip(seconds=3600)
    assert (date() - before).total_seconds() == 3600
