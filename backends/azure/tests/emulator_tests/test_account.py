"""What the subscription has, allows and scales: usages, sizes, rights, autoscale, metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.rest import HttpRequest

pytestmark = pytest.mark.asyncio


def setting(group, enabled=True, low=1, high=9):
    bounds = {"minimum": str(low), "maximum": str(high), "default": str(low)}
    return {
        "location": "westeurope",
        "properties": {
            "enabled": enabled,
            "targetResourceUri": group,
            "profiles": [{"name": "usual", "capacity": bounds, "rules": []}],
        },
    }


async def test_usages_count_cores_and_machines(fleet, compute):
    """ "Usage - List": a Standard_B2s has two cores."""
    fleet.make(3)
    told = {
        u.name.value: (u.current_value, u.limit) async for u in compute.usage.list("westeurope")
    }
    assert told["cores"] == (6, 1000)
    assert told["standardBSFamily"] == (6, 1000)
    assert told["virtualMachineScaleSets"][0] == 1


@pytest.mark.parametrize("when", ["operation", "request"])
async def test_a_quota_is_not_exceeded(when, emulator, fleet, refused):
    """`OperationNotAllowed`: "Resolve errors for resource quotas"."""
    fleet.make(1)
    emulator.laws(quota_at=when)
    emulator.quota(name="standardBSFamily", limit=4)
    size = {"sku": {"name": "Standard_B2s", "capacity": 3}}
    status = 200 if when == "operation" else 409
    error = await refused(status, "OperationNotAllowed", fleet.sets.begin_update("rg", "web", size))
    assert "Current Limit: 4, Current Usage: 2, Additional Required: 4" in error.message
    assert await fleet.ids() == ["0"]
    assert (await fleet.told()).sku.capacity == (3 if when == "operation" else 1)


async def test_a_full_zone_leaves_failed_members_or_fills_the_others(
    emulator, stage, compute, refused
):
    """Best-effort balance goes elsewhere, strict balance fails ("Zone balancing")."""
    emulator.laws(boot=0.05, settle=0.01)
    emulator.capacity(zone="2", machines=0)
    image, call = stage.image(), compute.virtual_machine_scale_sets.begin_create_or_update
    body = {"location": stage.location, **stage.model(3, image)}
    await (await call("rg", "web", body)).result()
    assert {m["zone"] for m in emulator.members(group="web")} == {"1", "3"}
    strict = {"location": stage.location, **stage.model(3, image, zoneBalance=True)}
    await refused(200, "ZonalAllocationFailed", call("rg", "strict", strict))
    failed = [m for m in emulator.members(group="strict") if m["provisioning"] == "Failed"]
    assert failed
    assert {m["power"] for m in failed} == {None}


async def test_without_zones_it_is_the_region_that_is_full(emulator, stage, compute, refused):
    """`AllocationFailed` ("Troubleshoot allocation failures")."""
    emulator.capacity(zone="", machines=1)
    body = {"location": stage.location, **stage.model(2, stage.image(), zones=())}
    call = compute.virtual_machine_scale_sets.begin_create_or_update("rg", "web", body)
    await refused(200, "AllocationFailed", call)


async def test_sizes_that_can_not_be_had(emulator, stage, compute, refused):
    """ "Resource Skus - List", restrictions; `SkuNotAvailable`."""
    emulator.restrict(size="Standard_B2s")
    emulator.restrict(size="Standard_D2s_v3", zone="1")
    told = {s.name: s async for s in compute.resource_skus.list(filter="location eq 'westeurope'")}
    assert told["Standard_B2s"].restrictions[0].reason_code == "NotAvailableForSubscription"
    zonal = told["Standard_D2s_v3"].restrictions[0]
    assert (zonal.type, zonal.restriction_info.zones) == ("Zone", ["1"])
    body = {"location": stage.location, **stage.model(1, stage.image())}
    call = compute.virtual_machine_scale_sets.begin_create_or_update("rg", "web", body)
    await refused(409, "SkuNotAvailable", call)


async def test_rights_are_told_and_held(emulator, fleet, refused):
    """ "Permissions - List For Resource Group"; `AuthorizationFailed`."""
    fleet.make(1)
    emulator.deny(actions=["Microsoft.Compute/virtualMachineScaleSets/delete/action"])
    path = fleet.stage.id("Microsoft.Authorization", "permissions")
    request = HttpRequest("GET", f"{path}?api-version=2022-04-01")
    reply = await fleet.compute.send_request(request)
    told = reply.json()["value"][0]
    assert told["actions"] == ["*"]
    assert told["notActions"] == ["Microsoft.Compute/virtualMachineScaleSets/delete/action"]
    call = fleet.sets.begin_delete_instances("rg", "web", {"instanceIds": ["0"]})
    error = await refused(403, "AuthorizationFailed", call)
    assert "virtualMachineScaleSets/delete/action" in error.message


async def test_an_autoscale_setting_scales_only_while_it_is_enabled(
    emulator, fleet, monitor, until
):
    """ "Autoscale Settings": 201, then 200; one for each target."""
    fleet.make(1)
    call = monitor.autoscale_settings
    await call.create_or_update("rg", "scaler", setting(fleet.id))
    emulator.alarm(setting="scaler", capacity=2)
    await until(fleet.ids, lambda ids: ids == ["0", "1"])
    held = await call.create_or_update("rg", "scaler", setting(fleet.id, enabled=False))
    assert held.enabled is False
    with pytest.raises(RuntimeError, match="disabled"):
        emulator.alarm(setting="scaler", capacity=3)
    told = [s async for s in call.list_by_resource_group("rg")]
    assert told[0].target_resource_uri == fleet.id
    assert told[0].profiles[0].capacity.maximum == "9"
    await call.delete("rg", "scaler")
    assert [s async for s in call.list_by_resource_group("rg")] == []


async def test_metrics_have_values_where_there_were_samples(emulator, fleet, monitor):
    """ "Metrics - List": an interval without samples has a time and no value."""
    fleet.make(0)
    balancer = fleet.stage.id("Microsoft.Network", "loadBalancers", "front")
    emulator.metric(resource=balancer, name="DipAvailability", values=[100.0, 50.0], ago=90)
    end = datetime.now(UTC)
    start = end - timedelta(minutes=3)
    span = f"{start:%Y-%m-%dT%H:%M:%SZ}/{end:%Y-%m-%dT%H:%M:%SZ}"
    told = await monitor.metrics.list(
        balancer,
        timespan=span,
        interval="PT1M",
        metricnames="DipAvailability",
        aggregation="Average",
    )
    data = told.value[0].timeseries[0].data
    assert len(data) == 3
    assert [point.average for point in data if point.average is not None] == [75.0]


async def test_a_systems_own_identity_is_another_one_in_another_set(stage, compute):
    """ "Managed identities": a system-assigned principal belongs to one resource."""
    image, call = stage.image(), compute.virtual_machine_scale_sets.begin_create_or_update
    seen = set()
    for name in ("one", "two"):
        body = {"location": stage.location, "identity": {"type": "SystemAssigned"}}
        made = await (await call("rg", name, body | stage.model(0, image))).result()
        seen.add(made.identity.principal_id)
    assert len(seen) == 2


async def test_a_spot_machine_is_evicted_by_its_policy(emulator, fleet):
    """ "Azure Spot Virtual Machines for scale sets", eviction policy."""
    fleet.make(0)
    model = await fleet.told()
    model.properties.virtual_machine_profile.priority = "Spot"
    model.properties.virtual_machine_profile.eviction_policy = "Delete"
    model.sku.capacity = 1
    await (await fleet.sets.begin_create_or_update("rg", "web", model)).result()
    emulator.laws(shutdown=0)
    emulator.evict(machine="web_0")
    assert await fleet.ids() == []
    assert (await fleet.told()).sku.capacity == 0
