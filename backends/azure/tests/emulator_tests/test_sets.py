"""Scale sets: made, sized, changed under conditions, deleted.

"Virtual Machine Scale Sets" of the REST reference
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets).
"""

from __future__ import annotations

from collections import Counter

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

pytestmark = pytest.mark.asyncio


async def test_a_set_is_creating_first_and_spreads_over_the_zones(emulator, stage, fleet, compute):
    """ "Zone balancing" of the scale-set documentation; 201, then Creating (recorded)."""
    fleet.freeze(boot=60)
    body = {"location": stage.location, **stage.model(6, stage.image())}
    seen = []
    poller = await compute.virtual_machine_scale_sets.begin_create_or_update(
        "rg", "web", body, raw_response_hook=lambda r: seen.append(r.http_response)
    )
    assert seen[0].status_code == 201
    assert "Azure-AsyncOperation" in seen[0].headers
    assert "Location" not in seen[0].headers
    told = await compute.virtual_machine_scale_sets.get("rg", "web")
    assert told.properties.provisioning_state == "Creating"
    emulator.skip(seconds=61)
    made = await poller.result()
    assert made.properties.provisioning_state == "Succeeded"
    zones = Counter(member["zone"] for member in emulator.members(group="web"))
    assert zones == {"1": 2, "2": 2, "3": 2}


async def test_only_the_first_creator_of_a_name_wins(fleet, stage):
    """`If-None-Match: *` (RFC 9110, 13.1.2), as the client's IfMissing sends it."""
    fleet.make(0)
    body = {"location": stage.location, **stage.model(1, fleet.image)}
    with pytest.raises(ResourceExistsError) as caught:
        await fleet.sets.begin_create_or_update(
            "rg", "web", body, match_condition=MatchConditions.IfMissing
        )
    assert caught.value.status_code == 412
    assert (await fleet.told()).sku.capacity == 0


async def test_a_stale_etag_is_refused_in_the_recorded_words(fleet):
    """Recorded: cloud-provider-azure, virtualmachinescalesetclient, PUT with a wrong etag."""
    fleet.make(1)
    before = (await fleet.told()).etag
    await fleet.patch(
        {"tags": {"a": "1"}}, etag=before, match_condition=MatchConditions.IfNotModified
    )
    with pytest.raises(ResourceModifiedError) as caught:
        await fleet.patch(
            {"tags": {"a": "2"}}, etag=before, match_condition=MatchConditions.IfNotModified
        )
    assert caught.value.error.code == "PreconditionFailed"
    after = (await fleet.told()).etag
    assert f"Etag provided in if-match header {before} does not match etag {after}" in str(
        caught.value
    )
    assert (await fleet.told()).tags == {"a": "1"}


async def test_instance_ids_are_never_given_again(fleet):
    """Recorded: ids are not contiguous; "Understand instance IDs for VMs in a scale set"."""
    fleet.make(3)
    await fleet.remove("1")
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 3}})
    assert await fleet.ids() == ["0", "2", "3"]


async def test_a_deletion_lowers_the_capacity_when_it_is_done(emulator, fleet):
    """Each deletion decrements the capacity (kubernetes/autoscaler#3284); late (#3510)."""
    fleet.make(3)
    fleet.freeze(shutdown=60)
    poller = await fleet.sets.begin_delete_instances("rg", "web", {"instanceIds": ["0", "2"]})
    assert (await fleet.told()).sku.capacity == 3
    leaving = [m for m in await fleet.members() if m.properties.provisioning_state == "Deleting"]
    assert [m.instance_id for m in leaving] == ["0", "2"]
    emulator.skip(seconds=61)
    await poller.result()
    assert (await fleet.told()).sku.capacity == 1
    assert await fleet.ids() == ["1"]


async def test_a_lowered_capacity_picks_its_victims_itself(fleet):
    """ "Use scale-in policies", Default: balance zones, then the highest instance id."""
    fleet.make(6)
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 4}})
    assert await fleet.ids() == ["0", "1", "2", "3"]


async def test_protected_members_survive_a_scale_in_but_not_a_deletion(fleet):
    """ "Instance protection": protects from scale-in, not from a user's deletion."""
    fleet.make(2, zones=())
    body = {
        "location": "westeurope",
        "properties": {"protectionPolicy": {"protectFromScaleIn": True}},
    }
    await (await fleet.vms.begin_update("rg", "web", "1", body)).result()
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 1}})
    assert await fleet.ids() == ["1"]
    await fleet.remove("1")
    assert await fleet.ids() == []


async def test_an_id_that_is_no_member_is_told_as_recorded(fleet, refused):
    """Recorded: `InvalidParameter`, target `instanceIds`."""
    fleet.make(1)
    error = await refused(
        400,
        "InvalidParameter",
        fleet.sets.begin_delete_instances("rg", "web", {"instanceIds": ["0", "999"]}),
    )
    assert error.error.target == "instanceIds"
    assert "The provided instanceId 999 is not an active" in error.message
    assert await fleet.ids() == ["0"]


async def test_overprovisioned_members_go_again_and_leave_gaps(emulator, stage, fleet):
    """ "Overprovisioning" of the design considerations; ids with gaps are recorded."""
    emulator.laws(boot={"uniform": [0.05, 0.3]}, overprovisioned=0.5)
    image = stage.image()
    model = stage.model(4, image) | {"location": stage.location}
    model["properties"]["overprovision"] = True
    made = await (await fleet.sets.begin_create_or_update("rg", "web", model)).result()
    assert made.sku.capacity == 4
    stays = [m for m in emulator.members(group="web") if m["provisioning"] == "Succeeded"]
    assert len(stays) == 4
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 5}})
    # Six were started, 0 to 5; so the next one is 6, and two numbers are gone for ever.
    assert max(m["number"] for m in emulator.members(group="web")) >= 6


async def test_a_set_goes_with_its_members_and_nothing_is_allowed_meanwhile(
    emulator, fleet, refused
):
    """`OperationNotAllowed` … marked for deletion (microsoft/onefuzz#511); 204 afterwards."""
    fleet.make(2)
    fleet.freeze(shutdown=60)
    poller = await fleet.sets.begin_delete("rg", "web")
    assert (await fleet.told()).properties.provisioning_state == "Deleting"
    await refused(409, "OperationNotAllowed", fleet.sets.begin_update("rg", "web", {"tags": {}}))
    emulator.skip(seconds=61)
    await poller.result()
    with pytest.raises(ResourceNotFoundError):
        await fleet.told()
    assert emulator.members() == []
    await (await fleet.sets.begin_delete("rg", "web")).result()


async def test_what_is_not_there_is_told_as_recorded(compute, stage, refused):
    """Recorded: `ResourceNotFound`, `ResourceGroupNotFound`."""
    error = await refused(
        404, "ResourceNotFound", compute.virtual_machine_scale_sets.get("rg", "none")
    )
    assert (
        "'Microsoft.Compute/virtualMachineScaleSets/none' under resource group 'rg'"
        in error.message
    )
    await refused(
        404, "ResourceGroupNotFound", compute.virtual_machine_scale_sets.get("other", "x")
    )


async def test_user_data_is_told_only_where_it_is_asked_for(emulator, fleet):
    """GET with `$expand=userData` (REST reference); a model that is sent back as read keeps it."""
    fleet.make(0)
    await fleet.patch({"properties": {"virtualMachineProfile": {"userData": "c2VjcmV0"}}})
    told = await fleet.told()
    assert told.properties.virtual_machine_profile.user_data is None
    await (await fleet.sets.begin_create_or_update("rg", "web", told)).result()
    whole = await fleet.sets.get("rg", "web", expand="userData")
    assert whole.properties.virtual_machine_profile.user_data == "c2VjcmV0"


async def test_pages_have_absolute_addresses(emulator, fleet):
    """`nextLink` (REST reference, list results)."""
    fleet.make(5)
    emulator.laws(page=2)
    emulator.clear_calls()
    assert await fleet.ids() == ["0", "1", "2", "3", "4"]
    assert emulator.calls()["compute:virtual_machine_scale_set_vms.list"] == 3
