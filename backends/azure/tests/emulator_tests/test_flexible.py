"""Flexible sets, whose members are virtual machines of their own.

"Orchestration modes" (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-orchestration-modes).
"""

from __future__ import annotations

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

pytestmark = pytest.mark.asyncio


async def vms(compute, group, **words):
    wanted = f"'virtualMachineScaleSet/id' eq '{group}'"
    return [vm async for vm in compute.virtual_machines.list("rg", filter=wanted, **words)]


async def test_members_are_virtual_machines_that_name_their_set(fleet, compute):
    """ "Virtual Machines - List" with a filter; names: "Understand instance IDs"."""
    fleet.make(3, flexible=True)
    found = await vms(compute, fleet.id, expand="instanceView")
    assert len(found) == 3
    assert all(vm.name.startswith("web_") for vm in found)
    assert {vm.properties.virtual_machine_scale_set.id for vm in found} == {fleet.id}
    assert {vm.zones[0] for vm in found} == {"1", "2", "3"}
    codes = {s.code for vm in found for s in vm.properties.instance_view.statuses}
    assert codes == {"ProvisioningState/succeeded", "PowerState/running"}


async def test_machines_of_uniform_sets_are_not_among_virtual_machines(fleet, compute):
    """Uniform instances are no resources of type virtualMachines."""
    fleet.make(2)
    assert [vm async for vm in compute.virtual_machines.list("rg")] == []


async def test_several_go_by_name_and_the_capacity_falls(fleet, compute):
    """ "Delete Instances" is the batch call that Flexible sets have too."""
    fleet.make(3, flexible=True)
    names = [vm.name for vm in await vms(compute, fleet.id)]
    await fleet.remove(*names[:2])
    assert [vm.name for vm in await vms(compute, fleet.id)] == names[2:]
    assert (await fleet.told()).sku.capacity == 1


async def test_one_goes_as_a_virtual_machine_with_its_interface(emulator, fleet, compute, network):
    """ "Virtual Machines - Delete"; `deleteOption` Delete of what the set made."""
    fleet.make(2, flexible=True)
    [first, _] = await vms(compute, fleet.id)
    await (await compute.virtual_machines.begin_delete("rg", first.name)).result()
    assert (await fleet.told()).sku.capacity == 1
    assert len([nic async for nic in network.network_interfaces.list("rg")]) == 1
    await (await compute.virtual_machines.begin_delete("rg", first.name)).result()
    assert len(emulator.members()) == 1


async def test_its_interface_takes_a_member_out_of_the_pool(emulator, fleet, compute, network):
    """NIC PUT without the pool: 200 and no operation (recorded)."""
    await fleet.make(2, flexible=True).settled(2)
    nics = [nic async for nic in network.network_interfaces.list("rg")]
    nics[0].ip_configurations[0].load_balancer_backend_address_pools = []
    poller = await network.network_interfaces.begin_create_or_update("rg", nics[0].name, nics[0])
    await poller.result()
    out = nics[0].virtual_machine.id.split("/")[-1]
    assert {m["name"]: m["serving"] for m in emulator.members()}[out] == []
    assert sum(bool(m["serving"]) for m in emulator.members()) == 1


async def test_a_machine_joins_a_set_and_its_name_is_taken_once(stage, fleet, compute):
    """ "Attach a new VM"; IfMissing is 412 for the second (recorded for other conditions)."""
    fleet.make(1, flexible=True)
    nic = stage.id("Microsoft.Network", "networkInterfaces", "own")
    port = {
        "subnet": {"id": stage.subnet},
        "loadBalancerBackendAddressPools": [{"id": fleet.pools[0]}],
    }
    stage.put(nic, properties={"ipConfigurations": [{"name": "ip", "properties": port}]})
    body = {
        "location": "westeurope",
        "zones": ["2"],
        "tags": {"fleet": "web"},
        "properties": {
            "virtualMachineScaleSet": {"id": fleet.id},
            "hardwareProfile": {"vmSize": "Standard_B2s"},
            "storageProfile": {"imageReference": {"id": fleet.image}},
            "osProfile": {"computerName": "own", "adminUsername": "nobody"},
            "networkProfile": {"networkInterfaces": [{"id": nic}]},
        },
    }
    words = {"match_condition": MatchConditions.IfMissing}
    made = await compute.virtual_machines.begin_create_or_update("rg", "own", body, **words)
    assert (await made.result()).tags == {"fleet": "web"}
    assert (await fleet.told()).sku.capacity == 2
    assert len(await vms(compute, fleet.id)) == 2
    with pytest.raises(ResourceExistsError):
        await compute.virtual_machines.begin_create_or_update("rg", "own", body, **words)
    assert (await compute.virtual_machines.instance_view("rg", "own")).vm_health is None


async def test_power_tags_and_what_is_not_there(emulator, fleet, compute):
    """ "Virtual Machines - Update", "- Deallocate", "- Start"."""
    fleet.make(1, flexible=True)
    [vm] = await vms(compute, fleet.id)
    await (
        await compute.virtual_machines.begin_update("rg", vm.name, {"tags": {"draining": "1"}})
    ).result()
    assert (await compute.virtual_machines.get("rg", vm.name)).tags == {"draining": "1"}
    await (await compute.virtual_machines.begin_deallocate("rg", vm.name)).result()
    assert emulator.members()[0]["power"] == "deallocated"
    await (await compute.virtual_machines.begin_start("rg", vm.name)).result()
    assert emulator.members()[0]["power"] == "running"
    with pytest.raises(ResourceNotFoundError):
        await compute.virtual_machines.get("rg", "none")
