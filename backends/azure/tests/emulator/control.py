"""What a test can do to the world, and see of it: commands of `/_emulator/`, JSON in and out."""

from __future__ import annotations

import secrets
from typing import Any

from tests.emulators.commands import Commands

from . import altering, ids
from .errors import ArmError
from .laws import Fate
from .machines import Machine, health
from .pools import serving
from .routes import PINNED
from .sets import ScaleSet
from .snapshot import snapshot
from .supply import SIZES
from .world import World

COMMANDS = Commands()
command = COMMANDS.add


@command
def fate(world: World, **terms: Any) -> None:
    """What becomes of machines made from now on; the newest fate is asked first."""
    world.lives.fates.insert(0, Fate(**terms))


@command
def capacity(world: World, zone: str, machines: int | None) -> None:
    """How many machines a zone can hold in all, "" for the region; None for any number."""
    world.supply.capacity.pop(zone, None)
    if machines is not None:
        world.supply.capacity[zone] = machines


@command
def quota(world: World, name: str, limit: int) -> None:
    """A quota: `cores`, a family such as `standardDSv3Family`."""
    if name not in world.supply.quotas:
        raise ValueError(f"no quota {name!r}; there are {sorted(world.supply.quotas)}")
    world.supply.quotas[name] = limit


@command
def restrict(world: World, size: str, zone: str = "", allowed: bool = False) -> None:
    """A size is not to be had in a zone, or not at all; `allowed` takes it back."""
    if size not in SIZES:
        raise ValueError(f"no size {size!r}; there are {sorted(SIZES)}")
    world.supply.restricted.discard((size, zone))
    if not allowed:
        world.supply.restricted.add((size, zone))


def _machine(world: World, machine: str) -> Machine:
    for each in world.machines():
        if machine in {each.id, each.name, each.vm_id}:
            return each
    raise LookupError(f"no machine {machine!r}; there are {[m.name for m in world.machines()]}")


def _group(world: World, group: str) -> ScaleSet:
    for each in world.sets.values():
        if group in {each.id, each.name}:
            return each
    raise LookupError(f"no scale set {group!r}; there are {[g.name for g in world.sets.values()]}")


@command
def kill(world: World, machine: str) -> None:
    """Somebody else deletes it: nobody asked; the capacity falls by it."""
    world.removal.vanish(_machine(world, machine))


@command
def stop(world: World, machine: str) -> None:
    """Somebody stops it."""
    world.lives.halt(_machine(world, machine), "stopped", lambda _: None)


@command
def sicken(world: World, machine: str) -> None:
    """Its application does not answer from now on."""
    world.lives.turn(_machine(world, machine), False)


@command
def heal(world: World, machine: str) -> None:
    """Its application answers again."""
    world.lives.turn(_machine(world, machine), True)


@command
def alter(world: World, machine: str, what: str, value: Any = None) -> None:
    """Somebody changes a machine behind its set's back; see `altering`."""
    altering.alter(_machine(world, machine), what, value)


@command
def resize(world: World, group: str, capacity: int) -> None:
    """Somebody else changes the capacity, without a call of ours."""
    found = _group(world, group)
    found.capacity = capacity
    world.scaling.fit(found)


@command
def alarm(world: World, setting: str, capacity: int) -> None:
    """An autoscale setting scales its target; refused while it is disabled or out of its bounds."""
    found = next(
        s for s in world.store.of("Microsoft.Insights/autoscalesettings") if s.name == setting
    )
    if not found.properties.get("enabled", False):
        raise ValueError(f"the autoscale setting {setting} is disabled")
    bounds = found.properties["profiles"][0]["capacity"]
    if not int(bounds["minimum"]) <= capacity <= int(bounds["maximum"]):
        raise ValueError(f"{capacity} is not from {bounds['minimum']} to {bounds['maximum']}")
    resize(world, world.sets[ids.key(found.properties["targetResourceUri"])].id, capacity)


@command
def retag(world: World, group: str, tags: dict[str, str]) -> None:
    """Somebody else replaces the tags: the etag goes up."""
    found = _group(world, group)
    found.doc["tags"] = tags
    found.etag += 1


@command
def publish(world: World, publisher: str, offer: str, sku: str, version: str) -> None:
    """A version in the marketplace."""
    world.images.market.setdefault((publisher, offer, sku), []).append(version)


@command
def metric(world: World, resource: str, name: str, values: list[float], ago: float = 0.0) -> None:
    """Samples of one moment, `ago` seconds back: `DipAvailability` of a load balancer."""
    at = world.clock.now() - ago
    world.samples.setdefault((ids.key(resource), name), []).append((at, values))


@command
def component(world: World, path: str) -> None:
    """An Application Insights component, that applications send their telemetry to."""
    world.store.put(path, {"location": world.location, "properties": {"Application_Type": "web"}})


@command
def served(world: World, component: str, durations: list[float], values: dict[str, str]) -> None:
    """Requests that an application has just answered, in milliseconds, by its dimensions."""
    world.monitoring.put(component, durations, values)


@command
def monitoring(world: World, visible: float) -> None:
    """Seconds after which a minute's figures are there."""
    world.monitoring.visible = visible


@command
def now(world: World) -> float:
    """The time, in seconds since the epoch."""
    return world.clock.now()


@command
def deny(world: World, actions: list[str]) -> None:
    """The caller may not do these: `Microsoft.Compute/*/write`. Replaces earlier ones."""
    world.denied = set(actions)


@command
def evict(world: World, machine: str) -> None:
    """Azure takes a Spot machine back, by its eviction policy: deallocated, or deleted.

    "Azure Spot Virtual Machines for Virtual Machine Scale Sets"
    (https://learn.microsoft.com/azure/virtual-machine-scale-sets/use-spot).
    """
    found = _machine(world, machine)
    if str(found.profile.get("priority", "Regular")).lower() != "spot":
        raise ValueError(f"{machine} is no Spot machine")
    if str(found.profile.get("evictionPolicy", "Deallocate")).lower() == "delete":
        world.removal.vanish(found)
    else:
        world.lives.halt(found, "deallocated", lambda _: None)


@command
def expire(world: World) -> str:
    """The token that callers had is none any more; the new one."""
    world.token = secrets.token_urlsafe(24)
    return world.token


@command
def members(world: World, group: str | None = None) -> list[dict[str, Any]]:
    """What is true: every machine, its set, its states, the pools that send it new connections."""
    now = world.clock.now()
    return [
        {
            "id": machine.id,
            "name": machine.name,
            "number": machine.number,
            "vm_id": machine.vm_id,
            "group": machine.group.name if machine.group else None,
            "provisioning": machine.provisioning,
            "power": machine.power,
            "health": health(machine, now, world.laws.scale),
            "zone": machine.zone,
            "image": machine.image,
            "latest": machine.group is None or machine.model == machine.group.model,
            "answering": bool(machine.answering),
            "pools": world.network.in_pools(machine),
            "serving": serving(world, machine),
            "launched": machine.launched,
            "protected": dict(machine.protection),
            "tags": dict(machine.tags),
        }
        for machine in world.machines()
        if group is None
        or (machine.group is not None and group in {machine.group.name, machine.group.id})
    ]


@command
def running(world: World) -> list[dict[str, Any]]:
    """Operations that have not ended."""
    return [
        {"name": each.name, "target": each.target}
        for each in world.operations.all.values()
        if each.running
    ]


@command
def operations(world: World) -> list[dict[str, Any]]:
    """All operations, with how they ended."""
    return [
        {"name": each.name, "target": each.target, "status": each.status, "code": _code(each.error)}
        for each in world.operations.all.values()
    ]


def _code(error: ArmError | None) -> str | None:
    return error.code if error else None


@command
def everything(world: World) -> dict[str, Any]:
    """All that a rollout could leave behind; see `snapshot`."""
    return snapshot(world)


@command
def ping(world: World) -> dict[str, Any]:
    """Who is there."""
    return {"clients": PINNED, "location": world.location, "subscription": ids.SUBSCRIPTION}
