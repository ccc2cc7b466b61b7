"""What goes wrong on the way: by method, the n-th time, before or after it is done.

https://cloud.google.com/compute/api-quota
https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-bulk-vm-creation
"""

from __future__ import annotations

import time
import uuid

import pytest
import requests
from google.api_core import exceptions
from google.protobuf import json_format


def resize(fleet, size=1, **words):
    request = {
        "project": "acme",
        "instance_group_manager": "web",
        "size": size,
        **fleet.stage.where,
        **words,
    }
    return fleet.stage.groups.resize_unary(request=request)


@pytest.mark.parametrize(
    ("terms", "error", "reason"),
    [
        ({"kind": "throttle"}, exceptions.Forbidden, "rateLimitExceeded"),
        ({"kind": "throttle", "status": 429}, exceptions.TooManyRequests, "rateLimitExceeded"),
        ({"kind": "quota"}, exceptions.Forbidden, "quotaExceeded"),
        ({"kind": "error"}, exceptions.ServiceUnavailable, "backendError"),
        ({"kind": "error", "status": 500}, exceptions.InternalServerError, "backendError"),
        ({"kind": "error", "status": 504}, exceptions.GatewayTimeout, "backendError"),
    ],
)
def test_a_refusal_has_done_nothing(emulator, fleet, terms, error, reason):
    fleet.make(0)
    emulator.fault(action="instanceGroupManagers.resize", skip=1, **terms)
    emulator.wait(resize(fleet, 1))
    with pytest.raises(error) as caught:
        resize(fleet, 2)
    assert caught.value.errors[0]["reason"] == reason
    assert fleet.stage.told("web").target_size == 1
    emulator.wait(resize(fleet, 3))
    assert emulator.calls()["instanceGroupManagers.resize"] == 3
    assert [f["fired"] for f in emulator.clear_faults()] == [1]


def test_a_reset_has_done_nothing_and_a_lost_answer_everything(emulator, fleet):
    fleet.make(0)
    emulator.fault(action="*.resize", kind="reset")
    with pytest.raises(requests.exceptions.ConnectionError):
        resize(fleet)
    assert fleet.settled(0).stage.told("web").target_size == 0
    asked = str(uuid.uuid4())
    emulator.fault(action="*.resize", kind="lost")
    with pytest.raises(requests.exceptions.ConnectionError):
        resize(fleet, request_id=asked)
    emulator.wait(resize(fleet, request_id=asked))
    assert len(fleet.settled(1).members()) == 1
    log = [each for each in emulator.calls(log=True) if each["call"].endswith(".resize")]
    assert [each["trouble"] for each in log] == ["reset", "lost", None]


def test_half_of_an_answer(emulator, fleet):
    fleet.make(0)
    emulator.fault(action="*.resize", kind="garbled")
    with pytest.raises(json_format.ParseError):
        resize(fleet)
    fleet.settled(1)


def test_latency(emulator, fleet):
    fleet.make(0)
    emulator.fault(action="*.get", kind="latency", seconds=0.3)
    at = time.monotonic()
    fleet.stage.told("web")
    assert time.monotonic() - at >= 0.3


def test_a_fault_for_some_values_only(emulator, fleet):
    fleet.make(0)
    emulator.fault(action="*.resize", kind="throttle", where={"size": 2})
    emulator.wait(resize(fleet, 1))
    with pytest.raises(exceptions.Forbidden):
        resize(fleet, 2)


def test_a_bucket_fills_again(emulator, fleet):
    fleet.make(0)
    emulator.freeze()
    emulator.bucket(action="*.resize", capacity=1, rate=2)
    emulator.wait(resize(fleet, 0))
    with pytest.raises(exceptions.Forbidden):
        resize(fleet, 0)
    emulator.skip(seconds=0.55)
    emulator.wait(resize(fleet, 0))


def test_what_the_caller_may_not_do(emulator, fleet):
    fleet.make(0)
    emulator.deny(permissions=["compute.instanceGroupManagers.update", "compute.images.*"])
    with pytest.raises(exceptions.Forbidden, match=r"compute\.instanceGroupManagers\.update"):
        resize(fleet)
    fleet.stage.told("web")
    services = emulator.client("backend_services")
    asked = ["compute.backendServices.get", "compute.images.get"]
    told = services.test_iam_permissions(
        project="acme",
        resource="pool",
        test_permissions_request_resource={"permissions": asked},
    )
    assert list(told.permissions) == asked[:1]
