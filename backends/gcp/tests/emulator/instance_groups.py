"""Instance groups: the side of a managed group that load balancers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .groups import Group
from .kinds import changed, guarded
from .managing import instance_link
from .names import ROOT
from .paging import page

if TYPE_CHECKING:
    from .world import World


def _found(world: World, call: Call) -> Group:
    manager = world.store.get("instanceGroupManagers", call.scope, call.target)
    return world.groups.all[manager.scope, manager.name]


def _shown(world: World, group: Group) -> dict[str, Any]:
    scope = group.resource.scope
    here = f"{ROOT}projects/{world.store.project}"
    return {
        "kind": "compute#instanceGroup",
        "id": str(group.resource.id),
        "name": group.resource.name,
        "description": "",
        "creationTimestamp": world.stamp(group.resource.created),
        "fingerprint": group.resource.fingerprint,
        "namedPorts": group.data.get("namedPorts", []),
        "network": f"{here}/global/networks/default",
        "size": len([m for m in group.live if m.vm is not None]),
        "selfLink": group.instance_group,
        scope.kind[:-1]: f"{here}/{scope.path}",
    }


@answers("instanceGroups.get", "regionInstanceGroups.get")
def get(world: World, call: Call) -> Any:
    """One group."""
    return _shown(world, _found(world, call))


@answers("instanceGroups.list", "regionInstanceGroups.list")
def listed(world: World, call: Call) -> Any:
    """All groups of a zone or region."""
    told = [_shown(world, g) for g in world.groups.all.values() if g.resource.scope == call.scope]
    kind = "regionInstanceGroupList" if call.scope.kind == "regions" else "instanceGroupList"
    return page(call, told, f"compute#{kind}")


@answers("instanceGroups.listInstances", "regionInstanceGroups.listInstances")
def instances(world: World, call: Call) -> Any:
    """The VMs of a group that don't leave; RUNNING ones only, if the body says so."""
    group = _found(world, call)
    told = [
        {
            "instance": instance_link(world, member),
            "status": member.vm.status,
            "namedPorts": group.data.get("namedPorts", []),
        }
        for member in group.live
        if member.vm is not None and member.vm.id in world.lives.all
    ]
    if call.body.get("instanceState") == "RUNNING":
        told = [each for each in told if each["status"] == "RUNNING"]
    region = call.scope.kind == "regions"
    kind = "regionInstanceGroupsListInstances" if region else "instanceGroupsListInstances"
    return page(call, told, f"compute#{kind}")


@answers("instanceGroups.setNamedPorts", "regionInstanceGroups.setNamedPorts")
def ports(world: World, call: Call) -> Any:
    """Replace the named ports; a fingerprint, if one is given, has to be the current one."""
    group = _found(world, call)
    guarded(group.resource, call.body, "fingerprint", must=False)
    named = list(call.body.get("namedPorts", []))
    return changed(world, call, group.resource, lambda: group.data.update(namedPorts=named))
