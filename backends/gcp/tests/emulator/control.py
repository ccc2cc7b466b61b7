"""What a test can do to the world, and see of it: commands of `/_emulator/`, JSON in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.commands import Commands

from .balancing import looks
from .laws import Fate
from .routing import weights
from .schema import PINNED

if TYPE_CHECKING:
    from .lives import Vm
    from .world import World

COMMANDS = Commands()


@COMMANDS.add
def fate(world: World, **terms: Any) -> None:
    """What becomes of VMs made from now on; the newest fate is asked first."""
    world.lives.fates.insert(0, Fate(**terms))


@COMMANDS.add
def capacity(world: World, zone: str, instances: int | None) -> None:
    """How many VMs a zone can hold in all; None for any number."""
    world.supply.capacity.pop(zone, None)
    if instances is not None:
        world.supply.capacity[zone] = instances


@COMMANDS.add
def quota(world: World, metric: str, limit: float) -> None:
    """A quota of the region: `INSTANCES`, `CPUS`."""
    world.supply.limits[metric] = float(limit)


@COMMANDS.add
def kill(world: World, instance: str) -> None:
    """It is deleted, and no call of ours did it."""
    world.lives.delete(world.lives.named(instance))


@COMMANDS.add
def stop(world: World, instance: str) -> None:
    """It stands still: TERMINATED."""
    world.lives.stop(world.lives.named(instance))


@COMMANDS.add
def sicken(world: World, instance: str) -> None:
    """Its health checks fail from now on."""
    world.lives.turn(world.lives.named(instance), False)


@COMMANDS.add
def heal(world: World, instance: str) -> None:
    """Its health checks succeed again."""
    world.lives.turn(world.lives.named(instance), True)


@COMMANDS.add
def alter(world: World, instance: str, field: str, value: Any) -> None:
    """Somebody changes a field of an instance: `machineType`, `tags`, `disks`, … of its resource.

    As "Change the machine type", `instances.setTags`, `instances.setServiceAccount` and
    `instances.attachDisk` leave it (https://cloud.google.com/compute/docs/reference/rest/v1/instances).
    """
    data = world.lives.named(instance).resource.data
    if field not in ALTERABLE:
        raise ValueError(f"{field!r} can't be altered; there are {sorted(ALTERABLE)}")
    data[field] = value


ALTERABLE = {"disks", "labels", "machineType", "metadata", "serviceAccounts", "tags"}


@COMMANDS.add
def resize(world: World, group: str, size: int) -> None:
    """Somebody else changes the target size."""
    from .managing import act

    found = world.groups.find(group)
    found.data["targetSize"] = size
    act(world, found)


@COMMANDS.add
def demand(world: World, group: str, size: int | None) -> None:
    """What the load of a group needs, as its autoscaler finds; None for what it found last."""
    world.autoscaling.demand.pop(group, None)
    if size is not None:
        world.autoscaling.demand[world.groups.find(group).resource.name] = size


@COMMANDS.add
def answered(world: World, **terms: Any) -> None:
    """A load balancer has answered requests; see `Monitoring.put`."""
    world.monitoring.put(**terms)


@COMMANDS.add
def counted(world: World) -> list[dict[str, Any]]:
    """What load balancers have counted, visible to Cloud Monitoring or not."""
    return [
        {
            "service": each.labels["resource"]["backend_target_name"],
            "group": each.labels["resource"]["backend_name"],
            "status": each.labels["metric"]["response_code"],
            "count": each.count,
        }
        for each in world.monitoring.series
    ]


@COMMANDS.add
def monitoring(world: World, **knobs: Any) -> None:
    """How Cloud Monitoring answers: `visible`, `page`, `incomplete`; see `Monitoring`."""
    for name, value in knobs.items():
        setattr(world.monitoring, name, value)


@COMMANDS.add
def front(world: World, url_map: str) -> str:
    """Where clients of a URL map connect to; the VMs must have bodies."""
    return world.fronts.address(url_map)


@COMMANDS.add
def deny(world: World, permissions: list[str]) -> None:
    """The caller does not have these: `compute.images.get`, `compute.instances.*`."""
    world.denied = set(permissions)


@COMMANDS.add
def members(world: World, group: str | None = None) -> list[dict[str, Any]]:
    """What is true: every VM, its group, its states, which backend services send it requests."""
    serving = _serving(world)
    return [
        _told(world, vm, serving)
        for vm in world.lives.all.values()
        if group is None or _owner(vm) == group
    ]


def _owner(vm: Vm) -> str | None:
    return vm.owner.rpartition("/")[2] if vm.owner else None


def _told(world: World, vm: Vm, serving: dict[int, list[str]]) -> dict[str, Any]:
    found = world.groups.of(vm)
    return {
        "id": str(vm.id),
        "name": vm.name,
        "zone": vm.zone,
        "group": _owner(vm),
        "status": vm.status,
        "action": found[1].action if found else None,
        "template": vm.template,
        "image": vm.image.rpartition("/")[2],
        "answering": vm.answering[0],
        "draining": vm.draining is not None,
        "serving": serving.get(vm.id, []),
        "created": vm.resource.created,
        "requests": len(world.bodies.all[vm.id].at_work) if vm.id in world.bodies.all else 0,
    }


def _serving(world: World) -> dict[int, list[str]]:
    told: dict[int, list[str]] = {}
    for service in world.store.of("backendServices"):
        for backend in service.data["backends"]:
            group = world.groups.linked(backend["group"])
            if group is None or not backend["capacityScaler"]:
                continue
            for member, healthy in looks(world, service, group):
                if healthy:
                    told.setdefault(member.vm.id, []).append(service.name)
    return told


@COMMANDS.add
def traffic(world: World) -> dict[str, dict[str, Any]]:
    """Per URL map, the weights of backend services on its default route."""
    return weights(world)


@COMMANDS.add
def everything(world: World) -> dict[str, Any]:
    """All that a rollout could leave behind; see `snapshot`."""
    return world.everything()


@COMMANDS.add
def ping(world: World) -> dict[str, str]:
    """Who is there."""
    return {"google-cloud-compute": PINNED, "region": world.region}
