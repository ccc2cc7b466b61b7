"""Backend services: groups, capacity, draining, and who of a group is healthy.

Who would be sent requests follows from membership, health and draining; `fronting.py` sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import invalid, required
from .groups import Group
from .kinds import USUAL, Kind, base, inserted, register, rewritten, users_among
from .managing import instance_link
from .names import link
from .store import Resource

if TYPE_CHECKING:
    from .world import World

SERVICES = ("backendServices", "regionBackendServices")

register(
    Kind(
        "backendServices",
        "backend_service",
        SERVICES,
        base,
        users_among("urlMaps", "forwardingRules"),
        print="fingerprint",
    ),
    *USUAL,
)


def _service(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """A backend service with full links and defaults, held against what its page says.

    `capacityScaler` is 0 or 0.1 to 1, and never 0 where there is only one backend.
    """
    told: dict[str, Any] = {
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
    if not str(data["group"]).startswith("https://"):
        raise invalid(f"{field}.group", data["group"], "Partial URLs are not supported.")
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


@answers(*(f"{service}.insert" for service in SERVICES))
def insert_service(world: World, call: Call) -> Any:
    """Make a backend service."""
    return inserted(world, call, "backendServices", _service(world, call.body))


@answers(*(f"{s}.{m}" for s in SERVICES for m in ("patch", "update")))
def change_service(world: World, call: Call) -> Any:
    """Change a part, or replace it; needs the fingerprint, and nobody else at work on it."""
    return rewritten(world, call, "backendServices", _service)


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


@answers(*(f"{service}.getHealth" for service in SERVICES))
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
