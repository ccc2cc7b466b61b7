"""Load balancing as far as it is configured: backend services, URL maps, proxies, rules.

Nothing is routed. Who would be sent requests follows from membership, health and draining.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import invalid, required
from .groups import Group
from .kinds import Kind, base, changed, guarded, idle, inserted, merged, register
from .managing import instance_link
from .names import checked, link
from .store import Resource

if TYPE_CHECKING:
    from .world import World


def _found_in(value: Any, wanted: str) -> bool:
    """Whether a link stands anywhere in a body."""
    if isinstance(value, dict):
        return any(_found_in(each, wanted) for each in value.values())
    if isinstance(value, list):
        return any(_found_in(each, wanted) for each in value)
    return bool(value == wanted)


def _users_among(*kinds: str) -> Any:
    def users(world: World, resource: Resource) -> list[str]:
        return [
            u.path for k in kinds for u in world.store.of(k) if _found_in(u.data, resource.link)
        ]

    return users


PROXIES = ("targetHttpProxies", "targetHttpsProxies")

register(
    Kind(
        "backendServices",
        "backend_service",
        ("backendServices", "regionBackendServices"),
        base,
        _users_among("urlMaps", "forwardingRules"),
        print="fingerprint",
    ),
    "get",
    "list",
    "aggregatedList",
    "delete",
)
register(
    Kind(
        "urlMaps",
        "url_map",
        ("urlMaps", "regionUrlMaps"),
        base,
        _users_among(*PROXIES),
        print="fingerprint",
    ),
    "get",
    "list",
    "aggregatedList",
    "delete",
)
register(
    Kind(
        "targetHttpProxies",
        "target_http_proxy",
        ("targetHttpProxies", "regionTargetHttpProxies"),
        base,
        _users_among("forwardingRules"),
        print="fingerprint",
    ),
    "get",
    "list",
    "aggregatedList",
    "delete",
)
register(
    Kind(
        "forwardingRules",
        "forwarding_rule",
        ("globalForwardingRules", "forwardingRules"),
        base,
        print="fingerprint",
    ),
    "get",
    "list",
    "aggregatedList",
    "delete",
)


# -- backend services -----------------------------------------------------------------------------


def _service(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """A backend service with full links and defaults, held against what its page says.

    `capacityScaler` is 0 or 0.1 to 1, and never 0 where there is only one backend.
    """
    told = {
        "protocol": "HTTP",
        "port": 80,
        "portName": "http",
        "timeoutSec": 30,
        "loadBalancingScheme": "EXTERNAL",
        "connectionDraining": {"drainingTimeoutSec": 0},
    } | {k: v for k, v in data.items() if k != "fingerprint"}
    told["healthChecks"] = [
        world.store.at(link(each, "resource.healthChecks", "healthChecks")).link
        for each in told.get("healthChecks", [])
    ]
    drain = told["connectionDraining"].get("drainingTimeoutSec", 0)
    if not 0 <= drain <= 3600:
        field = "resource.connectionDraining.drainingTimeoutSec"
        raise invalid(field, drain, "Must be between 0 and 3600.")
    told["backends"] = [
        _backend(world, each, index, len(told["backends"]))
        for index, each in enumerate(told.get("backends", []))
    ]
    groups = [each["group"] for each in told["backends"]]
    if len(set(groups)) < len(groups):
        raise invalid("resource.backends", groups, "Each group can be there once.")
    return told


def _backend(world: World, data: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    field = f"resource.backends[{index}]"
    if not data.get("group"):
        raise required(f"{field}.group")
    named = link(data["group"], f"{field}.group", "instanceGroups")
    manager = world.store.get("instanceGroupManagers", named.scope, named.name)
    group = world.groups.all[manager.scope, manager.name]
    scaler = float(data.get("capacityScaler", 1.0))
    if not (scaler == 0 or 0.1 <= scaler <= 1.0):
        raise invalid(f"{field}.capacityScaler", scaler, "Must be 0 or from 0.1 to 1.")
    if scaler == 0 and count == 1:
        raise invalid(f"{field}.capacityScaler", scaler, "Must not be 0 on the only backend.")
    return {"balancingMode": "UTILIZATION", "capacityScaler": 1.0} | data | {
        "group": group.instance_group
    }  # fmt: skip


@answers("backendServices.insert", "regionBackendServices.insert")
def insert_service(world: World, call: Call) -> Any:
    """Make a backend service."""
    return inserted(world, call, "backendServices", _service(world, call.body))


def _change_service(world: World, call: Call, *, patch: bool) -> Any:
    service = world.store.get("backendServices", call.scope, call.target)
    guarded(service, call.body, "fingerprint", must=True)
    idle(service)
    data = _service(world, merged(service.data, call.body) if patch else dict(call.body))

    def change() -> None:
        service.data = data

    return changed(world, call, service, change)


@answers("backendServices.patch", "regionBackendServices.patch")
def patch_service(world: World, call: Call) -> Any:
    """Change a part; needs the fingerprint, and nobody else at work on it."""
    return _change_service(world, call, patch=True)


@answers("backendServices.update", "regionBackendServices.update")
def update_service(world: World, call: Call) -> Any:
    """Replace it; needs the fingerprint, and nobody else at work on it."""
    return _change_service(world, call, patch=False)


def looks(world: World, service: Resource, group: Group) -> Iterator[tuple[Any, bool]]:
    """Members of a group that a service knows something of: the member, and whether healthy.

    Those that drain, or whose VM is not there, are in no backend any more.
    """
    links = service.data.get("healthChecks", [])
    checks = [c for each in links if (c := world.probing.check(each)) is not None]
    for member in group.live:
        vm = member.vm
        if vm is None or vm.draining is not None or vm.id not in world.lives.all:
            continue
        if all(world.probing.probed(vm, check) for check in checks):
            # A new backend is unhealthy until enough probes have succeeded.
            yield member, all(world.probing.state(vm, check) for check in checks)


@answers("backendServices.getHealth", "regionBackendServices.getHealth")
def health(world: World, call: Call) -> Any:
    """The newest results of a group: HEALTHY, UNHEALTHY; who was not probed yet is missing."""
    service = world.store.get("backendServices", call.scope, call.target)
    if not call.body.get("group"):
        raise required("group")
    named = link(call.body["group"], "group", "instanceGroups")
    manager = world.store.get("instanceGroupManagers", named.scope, named.name)
    group = world.groups.all[manager.scope, manager.name]
    if all(b["group"] != group.instance_group for b in service.data["backends"]):
        raise invalid("group", call.body["group"], "The group is no backend of this service.")
    ports = {p["name"]: p["port"] for p in group.data.get("namedPorts", [])}
    told = [
        {
            "instance": instance_link(world, member),
            "ipAddress": member.vm.resource.data["networkInterfaces"][0]["networkIP"],
            "port": ports.get(service.data["portName"], 80),
            "healthState": "HEALTHY" if healthy else "UNHEALTHY",
        }
        for member, healthy in looks(world, service, group)
    ]
    return {"kind": "compute#backendServiceGroupHealth", "healthStatus": told}


# -- URL maps, proxies, rules ---------------------------------------------------------------------


def _actions(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every place of a URL map that can name services."""
    yield data
    for matcher in data.get("pathMatchers", []):
        yield matcher
        yield from matcher.get("pathRules", [])
        yield from matcher.get("routeRules", [])


def _map(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """A URL map with full links; weights are from 0 to 1,000, and not all 0."""
    told = {k: v for k, v in data.items() if k != "fingerprint"}
    for place in _actions(told):
        for field in ("defaultService", "service"):
            if place.get(field):
                place[field] = _to(world, place[field], field)
        for field in ("defaultRouteAction", "routeAction"):
            weighted = place.get(field, {}).get("weightedBackendServices", [])
            _weights(world, weighted, field)
    action = told.get("defaultRouteAction", {}).get("weightedBackendServices")
    if not (told.get("defaultService") or action or told.get("defaultUrlRedirect")):
        raise required("resource.defaultService")
    if told.get("defaultService") and action:
        why = "Not together with weightedBackendServices."
        raise invalid("resource.defaultService", told["defaultService"], why)
    return told


def _to(world: World, value: str, field: str) -> str:
    return world.store.at(link(value, f"resource.{field}", "backendServices")).link


def _weights(world: World, weighted: list[dict[str, Any]], field: str) -> None:
    where = f"resource.{field}.weightedBackendServices"
    for each in weighted:
        weight = each.get("weight", 0)
        if not 0 <= weight <= 1000:
            raise invalid(f"{where}.weight", weight, "Must be from 0 to 1000.")
        each["backendService"] = _to(world, each.get("backendService", ""), where)
    if weighted and not sum(each.get("weight", 0) for each in weighted):
        raise invalid(f"{where}.weight", 0, "The sum of the weights must not be 0.")


@answers("urlMaps.insert", "regionUrlMaps.insert")
def insert_map(world: World, call: Call) -> Any:
    """Make a URL map."""
    return inserted(world, call, "urlMaps", _map(world, call.body))


def _change_map(world: World, call: Call, *, patch: bool) -> Any:
    found = world.store.get("urlMaps", call.scope, call.target)
    guarded(found, call.body, "fingerprint", must=True)
    idle(found)
    data = _map(world, merged(found.data, call.body) if patch else dict(call.body))

    def change() -> None:
        found.data = data

    return changed(world, call, found, change)


@answers("urlMaps.patch", "regionUrlMaps.patch")
def patch_map(world: World, call: Call) -> Any:
    """Change a part; lists, so the whole table of weights, are replaced."""
    return _change_map(world, call, patch=True)


@answers("urlMaps.update", "regionUrlMaps.update")
def update_map(world: World, call: Call) -> Any:
    """Replace it; needs the fingerprint."""
    return _change_map(world, call, patch=False)


@answers("targetHttpProxies.insert", "regionTargetHttpProxies.insert")
def insert_proxy(world: World, call: Call) -> Any:
    """A proxy, to stand between a rule and a URL map."""
    data = dict(call.body)
    data["urlMap"] = world.store.at(link(data.get("urlMap"), "resource.urlMap", "urlMaps")).link
    return inserted(world, call, "targetHttpProxies", data)


@answers("globalForwardingRules.insert", "forwardingRules.insert")
def insert_rule(world: World, call: Call) -> Any:
    """A forwarding rule, to exist: it has an address, and nobody answers there."""
    data = {"IPProtocol": "TCP", "IPAddress": "203.0.113.10", "portRange": "80-80"} | call.body
    checked(data)
    field = "target" if data.get("target") else "backendService"
    data[field] = world.store.at(link(data.get(field), f"resource.{field}")).link
    return inserted(world, call, "forwardingRules", data)


def weights(world: World) -> dict[str, dict[str, Any]]:
    """Per URL map, where its default route leads."""
    told: dict[str, dict[str, Any]] = {}
    for found in world.store.of("urlMaps"):
        action = found.data.get("defaultRouteAction", {}).get("weightedBackendServices", [])
        plain = found.data.get("defaultService")
        table = {e["backendService"].rpartition("/")[2]: e.get("weight", 0) for e in action}
        told[found.name] = table or {str(plain).rpartition("/")[2]: 1}
    return told
