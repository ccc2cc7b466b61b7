"""URL maps with their weights; proxies and rules in front of them, to exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import invalid, required
from .kinds import USUAL, Kind, base, inserted, register, rewritten, users_among
from .names import checked, link

if TYPE_CHECKING:
    from .world import World

MAPS = ("urlMaps", "regionUrlMaps")

register(
    Kind(
        "urlMaps",
        "url_map",
        MAPS,
        base,
        users_among("targetHttpProxies"),
        print="fingerprint",
    ),
    *USUAL,
)
register(
    Kind(
        "targetHttpProxies",
        "target_http_proxy",
        ("targetHttpProxies", "regionTargetHttpProxies"),
        base,
        users_among("forwardingRules"),
        print="fingerprint",
    ),
    *USUAL,
)
register(
    Kind(
        "forwardingRules",
        "forwarding_rule",
        ("globalForwardingRules", "forwardingRules"),
        base,
        print="fingerprint",
    ),
    *USUAL,
)


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


@answers(*(f"{service}.insert" for service in MAPS))
def insert_map(world: World, call: Call) -> Any:
    """Make a URL map."""
    return inserted(world, call, "urlMaps", _map(world, call.body))


@answers(*(f"{s}.{m}" for s in MAPS for m in ("patch", "update")))
def change_map(world: World, call: Call) -> Any:
    """Change a part, or replace it; lists, so the whole table of weights, are replaced."""
    return rewritten(world, call, "urlMaps", _map)


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
