"""Backend pools of load balancers: who is sent new connections, and who isn't any more."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from immutable.backend import Conflict, Gone, Invalid, Transient
from immutable.toolkit.requests import together
from immutable_azure.balancing import rules_of
from immutable_azure.calls import POOLS, Calls
from immutable_azure.names import key, short
from immutable_azure.reading import Described

__all__ = ["Pools", "parts_of"]

_VANISHED = "InvalidResourceReference"
"""The code of what names something that isn't there: here a member that was there a moment ago."""
_RULES = "network.load_balancer_load_balancing_rules"


class Pools:
    """Reads pools and sets administrative states in them.

    A member that is set Down gets no new connections, those that are open stay ("Administrative
    state", Azure Load Balancer). One request does so for any number of members.

    Args:
        calls: The door to Azure.
    """

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def get(self, pool: str) -> dict[str, Any]:
        """Return what is told of a pool.

        Raises:
            Gone: There is none of that long name.
        """
        place, balancer, name = parts_of(pool)
        told: dict[str, Any] = await self.calls.ask(
            f"{POOLS}.get", place, balancer, name, about=name
        )
        return told

    async def read(self, groups: Iterable[Described]) -> dict[str, dict[str, Any]]:
        """Return what is told of the pools of sets, each asked for once.

        Raises:
            Transient: One of them isn't there any more.
        """
        named = {key(pool): pool for group in groups for pool in group.pools}
        try:
            told = await together(*(self.get(pool) for pool in named.values()))
        except Gone as error:
            raise Transient(f"a pool of a scale set has gone: {error}") from error
        return dict(zip(named, told, strict=True))

    async def up(self, group: Described, pools: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
        """Return the network interfaces to which all pools of a set send; None without a pool.

        Where the set has the health extension that is what it says, else the probe is asked: a
        member that no probe looks at is not known to be well.

        Args:
            group: The set.
            pools: What was told of its pools.
        """
        found: set[str] | None = None
        for told in (pools[key(pool)] for pool in group.pools):
            well = {_nic(port) for port in _open(told)}
            if not group.watched:
                well &= await self._probed(told)
            found = well if found is None else found & well
        return found

    async def _probed(self, told: Mapping[str, Any]) -> set[str]:
        """Return the network interfaces that a probe says are Up."""
        up: set[str] | None = None
        for rule in rules_of(told):
            if not await self._has_probe(rule):
                continue
            *where, name = _rule_parts(rule)
            health = await self.calls.begin(
                f"{_RULES}.begin_health", *where, name, about=name, wait=True
            )
            well = {
                _nic(str(each.get("networkInterfaceIPConfigurationId", "")))
                for each in (health or {}).get("loadBalancerBackendAddresses") or ()
                if each.get("state") == "Up"
            }
            up = well if up is None else up & well
        return up or set()

    async def is_probed(self, pool: str) -> bool:
        """Return whether a rule with a probe sends to a pool."""
        for rule in rules_of(await self.get(pool)):
            if await self._has_probe(rule):
                return True
        return False

    async def _has_probe(self, rule: str) -> bool:
        *where, name = _rule_parts(rule)
        described = await self.calls.ask(f"{_RULES}.get", *where, name, about=name)
        return bool(described["properties"].get("probe"))

    async def closed(self, pools: Iterable[str], nics: set[str]) -> set[str]:
        """Return those of *nics* that no pool sends new connections to."""
        reached: set[str] = set()
        for pool in pools:
            reached |= {_nic(port) for port in _open(await self.get(pool))}
        return nics - reached

    async def shut(self, pool: str, nics: set[str]) -> bool:
        """Set network interfaces Down in a pool; returns whether that took a change.

        Raises:
            Conflict: Somebody else changed the load balancer meanwhile, or a member of it has gone.
        """
        told = await self.get(pool)
        addresses = copy.deepcopy(told["properties"].get("loadBalancerBackendAddresses") or [])
        changed = False
        for each in addresses:
            said = each["properties"]
            if _nic(_port(each)) in nics and said.get("adminState") != "Down":
                said["adminState"] = "Down"
                changed = True
        if not changed:
            return False
        place, balancer, name = parts_of(pool)
        body = {"properties": {"loadBalancerBackendAddresses": addresses}}
        try:
            await self.calls.begin(
                f"{POOLS}.begin_create_or_update",
                place,
                balancer,
                name,
                body,
                about=name,
                wait=True,
                headers={"If-Match": str(told.get("etag", ""))},
            )
        except Invalid as error:
            if _VANISHED not in str(error):
                raise
            raise Conflict(f"a member of pool {name} went while it was changed") from error
        return True


def parts_of(pool: str) -> tuple[str, str, str]:
    """Return a pool's resource group, load balancer and name.

    Raises:
        Gone: It is no backend pool of a load balancer.
    """
    parts = tuple(
        short(pool, kind) for kind in ("resourceGroups", "loadBalancers", "backendAddressPools")
    )
    if not all(parts):
        raise Gone(f"{pool} is no backend pool of a load balancer")
    return parts[0], parts[1], parts[2]


def _rule_parts(rule: str) -> list[str]:
    """Return a rule's resource group, load balancer and name."""
    return [short(rule, kind) for kind in ("resourceGroups", "loadBalancers", "loadBalancingRules")]


def _port(address: dict[str, Any]) -> str:
    return str((address["properties"].get("networkInterfaceIPConfiguration") or {}).get("id", ""))


def _open(told: Mapping[str, Any]) -> list[str]:
    addresses = told["properties"].get("loadBalancerBackendAddresses") or ()
    return [_port(each) for each in addresses if each["properties"].get("adminState") != "Down"]


# "/…/networkInterfaces/nic/ipConfigurations/ip": what stands before the last two.
def _nic(port: str) -> str:
    return key(port.rsplit("/ipConfigurations/", 1)[0])
