"""What a test can do behind everybody's back, and what it can compare."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.asyncio


async def test_a_machine_that_somebody_deletes_takes_the_capacity_along(emulator, fleet, until):
    """A deleted machine is not replaced, the capacity falls (poseidon/typhoon#1567)."""
    fleet.make(3)
    emulator.kill(machine="web_1")
    await until(fleet.ids, lambda ids: ids == ["0", "2"])
    assert (await fleet.told()).sku.capacity == 2


async def test_somebody_else_changes_size_and_tags_and_the_etag_tells(
    emulator, fleet, until, refused
):
    """Conditions are what makes that visible."""
    fleet.make(1)
    before = (await fleet.told()).etag
    emulator.resize(group="web", capacity=2)
    await until(fleet.ids, lambda ids: ids == ["0", "1"])
    emulator.retag(group="web", tags={"x": "1"})
    after = await fleet.told()
    assert after.etag != before
    words = {"headers": {"If-Match": before}}
    call = fleet.sets.begin_update("rg", "web", {"tags": {}}, **words)
    await refused(412, "PreconditionFailed", call)


async def test_a_fleet_that_was_replaced_and_brought_back_is_as_before(
    emulator, stage, fleet, until
):
    """Snapshots know states, not ids."""
    await fleet.make(2).settled(2)
    before = emulator.everything()
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 3}})
    assert emulator.everything() != before
    await fleet.remove("0")
    await until(emulator.everything, lambda said: said == before)
    await fleet.patch({"tags": {"left": "behind"}})
    assert emulator.everything() != before


async def test_flexible_fleets_too(emulator, fleet, until):
    """Names and interfaces that the set makes are no difference."""
    await fleet.make(2, flexible=True, zones=()).settled(2)
    before = emulator.everything()
    first = emulator.members()[0]["name"]
    await fleet.remove(first)
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 2}})
    await until(emulator.everything, lambda said: said == before)


async def test_fates_fall_on_images_and_are_used_up(emulator, stage, fleet, refused):
    """The first fate that matches counts."""
    fleet.make(0)
    emulator.fate(image="1.0.0", times=1, code="OSProvisioningTimedOut")
    size = {"sku": {"name": "Standard_B2s", "capacity": 2}}
    await refused(200, "OSProvisioningTimedOut", fleet.sets.begin_update("rg", "web", size))
    assert [m["provisioning"] for m in emulator.members()] == ["Failed", "Succeeded"]
    await fleet.patch({"sku": {"name": "Standard_B2s", "capacity": 3}})
    assert len(emulator.members()) == 3


async def test_a_wrong_order_says_what_there_is(emulator):
    """Commands and knobs by their names."""
    with pytest.raises(RuntimeError, match="there are"):
        emulator.order("explode")
    with pytest.raises(RuntimeError, match="no knob 'boots'"):
        emulator.laws(boots=1)
    with pytest.raises(RuntimeError, match="no machine 'x'"):
        emulator.kill(machine="x")
    assert emulator.ping()["clients"]["azure-mgmt-compute"] == "39.0.0"


async def test_hundred_members_are_one_page_and_few_calls(emulator, fleet):
    """Calls grow with pages."""
    emulator.laws(minute=None)
    fleet.make(100)
    emulator.clear_calls()
    assert len(await fleet.members()) == 100
    assert emulator.calls() == {"compute:virtual_machine_scale_set_vms.list": 1}
    await fleet.remove(*[str(number) for number in range(90)])
    assert (await fleet.told()).sku.capacity == 10


async def test_what_others_do_to_a_machine_shows_when_it_is_told_of(
    emulator, fleet, compute, until
):
    fleet.make(1)
    await until(fleet.ids, lambda ids: ids == ["0"])
    name = "web_0"
    for what, value in (("size", "Standard_D4s_v3"), ("disk", 7), ("model", None), ("own", None)):
        emulator.alter(machine=name, what=what, value=value)
    members = compute.virtual_machine_scale_set_vms
    (told,) = [each async for each in members.list("rg", "web")]
    assert told.sku.name == "Standard_D4s_v3"
    assert [each.lun for each in told.storage_profile.data_disks] == [7]
    assert (told.latest_model_applied, told.model_definition_applied) == (False, "VirtualMachine")
    with pytest.raises(RuntimeError, match="no alteration 'moon'; there are"):
        emulator.alter(machine=name, what="moon")
