"""Machines of a Uniform set: instance views, models, protection, networks of their own, power.

"Virtual Machine Scale Set VMs" of the REST reference
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms).
"""

from __future__ import annotations

from collections import Counter

import pytest
from azure.core.exceptions import ResourceModifiedError

pytestmark = pytest.mark.asyncio
HERE = {"location": "westeurope"}


async def test_an_instance_view_tells_provisioning_and_power(emulator, fleet):
    """Recorded: codes of an instance view; `Creating` before there is any power."""
    fleet.make(1)
    view = await fleet.vms.get_instance_view("rg", "web", "0")
    assert [s.code for s in view.statuses] == ["ProvisioningState/succeeded", "PowerState/running"]
    fleet.freeze(boot=60)
    await fleet.sets.begin_update("rg", "web", {"sku": {"name": "Standard_B2s", "capacity": 2}})
    young = await fleet.vms.get_instance_view("rg", "web", "1")
    assert [s.code for s in young.statuses] == ["ProvisioningState/creating"]
    assert young.vm_health is None


async def test_a_member_never_changes_its_identity(emulator, fleet):
    """`vmId` is unique for ever, `timeCreated` is the launch (REST reference)."""
    fleet.freeze()
    fleet.make(2)
    first, second = await fleet.members()
    assert first.properties.vm_id != second.properties.vm_id
    made = second.properties.time_created
    assert made == first.properties.time_created
    emulator.skip(seconds=60)
    await fleet.remove("0")
    [left] = await fleet.members()
    assert (left.properties.vm_id, left.properties.time_created) == (second.properties.vm_id, made)


async def test_a_new_model_makes_all_members_old_until_they_are_updated(stage, fleet):
    """Recorded: mode Manual; "Manual upgrades" of the upgrade policy's page."""
    fleet.make(2)
    newer = stage.image("2.0.0")
    profile = {"storageProfile": {"imageReference": {"id": newer}}}
    await fleet.patch({"properties": {"virtualMachineProfile": profile}})
    assert [m.properties.latest_model_applied for m in await fleet.members()] == [False, False]
    old = (await fleet.members())[0]
    assert old.properties.storage_profile.image_reference.exact_version == "1.0.0"
    await (await fleet.sets.begin_update_instances("rg", "web", {"instanceIds": ["0"]})).result()
    said = [
        (
            m.properties.latest_model_applied,
            m.properties.storage_profile.image_reference.exact_version,
        )
        for m in await fleet.members()
    ]
    assert said == [(True, "2.0.0"), (False, "1.0.0")]


async def test_tags_and_sizes_make_nobody_old(fleet):
    """Only what members are made from counts; tags of the set are not among it."""
    fleet.make(1)
    await fleet.patch({"tags": {"a": "1"}})
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 2}})
    assert [m.properties.latest_model_applied for m in await fleet.members()] == [True, True]


@pytest.mark.parametrize("mode", ["Automatic", "Rolling"])
async def test_other_modes_bring_everybody_to_the_model(mode, emulator, stage, fleet):
    """ "Upgrade policy modes": at once, or by batches."""
    fleet.make(3)
    newer = stage.image("2.0.0")
    profile = {"storageProfile": {"imageReference": {"id": newer}}}
    policy = {"mode": mode}
    if mode == "Rolling":
        policy["rollingUpgradePolicy"] = {"maxBatchInstancePercent": 40}
    fleet.freeze(boot=60)
    await fleet.patch({"properties": {"upgradePolicy": policy, "virtualMachineProfile": profile}})
    batches = [3] if mode == "Automatic" else [1, 1, 1]
    for batch in batches:
        states = Counter(member["provisioning"] for member in emulator.members())
        assert states["Updating"] == batch
        emulator.skip(seconds=61)
    assert {m["provisioning"] for m in emulator.members()} == {"Succeeded"}
    assert {m["image"][-5:] for m in emulator.members()} == {"2.0.0"}
    if mode == "Rolling":
        call = fleet.compute.virtual_machine_scale_set_rolling_upgrades.get_latest
        told = await call("rg", "web")
        assert told.properties.running_status.code == "Completed"


async def test_a_rolling_upgrade_tells_how_it_stands_and_can_be_cancelled(
    emulator, stage, fleet, refused
):
    """ "Virtual Machine Scale Set Rolling Upgrades - Get Latest", "- Cancel"."""
    fleet.make(3)
    call = fleet.compute.virtual_machine_scale_set_rolling_upgrades
    await refused(404, "NotFound", call.get_latest("rg", "web"))
    fleet.freeze(boot=60)
    profile = {"storageProfile": {"imageReference": {"id": stage.image("2.0.0")}}}
    await fleet.patch(
        {"properties": {"upgradePolicy": {"mode": "Rolling"}, "virtualMachineProfile": profile}}
    )
    told = await call.get_latest("rg", "web")
    assert told.properties.running_status.code == "RollingForward"
    assert told.properties.progress.in_progress_instance_count == 1
    await (await call.begin_cancel("rg", "web")).result()
    emulator.skip(seconds=61)
    told = await call.get_latest("rg", "web")
    assert told.properties.running_status.code == "Cancelled"
    assert told.properties.progress.pending_instance_count == 2
    await refused(409, "OperationNotAllowed", call.begin_cancel("rg", "web"))


async def test_a_network_of_its_own_takes_a_member_out_of_the_pool(emulator, fleet):
    """How cloud-provider-azure takes a machine out of a pool: PUT of it; its etag goes up."""
    await fleet.make(2).settled(2)
    member = await fleet.vms.get("rg", "web", "0")
    conf = member.properties.network_profile_configuration.network_interface_configurations[0]
    conf.properties.ip_configurations[0].properties.load_balancer_backend_address_pools = []
    await (await fleet.vms.begin_update("rg", "web", "0", member)).result()
    assert [m["serving"] for m in emulator.members()] == [[], ["web"]]
    after = await fleet.vms.get("rg", "web", "0")
    assert after.etag != member.etag
    assert after.properties.latest_model_applied is True


async def test_writes_to_two_members_at_once_do_not_hinder_each_other(fleet):
    """cloud-provider-azure updates machines of a set in parallel."""
    fleet.make(2)
    protect = HERE | {"properties": {"protectionPolicy": {"protectFromScaleSetActions": True}}}
    first = await fleet.vms.begin_update("rg", "web", "0", protect)
    second = await fleet.vms.begin_update("rg", "web", "1", protect)
    await first.result()
    await second.result()
    assert all(
        m.properties.protection_policy.protect_from_scale_set_actions for m in await fleet.members()
    )


async def test_a_member_protected_from_actions_keeps_its_model(stage, fleet):
    """ "Instance protection", Protect from scale-set actions: no upgrade."""
    fleet.make(2)
    protect = HERE | {"properties": {"protectionPolicy": {"protectFromScaleSetActions": True}}}
    await (await fleet.vms.begin_update("rg", "web", "0", protect)).result()
    profile = {"storageProfile": {"imageReference": {"id": stage.image("2.0.0")}}}
    await fleet.patch({"properties": {"virtualMachineProfile": profile}})
    await (await fleet.sets.begin_update_instances("rg", "web", {"instanceIds": ["*"]})).result()
    assert [m.properties.latest_model_applied for m in await fleet.members()] == [False, True]


async def test_a_members_etag_is_checked(fleet):
    """Recorded: cloud-provider-azure, virtualmachinescalesetvmclient."""
    from azure.core import MatchConditions

    fleet.make(1)
    with pytest.raises(ResourceModifiedError) as caught:
        await fleet.vms.begin_update(
            "rg",
            "web",
            "0",
            HERE | {"tags": {}},
            etag='"7"',
            match_condition=MatchConditions.IfNotModified,
        )
    assert caught.value.error.code == "PreconditionFailed"


async def test_ids_that_are_none(fleet, refused):
    """Recorded: 400 for what is no number, 404 below a set that is not there."""
    fleet.make(1)
    await refused(400, "InvalidParameter", fleet.vms.get("rg", "web", "x"))
    await refused(404, "NotFound", fleet.vms.get("rg", "web", "7"))
    await refused(404, "ParentResourceNotFound", fleet.vms.get("rg", "none", "0"))


async def test_deallocated_members_stay_members(emulator, fleet):
    """ "States and billing": deallocated; the capacity stays."""
    fleet.make(2)
    await (await fleet.sets.begin_deallocate("rg", "web", {"instanceIds": ["0"]})).result()
    view = await fleet.vms.get_instance_view("rg", "web", "0")
    assert view.statuses[1].code == "PowerState/deallocated"
    assert (await fleet.told()).sku.capacity == 2
    assert emulator.members()[0]["serving"] == []
    await (await fleet.sets.begin_start("rg", "web", {"instanceIds": ["0"]})).result()
    assert emulator.members()[0]["power"] == "running"


async def test_network_interfaces_of_the_set(fleet, network):
    """ "Network Interfaces - List Virtual Machine Scale Set Network Interfaces"."""
    fleet.make(2)
    found = network.network_interfaces.list_virtual_machine_scale_set_network_interfaces(
        "rg", "web"
    )
    nics = [nic async for nic in found]
    assert [nic.id.split("/")[-3] for nic in nics] == ["0", "1"]
    assert len({nic.ip_configurations[0].private_ip_address for nic in nics}) == 2
