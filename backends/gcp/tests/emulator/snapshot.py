"""Everything that a rollout could leave behind, as plain values: taken before and after."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .groups import Group
from .store import Resource

if TYPE_CHECKING:
    from .world import World

KEPT = (
    "instanceTemplates",
    "healthChecks",
    "backendServices",
    "urlMaps",
    "targetHttpProxies",
    "forwardingRules",
    "autoscalers",
    "images",
)


def snapshot(world: World) -> dict[str, Any]:
    """Every resource as it was said, and members by state, template and zone.

    Without ids, times and fingerprints, so that two snapshots of a fleet that was replaced and
    brought back are equal.
    """
    told: dict[str, Any] = {
        kind: {_where(r): _plain(r.data) for r in world.store.of(kind)} for kind in KEPT
    }
    told["groups"] = {_where(g.resource): _group(world, g) for g in world.groups.all.values()}
    loose = (vm for vm in world.lives.all.values() if world.groups.of(vm) is None)
    told["instances"] = sorted(f"{vm.name} {vm.zone} {vm.status}" for vm in loose)
    return told


def _where(resource: Resource) -> str:
    return f"{resource.scope.path}/{resource.name}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in sorted(value.items())}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _group(world: World, group: Group) -> dict[str, Any]:
    members = Counter(
        f"{m.action} {m.vm.status if m.vm else '-'} {m.template.rpartition('/')[2]} {m.zone}"
        for m in group.members.values()
    )
    return {**_plain(group.data), "members": dict(sorted(members.items()))}
