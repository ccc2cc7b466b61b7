"""What goes wrong on the way, throttling, who is let in, and what is asked wrongly."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest

from backends.azure.tests.emulator import Emulator, actions, routes
from backends.azure.tests.emulator.calls import HANDLERS
from backends.azure.tests.emulator.checking import check
from tests.emulators.process import ROOT

UPDATE = "compute:virtual_machine_scale_sets.update"


def tag(fleet, value="1"):
    return fleet.sets.begin_update("rg", "web", {"tags": {"a": value}})


@pytest.mark.asyncio
async def test_the_nth_call_is_throttled_with_a_header_or_without(emulator, fleet):
    """429 ("Request limits and throttling")."""
    fleet.make(0)
    emulator.fault(action=UPDATE, kind="throttle", skip=1, extra={"retry_after": 7})
    await (await tag(fleet)).result()
    with pytest.raises(HttpResponseError) as caught:
        await tag(fleet, "2")
    assert caught.value.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    emulator.fault(action=UPDATE, kind="throttle", extra={"retry_after": None})
    with pytest.raises(HttpResponseError) as caught:
        await tag(fleet, "3")
    assert "Retry-After" not in caught.value.response.headers
    assert (await fleet.told()).tags == {"a": "1"}


@pytest.mark.asyncio
async def test_a_fault_can_ask_for_a_part_of_the_path(emulator, fleet, refused):
    """Names of parts of the path are what they are called in it."""
    fleet.make(0)
    emulator.fault(
        action="compute:*", kind="error", status=503, code="ServerTimeout", times=None,
        where={"virtualMachineScaleSets": "web"},
    )  # fmt: skip
    await refused(503, "ServerTimeout", fleet.told())
    assert [each.name async for each in fleet.sets.list("rg")] == ["web"]
    assert emulator.clear_faults()[0]["fired"] == 1


@pytest.mark.asyncio
async def test_a_lost_answer_has_had_its_effect_and_a_reset_has_not(emulator, fleet):
    """The client can't tell which it was."""
    fleet.make(0)
    for kind, tags in (("reset", {}), ("lost", {"a": "1"})):
        emulator.fault(action=UPDATE, kind=kind)
        with pytest.raises((ServiceResponseError, ServiceRequestError)):
            await tag(fleet)
        assert ((await fleet.told()).tags or {}) == tags


@pytest.mark.asyncio
async def test_latency_and_polls_fail_too(emulator, fleet):
    """Asking for the status of an operation is a call like any other."""
    fleet.make(0)
    emulator.fault(action="resources:operations.status", kind="error", status=500)
    poller = await tag(fleet)
    with pytest.raises(HttpResponseError) as caught:
        await poller.result()
    assert caught.value.status_code == 500
    assert caught.value.continuation_token
    emulator.fault(action=UPDATE, kind="latency", seconds=0.2)
    await (await tag(fleet, "2")).result()
    assert (await fleet.told()).tags == {"a": "2"}


@pytest.mark.asyncio
async def test_every_call_is_counted_with_what_it_said_and_without_the_token(emulator, fleet):
    """The log, for who counts writes."""
    fleet.make(0)
    emulator.clear_calls()
    await (await tag(fleet)).result()
    assert emulator.calls()[UPDATE] == 1
    log = emulator.calls(log=True)
    [entry] = [each for each in log if each["call"] == UPDATE]
    assert entry["status"] == 200
    assert entry["params"]["body"] == {"tags": {"a": "1"}}
    assert emulator.token not in str(log)


@pytest.mark.asyncio
async def test_no_password_is_written_down_or_told(emulator, stage, compute):
    """`adminPassword` and protected settings are write-only."""
    model = stage.model(0, stage.image())
    model["properties"]["virtualMachineProfile"]["osProfile"]["adminPassword"] = "s3cret"
    call = compute.virtual_machine_scale_sets.begin_create_or_update
    await (await call("rg", "web", {"location": stage.location, **model})).result()
    told = [emulator.calls(log=True), emulator.everything()]
    told += [emulator.arm("GET", stage.id("Microsoft.Compute", "virtualMachineScaleSets", "web"))]
    assert "s3cret" not in str(told)


@pytest.mark.asyncio
async def test_twelve_writes_then_four_a_minute_for_each_set(emulator, fleet):
    """ "Compute throttling limits": Update, 12 tokens, four come back each minute; the error of
    "Troubleshooting API throttling errors"."""
    fleet.make(0)
    fleet.freeze(minute=60.0)

    async def writes():
        left = []
        while True:
            hook = {"raw_response_hook": lambda r: left.append(r.http_response.headers)}
            try:
                await (await fleet.sets.begin_update("rg", "web", {"tags": {}}, **hook)).result()
            except HttpResponseError as error:
                return error, left[0] if left else None

    error, first = await writes()
    assert "UpdateVMScaleSetResource;11" in first["x-ms-ratelimit-remaining-resource"]
    assert emulator.calls()[UPDATE] == 13
    assert (error.status_code, error.error.code) == (429, "OperationNotAllowed")
    assert error.error.details[0].code == "TooManyRequests"
    assert 1 <= int(error.response.headers["Retry-After"]) <= 60
    emulator.skip(seconds=60)
    emulator.clear_calls()
    await writes()
    assert emulator.calls()[UPDATE] == 5


@pytest.mark.asyncio
async def test_nobody_is_let_in_without_the_token(emulator, fleet, transport):
    """401 ("Troubleshoot common errors")."""
    from azure.mgmt.compute.aio import ComputeManagementClient

    fleet.make(0)
    stranger = type(emulator.credential())("another")
    assert "another" not in repr(stranger)
    client = ComputeManagementClient(
        stranger, emulator.subscription, base_url=emulator.url, transport=transport, retry_total=0
    )
    with pytest.raises(ClientAuthenticationError):
        await client.virtual_machine_scale_sets.get("rg", "web")
    emulator.expire()
    with pytest.raises(ClientAuthenticationError):
        await fleet.told()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"skuu": {}}, "Could not find member 'skuu'"),
        ({"properties": {"upgradePolicy": {"mode": "Manuel"}}}, "'Manuel' at 'properties.upgrade"),
        ({"sku": {"capacity": "3"}}, "'sku.capacity' is no int"),
        ({"sku": {"capacity": 1001}}, "is not from 0 to 1000"),
        ({"properties": {"virtualMachineProfile": {"osProfile": {"computer": "x"}}}}, "'computer'"),
    ],
)  # fmt: skip
async def test_a_body_that_the_clients_do_not_know_fails_loudly(body, named, emulator, fleet):
    """Names, words and kinds are those of the installed client."""
    fleet.make(0)
    with pytest.raises(HttpResponseError) as caught:
        await fleet.sets.begin_update("rg", "web", body)
    assert caught.value.error.code == "NotEmulated"
    [failure] = emulator.failures()
    assert named in failure


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("virtualMachineScaleSets/web?api-version=2019-07-01", "API version '2019-07-01'"),
        ("virtualMachineScaleSet/web?api-version=2026-04-01", "no operation of the clients"),
        ("virtualMachineScaleSets?api-version=2026-04-01&$filter=x", "['$filter'] in the query"),
        ("availabilitySets?api-version=2026-04-01", "not model compute:availability_sets.list"),
    ],
)
async def test_what_no_client_asks_for_fails_loudly(path, named, emulator, fleet):
    """Paths, API versions and queries are those of the installed clients."""
    fleet.make(0)
    base = fleet.stage.id("Microsoft.Compute")
    reply = await fleet.compute.send_request(HttpRequest("GET", f"{base}/{path}"))
    assert reply.status_code == 400
    [failure] = emulator.failures()
    assert named in failure


def test_other_clients_than_those_that_were_read_are_refused_by_name(monkeypatch):
    """The emulator looks at the clients before it serves."""
    monkeypatch.setitem(routes.PINNED, "azure-mgmt-compute", "38.0.0")
    with pytest.raises(RuntimeError, match=r"azure-mgmt-compute': '39\.0\.0"):
        routes.check()


def test_what_is_answered_is_held_against_the_clients_too():
    """An answer with a name that no client knows is the emulator's mistake."""
    known = routes.load()
    by_name = {route.name: route for route in known}
    assert actions.MODULES, "importing them fills HANDLERS"
    assert set(HANDLERS) <= set(by_name)
    view = by_name["compute:virtual_machine_scale_set_vms.get_instance_view"].answer
    assert check(view, {"vmHealth": {"status": {"code": "HealthState/healthy"}}}) == []
    assert check(view, {"vmHealth": {"state": "healthy"}}) == [
        "Could not find member 'state' on object of type 'VirtualMachineHealthStatus' at 'vmHealth'"
    ]


def test_it_speaks_http_where_it_is_told_to():
    """For clients that are allowed to send a token without TLS."""
    emulator = Emulator(plain=True)
    try:
        assert emulator.url.startswith("http://")
        assert emulator.ping()["location"] == "westeurope"
    finally:
        emulator.close()


def test_it_ends_with_whoever_started_it():
    """No process is left when a test run dies."""
    words = [sys.executable, "-m", "backends.azure.tests.emulator"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    with subprocess.Popen(
        words, cwd=ROOT, env=clean, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        lines = [process.stdout.readline().strip() for _ in range(3)]
        assert os.path.exists(lines[2])  # noqa: PTH110
        process.stdin.close()
        assert process.wait(timeout=45) == 0
    assert not os.path.exists(lines[2])  # noqa: PTH110
