"""Virtual networks, addresses, load balancers and network interfaces: kept as they are put.

"Virtual networks", "Public IP addresses", "Load balancers", "Network interfaces" of the REST
reference (https://learn.microsoft.com/rest/api/virtualnetwork); statuses and headers are recorded.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated
from .operations import Operation, accepted
from .pool_use import refuse_change
from .store import Resource, matching

if TYPE_CHECKING:
    from .world import World

GROUPS = {
    "virtual_networks": "Microsoft.Network/virtualNetworks",
    "public_ip_addresses": "Microsoft.Network/publicIPAddresses",
    "network_security_groups": "Microsoft.Network/networkSecurityGroups",
    "load_balancers": "Microsoft.Network/loadBalancers",
    "network_interfaces": "Microsoft.Network/networkInterfaces",
}


USUAL: dict[str, dict[str, Any]] = {
    "Microsoft.Network/virtualNetworks": {
        "privateEndpointVNetPolicies": "Disabled",
        "virtualNetworkPeerings": [],
        "enableDdosProtection": False,
    },
    "Microsoft.Network/publicIPAddresses": {
        "publicIPAddressVersion": "IPv4",
        "idleTimeoutInMinutes": 4,
        "ipTags": [],
        "ddosSettings": {"protectionMode": "VirtualNetworkInherited"},
    },
}
"""What is told although nobody said it (recorded)."""


def begin_change(world: World, call: Call, target: str) -> Operation:
    """An operation on a resource of the network.

    Raises:
        ArmError: 429 while another one runs on it: the network provider says
            `RetryableErrorDueToAnotherOperation`
            (https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling).
    """
    if world.operations.on(target):
        said = f"Operation {call.name} on resource {target} is blocked by another operation."
        waits = (
            {} if world.laws.retry_after is None else {"Retry-After": str(world.laws.retry_after)}
        )
        raise ArmError("RetryableErrorDueToAnotherOperation", said, 429, headers=waits)
    return world.operations.begin(call, call.name, "Microsoft.Network", target)


def finish_change(world: World, operation: Operation) -> None:
    """It ends soon."""
    seconds = world.chances.draw(world.laws.settle)
    world.clock.after(seconds, world.operations.end, operation)


def told(world: World, found: Resource) -> dict[str, Any]:
    """A resource of the network."""
    from .pools import told_balancer

    kind = found.kind.lower()
    if kind.endswith("/loadbalancers"):
        return told_balancer(world, found)
    if kind.endswith("/networkinterfaces"):
        return world.network.told_nic(found)
    said = copy.deepcopy(found.doc)
    said |= {"name": found.name, "id": found.id, "type": found.kind, "etag": found.etag}
    inside = said.setdefault("properties", {})
    for name, value in USUAL.get(found.kind, {}).items():
        inside.setdefault(name, copy.deepcopy(value))
    inside |= {"provisioningState": found.state, "resourceGuid": found.guid}
    for subnet in inside.get("subnets", []):
        path = f"{found.id}/subnets/{subnet['name']}"
        subnet |= {"id": path, "etag": found.etag, "type": f"{found.kind}/subnets"}
        subnet.setdefault("properties", {})["provisioningState"] = "Succeeded"
    if kind.endswith("/publicipaddresses"):
        inside["ipAddress"] = "20." + ids.steady(found.id)[:2].translate(str.maketrans("abcdef", "123456")) + ".0.4"  # fmt: skip
    return said


@answers(*(f"network:{group}.create_or_update" for group in GROUPS))
def put(world: World, call: Call) -> Answer:
    """Make or replace one: 201 or 200; network interfaces without an operation."""
    world.place(call.group)
    there = world.store.find(call.path)
    if there is not None:
        matching(call.headers.get("if-match"), there.etag, there.id, network=True)
    if call.name.startswith("network:load_balancers"):
        before = there.properties if there is not None else {}
        refuse_change(world, call.path, before, call.body.get("properties") or {})
    plain = call.name.startswith("network:network_interfaces")
    operation = None if plain else begin_change(world, call, call.path)
    found, new = world.store.put(call.path, call.body)
    if call.name.startswith("network:load_balancers"):
        from .pools import tidy

        tidy(found.doc)
    if plain:
        _tidy_nic(found.doc)
    status = 201 if new else 200
    if operation is None:
        return Answer(status, told(world, found))
    finish_change(world, operation)
    return accepted(world, call, operation, status, told(world, found))


def _tidy_nic(doc: dict[str, Any]) -> None:
    """Keep of a network interface what was asked for: what was read is sent back whole."""
    from .pools import references

    inside = doc.setdefault("properties", {})
    for name in ("provisioningState", "resourceGuid", "virtualMachine"):
        inside.pop(name, None)
    inside["ipConfigurations"] = [
        {"name": each["name"], "properties": references(each.get("properties", {}))}
        for each in inside.get("ipConfigurations") or []
    ]


@answers(*(f"network:{group}.update_tags" for group in GROUPS))
def update_tags(world: World, call: Call) -> Answer:
    """Replace the tags."""
    found = world.store.get(call.path)
    found.doc["tags"] = call.body.get("tags") or {}
    found.changes += 1
    return Answer(200, told(world, found))


@answers(*(f"network:{group}.get" for group in GROUPS))
def get(world: World, call: Call) -> Answer:
    """One."""
    world.place(call.group)
    found = world.store.get(call.path)
    return Answer(200, told(world, found), {"ETag": found.etag})


@answers(*(f"network:{g}.{verb}" for g in GROUPS for verb in ("list", "list_all")))
def listed(world: World, call: Call) -> Answer:
    """All, in a resource group or in the subscription."""
    if call.group:
        world.place(call.group)
    kind = GROUPS[call.name.split(":")[1].split(".")[0]]
    return world.page(call, [told(world, r) for r in world.store.of(kind, call.group or None)])


@answers(*(f"network:{group}.delete" for group in GROUPS))
def delete(world: World, call: Call) -> Answer:
    """Remove one: 202, or 204 if it is not there."""
    world.place(call.group)
    if world.store.find(call.path) is None:
        return Answer(204)
    _unused(world, call.path)
    operation = begin_change(world, call, call.path)
    world.store.pop(call.path)
    finish_change(world, operation)
    return accepted(world, call, operation, 202, location=True)


def _unused(world: World, path: str) -> None:
    for machine in world.machines():
        below = world.network.nic_ids(machine)
        pools = [pool for _, named in world.network.ports(machine) for pool in named]
        if any(f"{ids.key(each)}/".startswith(f"{ids.key(path)}/") for each in [*below, *pools]):
            raise ArmError("InUse", f"Resource {path} is used by {machine.id}.", 400)


@answers("network:subnets.get")
def get_subnet(world: World, call: Call) -> Answer:
    """One subnet of a virtual network."""
    network = world.store.get(call.path.rsplit("/subnets/", 1)[0])
    for subnet in told(world, network)["properties"].get("subnets", []):
        if subnet["name"].lower() == call.of("subnets").lower():
            return Answer(200, subnet)
    raise ArmError("NotFound", f"Resource {call.path} not found.", 404)


@answers(
    "network:network_interfaces.list_virtual_machine_scale_set_network_interfaces",
    "network:network_interfaces.list_virtual_machine_scale_set_vm_network_interfaces",
    "network:network_interfaces.get_virtual_machine_scale_set_network_interface",
)
def members_nics(world: World, call: Call) -> Answer:
    """Network interfaces of a Uniform set's machines."""
    group = world.group(call)
    if group.flexible:
        raise NotEmulated("network interfaces of a Flexible set below the set")
    only = call.get("virtualMachines")
    told_all = []
    for machine in group.members.values():
        if only is None or str(machine.number) == only:
            for conf in world.network.configurations(machine):
                nic = Resource(f"{machine.id}/networkInterfaces/{conf['name']}", {"properties": conf["properties"]})  # fmt: skip
                nic.guid = ids.steady(nic.id)
                told_all.append(world.network.told_nic(nic))
    name = call.get("networkInterfaces")
    if name:
        found = [nic for nic in told_all if nic["name"].lower() == name.lower()]
        if not found:
            raise ArmError("NotFound", f"Resource {call.path} not found.", 404)
        return Answer(200, found[0])
    return world.page(call, told_all)
