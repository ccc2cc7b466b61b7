"""What is pure: marks, sizes, states, errors, settings, names, permissions."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import (
    CapacityShortage,
    Conflict,
    Denied,
    FleetURL,
    Gone,
    Hold,
    Image,
    InstanceState,
    Invalid,
    QuotaExceeded,
    Revision,
    RuntimeConfig,
    Throttled,
    Transient,
    TroubleKind,
)
from immutable.errors import InvalidValue
from immutable.toolkit.sights import Sight
from immutable_azure import AzureBackend
from immutable_azure.address import Place
from immutable_azure.copying import user_data_of, what_of
from immutable_azure.faults import kind_of, without_secrets
from immutable_azure.images import is_exact
from immutable_azure.marks import MOST_TAGS, Marks, Saved, drain_tags, fits, hold_tags
from immutable_azure.names import short
from immutable_azure.permissions import ACTIONS, missing
from immutable_azure.reading import Described, size_of, state_of, trouble_of
from immutable_azure.template import FleetTemplate

SUB = "00000000-0000-0000-0000-00000000cafe"


@pytest.mark.parametrize(
    "address",
    [
        "azure://web",
        "azure://nonsense/rg/web",
        f"azure://{SUB}/web",
        f"azure://{SUB}/rg/we b",
        f"azure://{SUB}/rg/web?region=westeurope",
        f"azure://{SUB}/rg/web?endpoint=http://127.0.0.1",
    ],
)
def test_addresses_that_make_no_sense_are_refused(address):
    with pytest.raises(InvalidValue):
        Place.of(FleetURL.parse(address))


def test_an_endpoint_with_a_password_is_not_repeated():
    with pytest.raises(InvalidValue) as caught:
        AzureBackend(SUB, "rg", endpoint="https://me:hunter2@example.org")
    assert "hunter2" not in str(caught.value)


@given(
    st.dictionaries(
        st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8),
        st.integers(1, 5).map(lambda n: 1800000000.125 + n),
        max_size=60,
    )
)
def test_who_drains_is_read_as_it_was_written(draining):
    tags = drain_tags({"team": "shop"}, draining)
    assert Marks.read(tags).draining == draining
    assert all(len(value) <= 256 for value in tags.values())
    assert drain_tags(tags, {}) == {"team": "shop"}


def test_a_hundred_members_of_each_kind_fit_into_some_tags():
    numbers = dict.fromkeys(map(str, range(100)), 1800000000.125)
    names = dict.fromkeys((f"{n * 2654435761 % 2**32:08x}" for n in range(100)), 1800000000.125)
    assert len(drain_tags({}, numbers)) <= 2
    assert len(drain_tags({}, names)) <= 5
    assert not fits({str(n): "" for n in range(MOST_TAGS + 1)})


def test_a_hold_is_read_as_it_was_written():
    hold = Hold("r/7", 3, 1800000000.5, "sha256:ab", size=10, minimum=4)
    marks = Marks.read(hold_tags(hold, Saved(4, True, False)))
    assert (marks.hold, marks.saved) == (hold, Saved(4, True, False))


def member(number, state="Succeeded", *, power="running", health="healthy", code=""):
    statuses = [{"code": f"ProvisioningState/{code or state.lower()}"}]
    if power:
        statuses.append({"code": f"PowerState/{power}"})
    view = {"statuses": statuses}
    if health:
        view["vmHealth"] = {"status": {"code": f"HealthState/{health}"}}
    said = {"provisioningState": state, "vmId": f"{number:08}-x", "instanceView": view}
    return {"name": f"web_{number}", "instanceId": str(number), "properties": said}


def described(capacity, members, *, state="Succeeded", draining=()):
    group = {
        "name": "web",
        "sku": {"capacity": capacity},
        "properties": {"provisioningState": state},
    }
    return Described(group, Marks(draining=dict.fromkeys(draining, 0.0)), members)


@pytest.mark.parametrize(
    ("capacity", "members", "state", "draining", "size"),
    [
        (3, [1, 2, 3], "Succeeded", [], 3),
        (3, [1, 2, 3], "Succeeded", ["1"], 2),
        (3, [2, 3], "Updating", ["1"], 2),  # Its deletion isn't over: the capacity still has it.
        (2, [2, 3], "Succeeded", ["1"], 2),  # It is over, and the mark is nothing but a rest.
        (5, [1, 2, 3], "Updating", [], 5),  # Two are on their way.
        (5, [1, 2, 3], "Failed", [], 3),  # And here they won't come.
    ],
)
def test_sizes_are_told_without_who_retires(capacity, members, state, draining, size):
    group = described(capacity, [member(n) for n in members], state=state, draining=draining)
    assert size_of(group) == size


def test_what_a_launch_without_room_leaves_is_no_member():
    husk = member(3, "Failed", power="", health="", code="failed/ZonalAllocationFailed")
    assert size_of(described(3, [member(1), member(2), husk])) == 2


NEW = Sight()
SERVED = Sight(ready_since=1.0, known=InstanceState.READY, served=True)


@pytest.mark.parametrize(
    ("told", "probed", "sight", "state"),
    [
        (member(1), True, NEW, "ready"),
        (member(1), None, NEW, "ready"),
        (member(1), False, SERVED, "unready"),  # Somebody has set it Down.
        (member(1, health=""), True, NEW, "starting"),  # Nobody tells: never READY.
        (member(1, health="initializing"), True, NEW, "starting"),
        (member(1, health="unknown"), True, NEW, "unready"),
        (member(1, health="unhealthy"), True, NEW, "unready"),
        (member(1, health="unhealthy"), True, Sight(known=InstanceState.STARTING), "starting"),
        (member(1, "Creating", power="", health=""), True, NEW, "starting"),
        (member(1, "Deleting"), True, SERVED, "draining"),
        (member(1, power="deallocated", health=""), True, SERVED, "unready"),
        (member(1, "Failed", code="failed/VMExtensionProvisioningError"), True, NEW, "unready"),
    ],
)
def test_states_by_what_is_told(told, probed, sight, state):
    found = state_of(told, draining=False, watched=True, probed=probed, sight=sight)
    assert found.value == state


def test_without_extension_and_probe_nobody_is_ready():
    found = state_of(member(1, health=""), draining=False, watched=False, probed=None, sight=NEW)
    assert found is not InstanceState.READY


@pytest.mark.parametrize(
    ("codes", "message", "status", "kind"),
    [
        (["ZonalAllocationFailed"], "", 200, CapacityShortage),
        (["AllocationFailed"], "", 409, CapacityShortage),
        (["SkuNotAvailable"], "", 409, CapacityShortage),
        (["OperationNotAllowed"], "exceeding approved cores Cores quota", 409, QuotaExceeded),
        (["OperationNotAllowed"], "since it is marked for deletion", 409, Throttled),
        (["OperationNotAllowed", "TooManyRequests"], "", 429, Throttled),
        (["RetryableErrorDueToAnotherOperation"], "", 429, Throttled),
        (["OperationPreempted"], "", 200, Throttled),
        (["Conflict"], "conflict with a concurrent request", 409, Throttled),
        (["Conflict"], "it exists", 409, Conflict),
        (["PreconditionFailed"], "", 412, Conflict),
        (["AuthorizationFailed"], "", 403, Denied),
        (["ResourceNotFound"], "", 404, Gone),
        (["ResourceGroupNotFound"], "", 404, Invalid),
        (["InternalExecutionError"], "", 200, Transient),
        ([], "", 503, Transient),
        ([], "", None, Transient),
        (["InvalidParameter"], "", 400, Invalid),
    ],
)
def test_errors_are_told_by_code_first(codes, message, status, kind):
    assert kind_of(codes, message, status) is kind


def test_what_looks_like_a_token_is_left_out():
    text = "Bearer abc.def failed for https://x/y?sv=1&sig=c2VjcmV0 with eyJhbGci.eyJzdWIi.sig"
    told = without_secrets(text)
    assert not {"abc.def", "c2VjcmV0", "eyJhbGci.eyJzdWIi.sig"} & set(told.split())
    assert "c2VjcmV0" not in told


def test_troubles_say_whether_they_may_pass():
    def trouble(code):
        return trouble_of([{"code": f"ProvisioningState/failed/{code}", "message": "Zone: 2."}])

    assert trouble("ZonalAllocationFailed").kind is TroubleKind.SHORTAGE
    assert trouble("ZonalAllocationFailed").zone == "2"
    assert trouble("InternalExecutionError").kind is TroubleKind.SHORTAGE
    assert trouble("AuthorizationFailed").kind is TroubleKind.REFUSED
    assert trouble("VMExtensionProvisioningError") is None


def test_configuration_is_in_user_data_and_not_in_tags():
    image = Image.of_artifact("azure", "/x")
    plain, told = Revision(1, image), Revision(2, image, RuntimeConfig({"A": "b"}))
    theirs = base64.b64encode(b"#!/bin/sh").decode()
    assert user_data_of(plain, theirs) == theirs
    data = user_data_of(told, theirs)
    document = json.loads(base64.b64decode(data))
    assert document["immutable"]["environment"] == {"A": "b"}
    assert document["userData"] == theirs
    assert user_data_of(plain, data) == theirs
    assert "config" not in what_of(told)
    with pytest.raises(Invalid):
        user_data_of(Revision(3, image, RuntimeConfig({"A": "b" * 70_000})), "")


@pytest.mark.parametrize(
    ("artifact", "exact"),
    [
        (f"/subscriptions/{SUB}/x/galleries/g/images/i/versions/1.0.0", True),
        (f"/subscriptions/{SUB}/x/galleries/g/images/i/versions/latest", False),
        (f"/subscriptions/{SUB}/x/galleries/g/images/i", False),
        (f"/subscriptions/{SUB}/x/images/golden", True),
        ("Canonical:ubuntu:server:24.04.1", True),
        ("Canonical:ubuntu:server:latest", False),
        ("", False),
    ],
)
def test_exact_images(artifact, exact):
    assert is_exact(artifact) is exact


def test_names_inside_of_long_names():
    pool = (
        "/subscriptions/s/resourceGroups/rg/providers/p/loadBalancers/front/backendAddressPools/web"
    )
    assert short(pool, "loadbalancers") == "front"
    assert short(pool, "probes") == ""


def test_permissions_that_are_missing_are_named():
    everything = {"actions": ["*"], "notActions": ["Microsoft.Compute/*/delete"]}
    assert missing([everything], ACTIONS) == [
        "Microsoft.Compute/virtualMachineScaleSets/delete",
        "Microsoft.Compute/virtualMachines/delete",
    ]
    assert missing([everything, {"actions": ["*/delete"]}], ACTIONS) == []
    assert missing([], ACTIONS) == list(ACTIONS)


def test_settings_of_a_new_fleet_name_all_that_is_wrong():
    with pytest.raises(Invalid) as caught:
        FleetTemplate.of({"location": "West Europe", "zone": "1"})
    for word in ("location", "zone", "subnet", "vm_size", "ssh_key"):
        assert word in str(caught.value)
