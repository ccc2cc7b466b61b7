"""The subscription: resource groups, usages, sizes on offer, what the caller may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import NotEmulated
from .supply import SIZES, ZONES

if TYPE_CHECKING:
    from .world import World


@answers("resources:subscriptions.get")
def subscription(world: World, call: Call) -> Answer:
    """The subscription."""
    return Answer(200, {"id": f"/subscriptions/{ids.SUBSCRIPTION}", "subscriptionId": ids.SUBSCRIPTION, "displayName": "tests", "state": "Enabled"})  # fmt: skip


def _told_group(world: World, name: str) -> dict[str, Any]:
    return {
        "id": ids.group_id(name),
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": world.location,
        "tags": world.places[name.lower()].get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }


@answers("resources:resource_groups.create_or_update")
def put_group(world: World, call: Call) -> Answer:
    """Make one, 201, or change it, 200."""
    new = call.group.lower() not in world.places
    name = world.places.get(call.group.lower(), {}).get("name", call.group)
    world.places[call.group.lower()] = {"name": name, "tags": (call.body or {}).get("tags")}
    return Answer(201 if new else 200, _told_group(world, name))


@answers("resources:resource_groups.get")
def get_group(world: World, call: Call) -> Answer:
    """One."""
    return Answer(200, _told_group(world, world.place(call.group)))


@answers("resources:resource_groups.list")
def list_groups(world: World, call: Call) -> Answer:
    """All."""
    return world.page(call, [_told_group(world, each["name"]) for each in world.places.values()])


@answers("resources:resource_groups.delete")
def delete_group(world: World, call: Call) -> Answer:
    """Remove one that has no machines: 202 and `Location` alone (recorded)."""
    name = world.place(call.group)
    inside = f"{ids.key(ids.group_id(name))}/"
    if any(
        ids.key(each.id).startswith(inside) for each in [*world.machines(), *world.sets.values()]
    ):
        raise NotEmulated("the deletion of a resource group with machines in it")
    for key in [key for key in world.store.all if key.startswith(inside)]:
        del world.store.all[key]
    del world.places[name.lower()]
    operation = world.operations.begin(call, call.name, "Microsoft.Resources", ids.group_id(name))
    world.clock.after(world.chances.draw(world.laws.settle), world.operations.end, operation)
    place = f"{call.base}/subscriptions/{ids.SUBSCRIPTION}/operationresults/{operation.id}"
    return Answer(202, None, {"Location": f"{place}?api-version={call.version}"})


@answers("compute:usage.list")
def usages(world: World, call: Call) -> Answer:
    """Quotas and how much of them is used.

    "Usage - List" (https://learn.microsoft.com/rest/api/compute/usage/list).
    """
    used = world.supply.used()
    rows = [
        {
            "unit": "Count",
            "currentValue": used[name],
            "limit": limit,
            "name": {"value": name, "localizedValue": name},
        }
        for name, limit in world.supply.quotas.items()
    ]
    return world.page(call, rows)


@answers("compute:resource_skus.list")
def skus(world: World, call: Call) -> Answer:
    """Sizes with their zones, and what can't be had.

    "Resource Skus - List" (https://learn.microsoft.com/rest/api/compute/resource-skus/list): a restriction
    of the whole location or of zones, `NotAvailableForSubscription`.
    """
    wanted = call.query.get("$filter", "")
    if wanted and wanted != f"location eq '{world.location}'":
        raise NotEmulated(f"the filter {wanted!r}")
    return world.page(call, [_told_sku(world, name) for name in SIZES])


def _told_sku(world: World, name: str) -> dict[str, Any]:
    cores, memory, family = SIZES[name]
    restrictions = []
    zones = [zone for size, zone in sorted(world.supply.restricted) if size == name and zone]
    if (name, "") in world.supply.restricted:
        restrictions.append(_restriction(world, "Location", []))
    if zones:
        restrictions.append(_restriction(world, "Zone", zones))
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "size": name.removeprefix("Standard_"),
        "family": family,
        "locations": [world.location],
        "locationInfo": [{"location": world.location, "zones": list(ZONES), "zoneDetails": []}],
        "capabilities": [
            {"name": "vCPUs", "value": str(cores)},
            {"name": "MemoryGB", "value": str(memory)},
            {"name": "CpuArchitectureType", "value": "Arm64" if "ps_v" in name else "x64"},
        ],
        "restrictions": restrictions,
    }


def _restriction(world: World, kind: str, zones: list[str]) -> dict[str, Any]:
    info: dict[str, Any] = {"locations": [world.location]} | ({"zones": zones} if zones else {})
    return {
        "type": kind,
        "values": [world.location],
        "restrictionInfo": info,
        "reasonCode": "NotAvailableForSubscription",
    }


@answers("resources:permissions.list_for_resource_group", "resources:permissions.list_for_resource")
def permissions(world: World, call: Call) -> Answer:
    """What the caller may do.

    "Permissions - List For Resource Group"
    (https://learn.microsoft.com/rest/api/authorization/permissions/list-for-resource-group).
    """
    world.place(call.group)
    row = {
        "actions": ["*"],
        "notActions": sorted(world.denied),
        "dataActions": [],
        "notDataActions": [],
    }
    return Answer(200, {"value": [row]})
