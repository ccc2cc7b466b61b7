"""Everything that a rollout could leave behind, as plain values: taken before and after."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from . import ids
from .sets import ScaleSet, hidden

if TYPE_CHECKING:
    from .world import World


def snapshot(world: World) -> dict[str, Any]:
    """Sets with their models and marks, settings, load balancers, images, machines of none.

    Members are told by state, image and pools, zones by how many each holds, without ids and times,
    so that two snapshots of a fleet that was replaced and brought back are equal.
    """
    kept = [r for r in world.store.all.values() if not _of_a_member(world, r.id)]
    return {
        "groups": {
            g.name: _group(world, g) for g in sorted(world.sets.values(), key=lambda g: g.name)
        },
        "resources": {r.id.split("/providers/")[1]: copy.deepcopy(r.doc) for r in kept},
        "admin": dict(
            Counter(f"{pool} {state}" for (pool, _), state in world.network.admin.items())
        ),
        "machines": sorted(m.name for m in world.vms.values() if m.group is None),
        "places": {name: each.get("tags") for name, each in world.places.items()},
    }


def _of_a_member(world: World, resource: str) -> bool:
    """Whether it is a network interface that a Flexible set made for a member."""
    owner = world.network.owner(resource) if "/networkinterfaces/" in ids.key(resource) else None
    return owner is not None and owner.group is not None


def _group(world: World, group: ScaleSet) -> dict[str, Any]:
    said = hidden(group.doc)
    for name in ("id", "name", "type", "etag"):
        said.pop(name, None)
    said["repairs"] = group.repairs
    counts = Counter(m.zone for m in group.members.values())
    said["spread"] = sorted(counts[zone] for zone in group.zones)
    said["members"] = sorted(
        f"{m.provisioning} {m.power} {m.image} pools={world.network.in_pools(m)} "
        f"protected={sorted(name for name, on in m.protection.items() if on)} tags={m.tags} "
        f"latest={m.model == group.model}"
        for m in group.members.values()
    )
    return said
