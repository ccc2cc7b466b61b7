"""Which pool the rules of a load balancer send to, and what a switch of them needs. Pure."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from immutable.backend import Problem
from immutable.toolkit.weights import shares
from immutable_azure.names import key
from immutable_azure.reading import Described

__all__ = ["is_idle", "obstacles", "repointed", "rules_of", "unpooled", "weights_of", "with_pool"]

Told = Mapping[str, Any]

_OTHERWISE = "use Rolling() or Canary()"


def rules_of(pool: Told) -> list[str]:
    """Return the long names of the rules that send to a pool."""
    return [str(each["id"]) for each in pool["properties"].get("loadBalancingRules") or ()]


def is_idle(pool: Told) -> bool:
    """Return whether nobody is in a pool, and no rule sends to it."""
    said = pool["properties"]
    there = said.get("loadBalancerBackendAddresses") or said.get("backendIPConfigurations")
    return not there and not rules_of(pool)


# r1 in web, r2 in web-r2, the rules send to web: r1 100, r2 0. All in web: they share it, no table.
def weights_of(groups: Sequence[Described], pools: Mapping[str, Told]) -> dict[int, float]:
    """Return each group's percentage of the traffic; empty while they share one pool.

    Args:
        groups: The fleet's sets.
        pools: What is told of the pools that they are in, by long name to be compared.
    """
    mine = {group.marks.revision: list(map(key, group.pools)) for group in groups}
    if any(len(found) != 1 for found in mine.values()):
        return {}
    return shares(mine, {name: 100 * bool(rules_of(told)) for name, told in pools.items()})


def repointed(balancer: Told, pools: Iterable[str], target: str) -> dict[str, Any] | None:
    """Return a load balancer that sends to *target* what it sends to any of *pools*.

    Outbound rules and inbound NAT stay as they are.

    Args:
        balancer: As it is told.
        pools: The long names of the pools that are to get nothing more.
        target: The long name of the one that gets it.

    Returns:
        What to put; None when that is so already.
    """
    old = {key(pool) for pool in pools} - {key(target)}
    changed, found = copy.deepcopy(dict(balancer)), False
    for rule in changed["properties"].get("loadBalancingRules") or ():
        for place in _references(rule["properties"]):
            if key(str(place.get("id", ""))) in old:
                place["id"], found = target, True
    return changed if found else None


def _references(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A rule is told with its pool, and with a list that has the same one."""
    if rule.get("backendAddressPool"):
        yield rule["backendAddressPool"]
    yield from rule.get("backendAddressPools") or ()


def with_pool(profile: dict[str, Any], pool: str) -> None:
    """Let the members of a model join another pool, wherever they join one."""
    for config in _configurations(profile):
        if config.get("loadBalancerBackendAddressPools"):
            config["loadBalancerBackendAddressPools"] = [{"id": pool}]


def unpooled(profile: Told, pools: Collection[str]) -> dict[str, Any]:
    """Return the network profile of a model whose members join none of *pools*."""
    gone = {key(pool) for pool in pools}
    kept = copy.deepcopy(dict(profile))
    for config in _configurations(kept):
        named = config.get("loadBalancerBackendAddressPools") or ()
        config["loadBalancerBackendAddressPools"] = [e for e in named if key(e["id"]) not in gone]
    return {"networkProfile": kept["networkProfile"]}


def _configurations(profile: Told) -> Iterator[dict[str, Any]]:
    for nic in (profile.get("networkProfile") or {}).get("networkInterfaceConfigurations") or ():
        for config in nic["properties"].get("ipConfigurations") or ():
            yield config["properties"]


def obstacles(group: Described, balancer: Told | None) -> list[Problem]:
    """Return why the traffic of a set can't be switched to a pool of its own.

    A pool that no rule sends to has no probe, so what is known of its members by a probe alone is
    nothing; and a model can name a probe as its health only while a rule with it sends to it.

    Args:
        group: The set that serves.
        balancer: The load balancer of its one pool, as told; None when it isn't in just one pool.
    """
    if balancer is None:
        number = len(group.pools)
        what = f"{group.name} is in {number} backend pools: a switch is from one pool to another"
        return [Problem(what, f"let it be in one, or {_OTHERWISE}")]
    found = []
    if not group.watched:
        what = (
            f"the health of {group.name} is told by a probe alone, and a pool that gets no traffic"
            " yet has none"
        )
        found.append(Problem(what, f"add the Application Health extension, or {_OTHERWISE}"))
    if (group.profile.get("networkProfile") or {}).get("healthProbe"):
        what = f"the model of {group.name} names a probe, which needs a rule that sends to its pool"
        found.append(Problem(what, f"use the Application Health extension, or {_OTHERWISE}"))
    return [*found, *_rules(balancer, *map(key, group.pools))]


def _rules(balancer: Told, pool: str) -> list[Problem]:
    said, found = balancer["properties"], []
    rules = said.get("loadBalancingRules") or ()
    if not any(_leads(rule, pool) for rule in rules):
        what = f"no rule of {balancer['name']} sends to pool {pool.rsplit('/', 1)[-1]}"
        found.append(Problem(what, f"give it one, or {_OTHERWISE}"))
    for kind, means, way in (
        ("outboundRules", "outbound rule", "give the subnet a NAT gateway instead"),
        ("inboundNatRules", "inbound NAT rule", "take it away"),
    ):
        for rule in said.get(kind) or ():
            if _leads(rule, pool):
                what = f"{means} {rule['name']} is for one pool: a new one would be without"
                found.append(Problem(what, f"{way}, or {_OTHERWISE}"))
    return found


def _leads(rule: Told, pool: str) -> bool:
    return any(key(str(e.get("id", ""))) == pool for e in _references(dict(rule["properties"])))
