"""What is there before anybody comes: project, region, zones, machine types, a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import not_found
from .kinds import Kind, base, inserted, register
from .names import ROOT, Scope
from .paging import page

if TYPE_CHECKING:
    from .world import World

MACHINES = {
    "e2-micro": (2, 1024),
    "e2-small": (2, 2048),
    "e2-medium": (2, 4096),
    "e2-standard-2": (2, 8192),
    "e2-standard-4": (4, 16384),
    "n1-standard-1": (1, 3840),
    "n2-standard-2": (2, 8192),
    "n2-standard-4": (4, 16384),
    "t2a-standard-1": (1, 4096),
}
"""vCPUs and MB: "Machine families resource and comparison guide"
(https://cloud.google.com/compute/docs/machine-resource)."""

PROJECT_QUOTAS = {
    "INSTANCE_TEMPLATES": ("instanceTemplates", 300),
    "BACKEND_SERVICES": ("backendServices", 150),
    "HEALTH_CHECKS": ("healthChecks", 150),
    "URL_MAPS": ("urlMaps", 30),
    "IMAGES": ("images", 2000),
}
"""Metric, what it counts, limit."""

register(Kind("networks", "network", ("networks",), base), "get", "list")
register(
    Kind("subnetworks", "subnetwork", ("subnetworks",), base, scopes=("regions",)),
    "get",
    "list",
    "aggregatedList",
)


@answers("networks.insert", "subnetworks.insert")
def insert(world: World, call: Call) -> Any:
    """A network or subnetwork, to exist: nothing here routes."""
    return inserted(world, call, call.service, dict(call.body))


def furnish(world: World) -> None:
    """The network `default` with a subnetwork, as every project begins."""
    network = f"{ROOT}projects/{world.store.project}/global/networks/default"
    for kind, scope, data in (
        ("networks", Scope(), {"autoCreateSubnetworks": True}),
        (
            "subnetworks",
            Scope("regions", world.region),
            {"ipCidrRange": "10.132.0.0/20", "gatewayAddress": "10.132.0.1", "network": network},
        ),
    ):
        world.store.make(kind, scope, "default", dict(data)).ready = True


def _place(world: World, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    here = f"{ROOT}projects/{world.store.project}"
    number = sum(ord(letter) * 31**index for index, letter in enumerate(name)) % 10**4
    return {
        "kind": f"compute#{kind[:-1]}",
        "id": str(1000 + number),
        "name": name,
        "description": name,
        "status": "UP",
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "selfLink": f"{here}/{kind}/{name}",
        **fields,
    }


def _zone(world: World, name: str) -> dict[str, Any]:
    here = f"{ROOT}projects/{world.store.project}/regions/{world.region}"
    return _place(world, "zones", name, region=here)


def _region(world: World) -> dict[str, Any]:
    here = f"{ROOT}projects/{world.store.project}/zones"
    zones = [f"{here}/{zone}" for zone in world.zones]
    quotas = world.supply.region_quotas()
    return _place(world, "regions", world.region, zones=zones, quotas=quotas)


@answers("zones.get")
def zone(world: World, call: Call) -> Any:
    """One zone."""
    return _zone(world, call.target)


@answers("zones.list")
def zones(world: World, call: Call) -> Any:
    """All zones."""
    return page(call, [_zone(world, name) for name in world.zones], "compute#zoneList")


@answers("regions.get")
def region(world: World, call: Call) -> Any:
    """The region, with its quotas."""
    return _region(world)


@answers("regions.list")
def regions(world: World, call: Call) -> Any:
    """The one region."""
    return page(call, [_region(world)], "compute#regionList")


@answers("projects.get")
def project(world: World, call: Call) -> Any:
    """The project, with its quotas."""
    quotas = [
        {"metric": metric, "limit": limit, "usage": len(list(world.store.of(kind)))}
        for metric, (kind, limit) in PROJECT_QUOTAS.items()
    ]
    return {
        "kind": "compute#project",
        "id": "1234567890123456789",
        "name": world.store.project,
        "creationTimestamp": "2015-01-01T00:00:00.000-08:00",
        "commonInstanceMetadata": {"kind": "compute#metadata", "fingerprint": "AAAAAAAAAAA="},
        "selfLink": f"{ROOT}projects/{world.store.project}",
        "quotas": quotas,
    }


def _machine(world: World, zone: str, name: str) -> dict[str, Any]:
    cpus, memory = MACHINES[name]
    here = f"{ROOT}projects/{world.store.project}/zones/{zone}/machineTypes/{name}"
    return {
        "kind": "compute#machineType",
        "id": str(cpus * 1000 + memory // 1024),
        "name": name,
        "guestCpus": cpus,
        "memoryMb": memory,
        "creationTimestamp": "1969-12-31T16:00:00.000-08:00",
        "description": f"{cpus} vCPUs, {memory} MB RAM",
        "imageSpaceGb": 0,
        "maximumPersistentDisks": 128,
        "maximumPersistentDisksSizeGb": "263168",
        "isSharedCpu": name in {"e2-micro", "e2-small", "e2-medium"},
        "architecture": "ARM64" if name.startswith("t2a") else "X86_64",
        "zone": zone,
        "selfLink": here,
    }


@answers("machineTypes.get")
def machine(world: World, call: Call) -> Any:
    """One machine type.

    Raises:
        GoogleError: 404.
    """
    if call.target not in MACHINES:
        where = f"projects/{world.store.project}/{call.scope.path}"
        raise not_found(f"{where}/machineTypes/{call.target}")
    return _machine(world, call.scope.name, call.target)


@answers("machineTypes.list")
def machines(world: World, call: Call) -> Any:
    """All machine types of a zone."""
    told = [_machine(world, call.scope.name, name) for name in MACHINES]
    return page(call, told, "compute#machineTypeList")
