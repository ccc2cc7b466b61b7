"""What a test can do to the world, and see of it: commands of `/_emulator/`, JSON in and out."""

from __future__ import annotations

from typing import Any

from tests.emulators.commands import Commands

from . import altering, asg_policies, door, images, implied
from .laws import Fate
from .snapshot import snapshot
from .targets import REASONS
from .world import World

COMMANDS = Commands()
command = COMMANDS.add


@command
def fate(world: World, **terms: Any) -> None:
    """What becomes of instances launched from now on; the newest fate is asked first."""
    world.lives.fates.insert(0, Fate(**terms))


@command
def capacity(world: World, zone: str, instances: int | None) -> None:
    """How many instances a zone can hold in all; None for any number."""
    world.supply.capacity.pop(zone, None)
    if instances is not None:
        world.supply.capacity[zone] = instances


@command
def quota(world: World, code: str, value: float) -> None:
    """A service quota of EC2."""
    world.supply.quotas[code] = value


@command
def kill(world: World, instance: str) -> None:
    """EC2 terminates it: nobody asked."""
    world.lives.kill(instance)


@command
def stop(world: World, instance: str) -> None:
    """Somebody stops it."""
    world.lives.stop(instance)


@command
def sicken(world: World, instance: str, reason: str = "Target.FailedHealthChecks") -> None:
    """Its health checks fail from now on, for this reason code of `TargetHealth`."""
    if reason not in REASONS:
        raise ValueError(f"no reason {reason!r}; there are {sorted(REASONS)}")
    world.lives.all[instance].reason = reason
    world.lives.sicken(instance)


@command
def heal(world: World, instance: str) -> None:
    """Its health checks succeed again."""
    world.lives.heal(instance)


@command
def impair(world: World, instance: str) -> None:
    """Its status check fails from now on."""
    world.lives.impair(instance)


@command
def alter(world: World, instance: str, what: str, value: Any = None) -> None:
    """Somebody changes an instance behind its group's back; see `altering`."""
    altering.alter(world, instance, what, value)


@command
def resize(world: World, group: str, **sizes: int) -> None:
    """Somebody else changes `low`, `high` or `desired`, without a call of ours."""
    found = world.groups.find(group)
    for name in ("low", "high", "desired"):
        setattr(found, name, sizes.pop(name, getattr(found, name)))
    if sizes:
        raise ValueError(f"no size {sorted(sizes)}; there are low, high, desired")
    world.scaling.nudge(found, "a user request changed the size of the group.")


@command
def alarm(world: World, group: str, policy: str, desired: int) -> None:
    """A scaling policy's alarm fires."""
    asg_policies.alarm(world, group, policy, desired)


@command
def image(world: World, id: str, **fields: Any) -> None:  # noqa: A002
    """Change an image's `state`, `owner_id`, `architecture`."""
    images.change(world, id, **fields)


@command
def publish(world: World, name: str, value: str) -> None:
    """A public parameter: an alias of an image."""
    world.parameters.publish(name, value)


@command
def metric(
    world: World, namespace: str, name: str, dimensions: dict[str, str], values: list[float],
    ago: float = 0.0,
) -> None:  # fmt: skip
    """Samples of one moment, `ago` seconds back."""
    world.metrics.put(namespace, name, dimensions, values, world.clock.now() - ago)


@command
def deny(world: World, actions: list[str]) -> None:
    """The account may not do these: `ec2:RunInstances`, `autoscaling:*`. Replaces earlier ones."""
    world.denied = set(actions)


@command
def permissions(world: World) -> list[str]:
    """The IAM actions that all calls so far needed, as a policy writes them."""
    return sorted(
        set().union(*(implied.permissions(c["call"], c["params"]) for c in world.ledger.log))
    )


@command
def limit(world: World, name: str, value: int) -> None:
    """A quota of Elastic Load Balancing, by its name in DescribeAccountLimits."""
    world.supply.limits[name] = value


@command
def members(world: World, group: str | None = None) -> list[dict[str, Any]]:
    """What is true: every instance, its group, its states, which target groups send it requests."""
    told = []
    for life in world.lives.all.values():
        owner = world.groups.of(life.id)
        if group is not None and (owner is None or owner.name != group):
            continue
        member = owner.members[life.id] if owner else None
        told.append(
            {
                "id": life.id,
                "group": owner.name if owner else None,
                "state": life.state,
                "lifecycle": member.state if member else None,
                "health": member.health if member else None,
                "zone": life.zone,
                "image": life.image,
                "answering": life.answering[0],
                "registered": world.targets.serving(life.id),
                "healthy": _healthy(world, life.id),
                "launched": life.launched,
                "booted": None if life.running is None else life.running - life.launched,
                "protected": member.protected if member else False,
            }
        )
    return told


def _healthy(world: World, instance: str) -> list[str]:
    return sorted(
        pool.group.name
        for pool in world.targets.pools.values()
        for key, target in pool.targets.items()
        if key[0] == instance and world.targets.state(pool, target)[0] == "healthy"
    )


@command
def everything(world: World) -> dict[str, Any]:
    """All that a rollout could leave behind; see `snapshot`."""
    return snapshot(world)


@command
def ping(world: World) -> dict[str, str]:
    """Who is there."""
    return {"moto": door.PINNED, "region": world.region}
