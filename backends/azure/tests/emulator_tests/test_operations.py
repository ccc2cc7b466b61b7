"""Long-running operations: headers, results, failures inside a 200, one at a time.

"Track asynchronous Azure operations"
(https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations).
"""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError

pytestmark = pytest.mark.asyncio


async def test_deletions_and_actions_tell_two_addresses(fleet):
    """Recorded: 202, `Azure-AsyncOperation`, `Location` with `monitor=true`, no body."""
    fleet.make(1)
    seen = []
    poller = await fleet.sets.begin_delete_instances(
        "rg",
        "web",
        {"instanceIds": ["0"]},
        raw_response_hook=lambda r: seen.append(r.http_response),
    )
    await poller.result()
    assert seen[0].status_code == 202
    assert seen[0].headers["Azure-AsyncNotification"] == "Enabled"
    assert "monitor=true" in seen[0].headers["Location"]
    assert "monitor=true" not in seen[0].headers["Azure-AsyncOperation"]


async def test_a_running_operation_tells_no_end(emulator, fleet):
    """Recorded: `startTime`, `status`, `name`; `endTime` once it is over."""
    fleet.make(1)
    fleet.freeze(shutdown=60)
    address = []
    words = {"raw_response_hook": lambda r: address.append(r.http_response.headers)}
    body = {"instanceIds": ["0"]}
    poller = await fleet.sets.begin_delete_instances("rg", "web", body, **words)
    place = address[0]["Azure-AsyncOperation"].removeprefix(emulator.url)
    path, _, query = place.partition("?api-version=")
    assert query == "2026-04-01"
    running = emulator.arm("GET", path)
    assert set(running) == {"startTime", "status", "name"}
    assert running["status"] == "InProgress"
    emulator.skip(seconds=61)
    await poller.result()
    over = emulator.arm("GET", path)
    assert over == running | {"status": "Succeeded", "endTime": over["endTime"]}


async def test_a_failure_is_told_inside_a_200(emulator, fleet, refused):
    """An error in the status of an operation; the client raises it with status 200."""
    fleet.make(1)
    emulator.capacity(zone="1", machines=1)
    emulator.capacity(zone="2", machines=0)
    emulator.capacity(zone="3", machines=0)
    error = await refused(
        200,
        "ZonalAllocationFailed",
        fleet.sets.begin_update("rg", "web", {"sku": {"name": "Standard_B2s", "capacity": 2}}),
    )
    assert "sufficient capacity" in error.message
    told = await fleet.told()
    assert told.properties.provisioning_state == "Failed"
    view = await fleet.sets.get_instance_view("rg", "web")
    assert view.statuses[0].code == "ProvisioningState/failed/ZonalAllocationFailed"


async def test_another_operation_on_the_set_is_a_conflict(emulator, fleet, refused):
    """Deletions of one set's instances at the same time (azure-libraries-for-net#1260)."""
    fleet.make(3)
    fleet.freeze(shutdown=60)
    poller = await fleet.sets.begin_delete_instances("rg", "web", {"instanceIds": ["0"]})
    again = fleet.sets.begin_delete_instances("rg", "web", {"instanceIds": ["1"]})
    await refused(409, "Conflict", again)
    await refused(409, "Conflict", fleet.sets.begin_update("rg", "web", {"tags": {"a": "1"}}))
    emulator.skip(seconds=61)
    await poller.result()
    await fleet.patch({"tags": {"a": "1"}})
    assert await fleet.ids() == ["1", "2"]


async def test_with_the_other_law_a_newer_write_of_the_model_takes_over(emulator, fleet):
    """`OperationPreempted` (Azure/azure-sdk-for-python#5167): the older one fails."""
    fleet.make(1)
    fleet.freeze(overlap="supersede", boot=60)
    size = {"sku": {"name": "Standard_B2s", "capacity": 3}}
    older = await fleet.sets.begin_update("rg", "web", size)
    newer = await fleet.sets.begin_update("rg", "web", {"tags": {"a": "1"}})
    with pytest.raises(HttpResponseError) as caught:
        await older.result()
    assert caught.value.error.code == "OperationPreempted"
    emulator.skip(seconds=61)
    await newer.result()
    assert len(await fleet.ids()) == 3


async def test_another_process_goes_on_waiting(emulator, fleet, compute):
    """A continuation token of azure-core holds the address of the operation."""
    fleet.make(1)
    fleet.freeze(boot=60)
    size = {"sku": {"name": "Standard_B2s", "capacity": 2}}
    first = await fleet.sets.begin_update("rg", "web", size)
    token = first.continuation_token()
    emulator.clear_calls()
    second = await fleet.sets.begin_update("rg", "web", size, continuation_token=token)
    emulator.skip(seconds=61)
    made = await second.result()
    assert made.properties.provisioning_state == "Succeeded"
    assert "compute:virtual_machine_scale_sets.update" not in emulator.calls()


async def test_a_deletion_ends_the_wait_for_what_never_boots(emulator, fleet):
    """A machine that is deleted while it is being made holds up nobody."""
    fleet.make(1)
    fleet.freeze(overlap="supersede")
    emulator.fate(boot=None)
    growing = await fleet.sets.begin_update(
        "rg", "web", {"sku": {"name": "Standard_B2s", "capacity": 2}}
    )
    emulator.skip(seconds=600)
    assert [m["provisioning"] for m in emulator.members()] == ["Succeeded", "Creating"]
    assert not growing.done()
    await fleet.remove("1")
    await growing.result()
    assert (await fleet.told()).sku.capacity == 1


async def test_an_operation_fails_as_the_test_wants(emulator, fleet, refused):
    """Codes that no law brings about: `OverconstrainedAllocationRequest` and the like."""
    fleet.make(1)
    emulator.fault(
        action="compute:virtual_machine_scale_sets.update",
        kind="fails",
        code="OverconstrainedAllocationRequest",
        seconds=0.05,
    )
    size = {"sku": {"name": "Standard_B2s", "capacity": 3}}
    await refused(
        200, "OverconstrainedAllocationRequest", fleet.sets.begin_update("rg", "web", size)
    )
    assert await fleet.ids() == ["0"]


async def test_retry_after_is_whole_seconds_and_only_where_it_is_asked_for(emulator, fleet):
    """No recorded answer has it; the header counts whole seconds (RFC 9110, 10.2.3)."""
    fleet.make(1)
    seen = []
    words = {"raw_response_hook": lambda r: seen.append(r.http_response.headers.get("Retry-After"))}
    poller = await fleet.sets.begin_update("rg", "web", {"tags": {"a": "1"}}, **words)
    await poller.result()
    assert set(seen) == {None}
    seen.clear()
    emulator.laws(retry_after=1)
    await fleet.sets.begin_update("rg", "web", {"tags": {"a": "2"}}, **words)
    assert seen == ["1"]
