"""Health of applications, and repairs of who has lost it.

"Using Application Health extension"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-health-extension),
"Automatic instance repairs"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs).
"""

from __future__ import annotations

import copy

import pytest

from backends.azure.tests.emulator.staging import HEALTH

pytestmark = pytest.mark.asyncio
REPAIRS = {"automaticRepairsPolicy": {"enabled": True, "gracePeriod": "PT10M"}}

RICH = copy.deepcopy(HEALTH)
RICH["properties"] |= {"typeHandlerVersion": "2.0"}
RICH["properties"]["settings"] |= {"gracePeriod": 30}


async def test_without_the_extension_nothing_is_said_about_health(fleet):
    """No `vmHealth` is unknown, not healthy."""
    fleet.make(2, health=None)
    assert await fleet.healthy() == {}


async def test_binary_states_are_unhealthy_until_the_application_answers(emulator, fleet):
    """ "Binary Health States": without a healthy answer, unhealthy; never initializing."""
    fleet.freeze(answers=60)
    fleet.make(1)
    assert await fleet.healthy() == {"HealthState/unhealthy": 1}
    emulator.skip(seconds=61)
    assert await fleet.healthy() == {"HealthState/healthy": 1}
    emulator.sicken(machine="web_0")
    assert await fleet.healthy() == {"HealthState/unhealthy": 1}
    emulator.heal(machine="web_0")
    view = await fleet.sets.get_instance_view("rg", "web")
    assert {s.code: s.count for s in view.virtual_machine.statuses_summary}[
        "HealthState/healthy"
    ] == 1


async def test_rich_states_initialize_and_are_unknown_after_the_grace_period(emulator, fleet):
    """ "Rich Health States": initializing for `gracePeriod`, then unknown without an answer."""
    emulator.fate(answers=None)
    fleet.freeze()
    fleet.make(1, health=RICH)
    emulator.skip(seconds=29)
    assert await fleet.healthy() == {"HealthState/initializing": 1}
    emulator.skip(seconds=2)
    assert await fleet.healthy() == {"HealthState/unknown": 1}


async def test_an_unhealthy_member_is_replaced_by_one_with_another_id(emulator, fleet, until):
    """Replace: the instance id is not preserved; the size stays."""
    emulator.laws(scale=0.0001)
    fleet.make(2, **REPAIRS)
    emulator.sicken(machine="web_0")
    await until(fleet.ids, lambda ids: ids == ["1", "2"])
    assert (await fleet.told()).sku.capacity == 2


async def test_repairs_wait_and_leave_protected_ones_alone(emulator, fleet):
    """ "Grace period", "Instance protection and automatic repairs"."""
    emulator.fate(answers=None)
    fleet.freeze()
    fleet.make(2, **REPAIRS)
    body = {
        "location": "westeurope",
        "properties": {"protectionPolicy": {"protectFromScaleIn": True}},
    }
    await (await fleet.vms.begin_update("rg", "web", "0", body)).result()
    emulator.skip(seconds=599)
    assert await fleet.ids() == ["0", "1"]
    emulator.clear_fates()
    emulator.skip(seconds=2)
    assert await fleet.ids() == ["0", "2"]


async def test_few_are_repaired_at_the_same_time(emulator, fleet):
    """Batching: 5 %, and one at a time below 20 members."""
    fleet.freeze()
    fleet.make(4, **REPAIRS)
    emulator.skip(seconds=601)
    fleet.freeze(boot=60, shutdown=60)
    for number in range(4):
        emulator.sicken(machine=f"web_{number}")
    emulator.skip(seconds=1)
    assert sorted(m["provisioning"] for m in emulator.members()) == ["Deleting", *["Succeeded"] * 3]


async def test_repairs_are_suspended_and_resumed_and_say_so(emulator, fleet):
    """ "Suspension of repairs": `orchestrationServices` of the instance view."""
    fleet.freeze()
    fleet.make(1, **REPAIRS)
    emulator.skip(seconds=601)

    async def state():
        view = await fleet.sets.get_instance_view("rg", "web")
        return view.orchestration_services[0].service_state

    order = {"serviceName": "AutomaticRepairs", "action": "Suspend"}
    call = fleet.sets.begin_set_orchestration_service_state
    assert await state() == "Running"
    await (await call("rg", "web", order)).result()
    assert await state() == "Suspended"
    emulator.sicken(machine="web_0")
    emulator.skip(seconds=5)
    assert await fleet.ids() == ["0"]
    await (await call("rg", "web", order | {"action": "Resume"})).result()
    emulator.skip(seconds=1)
    assert await fleet.ids() == ["1"]


async def test_who_was_removed_is_replaced_after_an_operation_that_runs(emulator, fleet):
    """A set has one operation at a time; the size that it is to have stays."""
    fleet.freeze(shutdown=5)
    fleet.make(1, **REPAIRS)
    emulator.skip(seconds=601)
    emulator.sicken(machine="web_0")
    emulator.skip(seconds=1)
    emulator.laws(settle=60)
    order = {"serviceName": "AutomaticRepairs", "action": "Suspend"}
    await fleet.sets.begin_set_orchestration_service_state("rg", "web", order)
    emulator.skip(seconds=10)
    assert await fleet.ids() == []
    emulator.skip(seconds=60)
    assert await fleet.ids() == ["1"]


async def test_a_failed_extension_is_a_bad_instance(emulator, fleet, refused):
    """`VMExtensionProvisioningError`: the machine runs, its provisioning has failed."""
    fleet.make(1)
    emulator.fate(code="VMExtensionProvisioningError")
    size = {"sku": {"name": "Standard_B2s", "capacity": 2}}
    await refused(200, "VMExtensionProvisioningError", fleet.sets.begin_update("rg", "web", size))
    bad = await fleet.vms.get_instance_view("rg", "web", "1")
    assert bad.statuses[0].code == "ProvisioningState/failed/VMExtensionProvisioningError"
