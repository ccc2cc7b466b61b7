"""Load balancers: pools, probes, rules, administrative states, and who is sent requests.

"Administrative state" (https://learn.microsoft.com/azure/load-balancer/admin-state-overview), "Health
probes" (https://learn.microsoft.com/azure/load-balancer/load-balancer-custom-probe-overview); the
shapes of answers are recorded (cloud-provider-azure, loadbalancerclient, backendaddresspoolclient).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError
from .machines import Machine
from .networks import begin_change, finish_change
from .operations import accepted
from .pool_use import refuse_removal, sent_to
from .store import Resource, matching

if TYPE_CHECKING:
    from .world import World

KIND = "Microsoft.Network/loadBalancers"
POOL, RULE, PROBE = "backendAddressPools", "loadBalancingRules", "probes"
LISTS = (
    "frontendIPConfigurations", POOL, RULE, PROBE, "inboundNatRules", "outboundRules",
    "inboundNatPools",
)  # fmt: skip
READ_ONLY = (
    RULE, "backendIPConfigurations", "loadBalancerBackendAddresses", "outboundRules",
    "inboundNatRules",
)  # fmt: skip
"""What is told of a pool and isn't kept with it: members are in pools by their interfaces.

All but the addresses is read-only by "Load Balancer Backend Address Pools - Get"
(https://learn.microsoft.com/rest/api/load-balancer/load-balancer-backend-address-pools/get).
"""


def tidy(doc: dict[str, Any]) -> None:
    """Keep of a load balancer what the service keeps: references shrink to ids."""
    inside = doc.setdefault("properties", {})
    for name in LISTS:
        inside[name] = [
            {"name": each["name"], "properties": references(each.get("properties", {}))}
            for each in inside.get(name) or []
        ]
    inside.pop("resourceGuid", None)
    for pool in inside[POOL]:  # Read-only: what was told comes back with a change.
        for name in READ_ONLY:
            pool["properties"].pop(name, None)
    doc.setdefault("sku", {"name": "Standard"}).setdefault("tier", "Regional")


def references(properties: dict[str, Any]) -> dict[str, Any]:
    """Properties whose references to other resources are nothing but ids."""
    out = {}
    for name, value in properties.items():
        if isinstance(value, dict) and "id" in value:
            out[name] = {"id": value["id"]}
        elif name != "provisioningState":
            out[name] = value
    return out


def told_balancer(world: World, balancer: Resource) -> dict[str, Any]:
    """A load balancer."""
    said = copy.deepcopy(balancer.doc)
    said |= {"name": balancer.name, "id": balancer.id, "type": KIND, "etag": balancer.etag}
    inside = said["properties"]
    inside |= {"provisioningState": balancer.state, "resourceGuid": balancer.guid}
    for name in LISTS:
        inside[name] = [_told_part(world, balancer, name, each) for each in inside[name]]
    return said


def _told_part(world: World, balancer: Resource, kind: str, part: dict[str, Any]) -> dict[str, Any]:
    path = f"{balancer.id}/{kind}/{part['name']}"
    inside = {k: v for k, v in part["properties"].items() if k != "loadBalancerBackendAddresses"}
    inside["provisioningState"] = "Succeeded"
    if kind == POOL:
        inside |= _told_members(world, path)
        rules = _rules(balancer, path)
        if rules:
            inside[RULE] = [{"id": f"{balancer.id}/{RULE}/{rule['name']}"} for rule in rules]
    return {
        "name": part["name"],
        "id": path,
        "etag": balancer.etag,
        "type": f"{KIND}/{kind}",
        "properties": inside,
    }


def _told_members(world: World, pool: str) -> dict[str, Any]:
    addresses, ports = [], []
    for _, port in world.network.members(pool):
        said: dict[str, Any] = {"networkInterfaceIPConfiguration": {"id": port}}
        if admin := world.network.admin.get((ids.key(pool), ids.key(port))):
            said["adminState"] = admin
        addresses.append({"name": ids.steady(ids.key(pool), ids.key(port)), "properties": said})
        ports.append({"id": port})
    if not ports:
        return {"loadBalancerBackendAddresses": []}
    return {"loadBalancerBackendAddresses": addresses, "backendIPConfigurations": ports}


def _rules(balancer: Resource, pool: str) -> list[dict[str, Any]]:
    """Rules that send requests to a pool."""
    rules = balancer.properties.get(RULE, [])
    return [r for r in rules if ids.key(pool) in map(ids.key, sent_to(r["properties"]))]


def up(
    world: World, balancer: Resource, pool: str, port: str, machine: Machine, *, probed: bool
) -> bool:
    """Whether new connections are sent to a machine of a pool, by a rule with or without a probe."""
    admin = world.network.admin.get((ids.key(pool), ids.key(port)), "None")
    if not machine.runs or machine.leaves:
        return False
    if not probed:
        return True
    if admin != "None":
        return admin == "Up"
    return bool(machine.answering)


def serving(world: World, machine: Machine) -> list[str]:
    """Names of the pools from which a machine gets new connections."""
    found = set()
    for port, pools in world.network.ports(machine):
        for pool in pools:
            balancer = world.store.find(pool.rsplit(f"/{POOL}/", 1)[0])
            for rule in _rules(balancer, pool) if balancer else []:
                probed = bool(rule["properties"].get("probe"))
                if balancer and up(world, balancer, pool, port, machine, probed=probed):
                    found.add(pool.rsplit("/", 1)[1])
    return sorted(found)


def _part(world: World, call: Call, kind: str) -> tuple[Resource, dict[str, Any]]:
    world.place(call.group)
    balancer = world.store.get(call.path.rsplit(f"/{kind}", 1)[0])
    name = call.of(kind)
    for part in balancer.properties.get(kind, []):
        if part["name"].lower() == name.lower():
            return balancer, part
    said = f"Resource {balancer.id}/{kind}/{name} not found."
    raise ArmError("NotFound", said, 404)


@answers(
    "network:load_balancer_backend_address_pools.get",
    "network:load_balancer_probes.get",
    "network:load_balancer_load_balancing_rules.get",
)
def get_part(world: World, call: Call) -> Answer:
    """One pool, probe or rule."""
    kind = call.path.rsplit("/", 2)[1]
    balancer, part = _part(world, call, kind)
    told = _told_part(world, balancer, _kind(kind), part)
    return Answer(200, told, {"ETag": balancer.etag})


def _kind(word: str) -> str:
    return next(name for name in LISTS if name.lower() == word.lower())


@answers(
    "network:load_balancer_backend_address_pools.list",
    "network:load_balancer_probes.list",
    "network:load_balancer_load_balancing_rules.list",
)
def list_parts(world: World, call: Call) -> Answer:
    """All pools, probes or rules of a load balancer."""
    world.place(call.group)
    above, kind = call.path.rsplit("/", 1)
    balancer = world.store.get(above)
    parts = balancer.properties.get(_kind(kind), [])
    return world.page(call, [_told_part(world, balancer, _kind(kind), p) for p in parts])


@answers("network:load_balancer_backend_address_pools.create_or_update")
def put_pool(world: World, call: Call) -> Answer:
    """Make a pool, or set administrative states of the addresses that are in it.

    "Admin state can't be configured during the creation of a NIC-based Load Balancer backend pool"
    (admin-state-overview, Limitations).
    """
    balancer = world.store.get(call.path.rsplit(f"/{POOL}", 1)[0])
    matching(call.headers.get("if-match"), balancer.etag, balancer.id, network=True)
    name, path = call.of(POOL), f"{balancer.id}/{POOL}/{call.of(POOL)}"
    there = {part["name"].lower(): part for part in balancer.properties[POOL]}
    wanted = (call.body.get("properties") or {}).get("loadBalancerBackendAddresses") or []
    new = name.lower() not in there
    if new and wanted:
        raise ArmError("InvalidRequestFormat", "Admin state can't be set on a new pool.", 400)
    states = _states(world, path, wanted)
    operation = begin_change(world, call, balancer.id)
    if new:
        balancer.properties[POOL].append({"name": name, "properties": {}})
    for key, state in states.items():
        world.network.admin.pop(key, None)
        if state != "None":
            world.network.admin[key] = state
    balancer.changes += 1
    finish_change(world, operation)
    part = next(p for p in balancer.properties[POOL] if p["name"].lower() == name.lower())
    return accepted(world, call, operation, 201 if new else 200, _told_part(world, balancer, POOL, part))  # fmt: skip


def _unknown_address(name: str, pool: str) -> ArmError:
    """One that is in no pool by now: whoever read the pool before was overtaken by a deletion.

    No answer of this kind is recorded; it is what Azure says of every reference to nothing.
    """
    said = f"Resource {name} referenced by resource {pool} was not found."
    return ArmError("InvalidResourceReference", said, 400)


def _states(world: World, pool: str, wanted: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return the administrative state that each address is to have, by pool and interface."""
    states = {}
    ports = {ids.steady(ids.key(pool), ids.key(p)): p for _, p in world.network.members(pool)}
    by_id = {ids.key(port): port for port in ports.values()}
    for each in wanted:
        said = each.get("properties") or {}
        named = ids.key((said.get("networkInterfaceIPConfiguration") or {}).get("id", ""))
        port = ports.get(each.get("name", "")) or by_id.get(named)
        if port is None:
            raise _unknown_address(each.get("name", ""), pool)
        states[ids.key(pool), ids.key(port)] = str(said.get("adminState") or "None")
    return states


@answers("network:load_balancer_backend_address_pools.delete")
def delete_pool(world: World, call: Call) -> Answer:
    """Remove a pool that nobody is in and no rule names."""
    balancer, part = _part(world, call, POOL)
    path = f"{balancer.id}/{POOL}/{part['name']}"
    refuse_removal(world, path)
    if _rules(balancer, path):
        said = f"Resource {path} is in use."
        raise ArmError("InUseBackendAddressPoolCannotBeDeleted", said, 400)
    operation = begin_change(world, call, balancer.id)
    balancer.properties[POOL].remove(part)
    balancer.changes += 1
    finish_change(world, operation)
    return accepted(world, call, operation, 202, location=True)


@answers("network:load_balancer_load_balancing_rules.health")
def rule_health(world: World, call: Call) -> Answer:
    """What the probe of a rule says about each address; told through `Location`.

    "Load Balancer Load Balancing Rules - Health"
    (https://learn.microsoft.com/rest/api/load-balancer/load-balancer-load-balancing-rules/health).
    """
    balancer, rule = _part(world, call, RULE)
    operation = begin_change(world, call, f"{balancer.id}/health")
    pool = (rule["properties"].get("backendAddressPool") or {}).get("id", "")
    probed = bool(rule["properties"].get("probe"))
    told = []
    for machine, port in world.network.members(pool):
        fine = up(world, balancer, pool, port, machine, probed=probed)
        told.append({"networkInterfaceIPConfigurationId": port, "state": "Up" if fine else "Down"})  # fmt: skip
    count = sum(1 for each in told if each["state"] == "Up")
    operation.result = {
        "up": count,
        "down": len(told) - count,
        "loadBalancerBackendAddresses": told,
    }
    finish_change(world, operation)
    answer = accepted(world, call, operation, 202, location=True)
    answer.headers.pop("Azure-AsyncOperation")
    return answer
