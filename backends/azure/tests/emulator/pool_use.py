"""What keeps a pool of a load balancer from being removed, and rules from naming what isn't there.

A pool that a scale set's model names can't be removed, also when nobody is in it: Azure/vm-scale-sets
#53, kubernetes-sigs/cloud-provider-azure #2721. A rule sends to one pool, and whoever changes it
there changes who gets new connections: "Azure Load Balancer components"
(https://learn.microsoft.com/azure/load-balancer/components), "Load Balancers - Create Or Update"
(https://learn.microsoft.com/rest/api/load-balancer/load-balancers/create-or-update).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ids
from .errors import ArmError

if TYPE_CHECKING:
    from .world import World

POOL = "backendAddressPools"


def refuse_removal(world: World, path: str) -> None:
    """Keep a pool that machines are in, or that a set's model names.

    Raises:
        ArmError: 400.
    """
    for group in world.sets.values():
        if ids.key(path) in map(ids.key, _named(group.properties.get("virtualMachineProfile"))):
            said = f"Cannot remove backend address pool {path} since it is in use by virtual machine scale set {group.id}."  # fmt: skip
            raise ArmError("InUseBackendAddressPoolCannotBeDeleted", said, 400)
    if world.network.members(path):
        raise ArmError("InUseBackendAddressPoolCannotBeDeleted", f"{path} is in use.", 400)


def refuse_change(world: World, balancer: str, before: dict[str, Any], after: dict[str, Any]) -> None:  # fmt: skip
    """Refuse a load balancer without a pool that is used, or whose rules name one that isn't there.

    Raises:
        ArmError: 400.
    """
    pools = {f"{ids.key(balancer)}/{ids.key(POOL)}/{ids.key(name)}" for name in _names(after)}
    for name in _names(before):
        path = f"{balancer}/{POOL}/{name}"
        if ids.key(path) not in pools:
            refuse_removal(world, path)
    for rule in after.get("loadBalancingRules") or []:
        for pool in sent_to(rule["properties"]):
            if ids.key(pool) not in pools:
                said = f"Resource {pool} referenced by rule {rule['name']} was not found."
                raise ArmError("InvalidResourceReference", said, 400)


def sent_to(rule: dict[str, Any]) -> list[str]:
    """The pools that a rule names: once, or in a list as well."""
    named = [rule.get("backendAddressPool") or {}, *(rule.get(POOL) or [])]
    return [each["id"] for each in named if each.get("id")]


def _names(properties: dict[str, Any]) -> list[str]:
    return [each["name"] for each in properties.get(POOL) or []]


def _named(profile: dict[str, Any] | None) -> list[str]:
    network = (profile or {}).get("networkProfile") or {}
    return [
        pool["id"]
        for nic in network.get("networkInterfaceConfigurations") or []
        for conf in nic["properties"].get("ipConfigurations") or []
        for pool in conf["properties"].get("loadBalancerBackendAddressPools") or []
    ]
