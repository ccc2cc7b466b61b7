"""Methods of managed instance groups, zonal and regional: making, changing, sizing, deleting."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from .calls import Call, answers
from .errors import invalid, required
from .groups import Group
from .kinds import Kind, base, changed, free, guarded, merged, register, unsupported
from .managing import act, template_at
from .names import NAME, ROOT, checked, link
from .store import Resource

if TYPE_CHECKING:
    from .world import World

SERVICES = ("instanceGroupManagers", "regionInstanceGroupManagers")

ACTIONS = (
    "none",
    "creating",
    "creatingWithoutRetries",
    "verifying",
    "recreating",
    "deleting",
    "abandoning",
    "restarting",
    "refreshing",
)


def both(method: str) -> tuple[str, str]:
    """A method of both services."""
    return (f"{SERVICES[0]}.{method}", f"{SERVICES[1]}.{method}")


def found(world: World, call: Call) -> Group:
    """The group that a call is about.

    Raises:
        GoogleError: 404.
    """
    resource = world.store.get("instanceGroupManagers", call.scope, call.target)
    return world.groups.all[resource.scope, resource.name]


def shown(world: World, resource: Resource) -> dict[str, Any]:
    """A managed group, with its status."""
    group = world.groups.all[resource.scope, resource.name]
    counts = Counter(member.action.lower().replace("_", "") for member in group.members.values())
    status: dict[str, Any] = {
        "isStable": group.stable(),
        "versionTarget": {
            "isReached": not group.outdated() and all(m.vm is not None for m in group.live)
        },
        "stateful": {
            "hasStatefulConfig": bool(group.data.get("statefulPolicy")),
            "perInstanceConfigs": {"allEffective": True},
        },
        "allInstancesConfig": {"effective": group.effective()},
    }
    if group.config:
        status["allInstancesConfig"]["currentRevision"] = world.stamp(group.config_at)
    if (scaler := world.groups.autoscaler(group)) is not None:
        status["autoscaler"] = scaler.link
    said = base(world, resource) | {
        "instanceGroup": group.instance_group,
        "currentActions": {name: counts[name.lower()] for name in ACTIONS},
        "status": status,
    }
    if "targetSize" not in group.versions[0]:
        said["instanceTemplate"] = group.versions[0]["instanceTemplate"]
    return said


def _users(world: World, resource: Resource) -> list[str]:
    group = world.groups.all[resource.scope, resource.name]
    using = [
        service.path
        for service in world.store.of("backendServices")
        if any(b["group"] == group.instance_group for b in service.data.get("backends", []))
    ]
    scaler = world.groups.autoscaler(group)
    return using + ([scaler.path] if scaler is not None else [])


register(
    Kind(
        "instanceGroupManagers",
        "instance_group_manager",
        SERVICES,
        shown,
        _users,
        print="fingerprint",
        scopes=("regions", "zones"),
    ),
    "get",
    "list",
    "aggregatedList",
)


@answers(*both("insert"))
def insert(world: World, call: Call) -> Any:
    """Make a group; DONE "even if the instances in the group have not yet been created"."""
    unsupported(call, "targetStoppedSize", "targetSuspendedSize", "instanceFlexibilityPolicy")
    name = checked(call.body)
    if "targetSize" not in call.body:
        raise required("resource.targetSize")
    data = {"baseInstanceName": name, "listManagedInstancesResults": "PAGELESS"} | call.body
    zones = [call.scope.name]
    if call.scope.kind == "regions":
        data["distributionPolicy"] = distribution(world, data.get("distributionPolicy", {}))
        zones = [z["zone"].rpartition("/")[2] for z in data["distributionPolicy"]["zones"]]
    data["updatePolicy"] = policy_with_defaults(data.get("updatePolicy", {}), call, len(zones))
    data = settled(world, data)
    data.pop("fingerprint", None)
    resource = world.store.make("instanceGroupManagers", call.scope, name, data)
    group = Group(resource, zones)
    if data.get("allInstancesConfig"):
        group.config, group.config_at = 1, world.clock.now()

    def effect() -> None:
        resource.ready = True
        world.groups.all[resource.scope, resource.name] = group
        act(world, group)

    return world.operations.begin(call, resource, effect)


def distribution(world: World, given: dict[str, Any]) -> dict[str, Any]:
    """Zones as full links, all three of the region by default; EVEN by default.

    Raises:
        GoogleError: a zone that there isn't.
    """
    here = f"{ROOT}projects/{world.store.project}/zones/"
    names = [z["zone"].rpartition("/")[2] for z in given.get("zones", [])] or world.zones
    for name in names:
        if name not in world.zones:
            raise invalid("resource.distributionPolicy.zones", name, "There is no such zone.")
    zones = [{"zone": here + name} for name in names]
    return {"targetShape": given.get("targetShape", "EVEN"), "zones": zones}


def policy_with_defaults(given: dict[str, Any], call: Call, zones: int) -> dict[str, Any]:
    """The update policy: OPPORTUNISTIC by default, surge and unavailable one a zone.

    Raises:
        GoogleError: both are 0, RECREATE with a surge, percentages that are none.
    """
    count = {"fixed": zones, "calculated": zones}
    policy = {
        "type": "OPPORTUNISTIC",
        "minimalAction": "REPLACE",
        "replacementMethod": "SUBSTITUTE",
        "maxSurge": count,
        "maxUnavailable": count,
    } | given
    if call.scope.kind == "regions":
        policy.setdefault("instanceRedistributionType", "PROACTIVE")
    surge, gap = policy["maxSurge"], policy["maxUnavailable"]
    most = [max(g.get("fixed", 0), g.get("percent", 0)) for g in (surge, gap)]
    field = "resource.updatePolicy"
    if policy["type"] == "PROACTIVE" and most == [0, 0]:
        why = "maxSurge and maxUnavailable can't both be 0."
        raise invalid(f"{field}.maxUnavailable", 0, why)
    if policy["replacementMethod"] == "RECREATE" and most[0]:
        raise invalid(f"{field}.maxSurge", most[0], "Must be 0 for RECREATE.")
    return policy


def settled(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """Versions with full links; the top-level template is the same thing in short.

    Raises:
        GoogleError: no template, or one that there isn't; none or two versions for the rest; a
            name that VMs can't have.
    """
    versions = data.get("versions") or [{"instanceTemplate": data.get("instanceTemplate")}]
    told = []
    for index, version in enumerate(versions):
        field = f"resource.versions[{index}].instanceTemplate"
        if not version.get("instanceTemplate"):
            raise required(field)
        template = template_at(world, version["instanceTemplate"], field)
        told.append(version | {"instanceTemplate": template.link})
    if sum("targetSize" not in version for version in told) != 1:
        raise invalid("resource.versions", "", "Exactly one version must leave targetSize unset.")
    stem = data["baseInstanceName"]
    if not NAME.fullmatch(f"{stem}-x") or len(stem) > 58 or not re.match("[a-z]", stem):
        raise invalid("resource.baseInstanceName", stem, "Must be a RFC 1035 name of at most 58.")
    for policy in data.get("autoHealingPolicies", []):
        if check := policy.get("healthCheck"):
            field = "resource.autoHealingPolicies[0].healthCheck"
            policy["healthCheck"] = world.store.at(link(check, field, "healthChecks")).link
    if int(data["targetSize"]) < 0:
        raise invalid("resource.targetSize", data["targetSize"], "Must not be negative.")
    return {k: v for k, v in data.items() if k != "instanceTemplate"} | {"versions": told}


@answers(*both("patch"))
def patch(world: World, call: Call) -> Any:
    """Change a group's configuration; members follow as the update policy says."""
    unsupported(call, "targetStoppedSize", "targetSuspendedSize", "instanceFlexibilityPolicy")
    group = found(world, call)
    guarded(group.resource, call.body, "fingerprint", must=False)
    body = {k: v for k, v in call.body.items() if k != "fingerprint"}
    if "instanceTemplate" in body and "versions" not in body:
        body["versions"] = [{"instanceTemplate": body.pop("instanceTemplate")}]
    if "distributionPolicy" in body:
        whole = group.data.get("distributionPolicy", {}) | body["distributionPolicy"]
        body["distributionPolicy"] = distribution(world, whole)
    preview = settled(world, merged(group.data, body))
    policy_with_defaults(preview["updatePolicy"], call, len(group.zones))
    _may_redistribute(world, group, preview)

    def change() -> None:
        before = group.data.get("allInstancesConfig")
        group.resource.data = settled(world, merged(group.data, body))
        if group.data.get("allInstancesConfig") != before:
            group.config += 1
            group.config_at = world.clock.now()
        act(world, group)

    return changed(world, call, group.resource, change)


def _may_redistribute(world: World, group: Group, preview: dict[str, Any]) -> None:
    """When proactive redistribution can be turned off, and on again.

    Off: not while an autoscaler acts, "Autoscaling groups of instances"
    (https://cloud.google.com/compute/docs/autoscaler). On: only where the group is even already,
    "Manually rebalance a regional MIG"
    (https://cloud.google.com/compute/docs/instance-groups/regional-mig-rebalance-manually).
    """
    if not group.regional:
        return
    name = "instanceRedistributionType"
    before, after = group.policy.get(name), preview["updatePolicy"].get(name)
    even = preview.get("distributionPolicy", {}).get("targetShape") == "EVEN"
    if even and (before, after) == ("NONE", "PROACTIVE") and group.uneven():
        why = "The group is not balanced over its zones."
        raise invalid(f"resource.updatePolicy.{name}", after, why)
    if after == "NONE" != before and world.groups.autoscaled(group):
        raise invalid(f"resource.updatePolicy.{name}", after, "The group is autoscaled.")


@answers(*both("setInstanceTemplate"))
def set_template(world: World, call: Call) -> Any:
    """One version for all that come; old ones stay unless the group is PROACTIVE."""
    group = found(world, call)
    if not call.body.get("instanceTemplate"):
        raise required("instanceTemplate")
    made_of = template_at(world, call.body["instanceTemplate"], "instanceTemplate").link

    def change() -> None:
        group.data["versions"] = [{"instanceTemplate": made_of}]
        act(world, group)

    return changed(world, call, group.resource, change)


@answers(*both("setTargetPools"))
def set_pools(world: World, call: Call) -> Any:
    """Target pools are noted and told; nothing here fills them."""
    group = found(world, call)
    guarded(group.resource, call.body, "fingerprint", must=False)
    pools = list(call.body.get("targetPools", []))
    return changed(world, call, group.resource, lambda: group.data.update(targetPools=pools))


@answers(*both("resize"))
def resize(world: World, call: Call) -> Any:
    """Set the target size; DONE when the group has scheduled what follows from it."""
    group = found(world, call)
    size = int(call.query.get("size", -1))
    if size < 0:
        raise invalid("size", size, "Must be a number that is not negative.")
    limit = 2000 if group.regional else 1000
    if size > limit:
        raise invalid("size", size, f"The group can have at most {limit} instances.")

    def change() -> None:
        group.data["targetSize"] = size
        act(world, group)

    return changed(world, call, group.resource, change)


@answers(*both("delete"))
def delete(world: World, call: Call) -> Any:
    """Delete a group "and all of the instances in that group"; DONE when they are gone.

    Not while it belongs to a backend service, or an autoscaler acts on it.
    """
    from .managing import remove

    group = found(world, call)
    free(world, group.resource)
    operation = world.operations.begin_open(call, group.resource)

    def gone() -> None:
        del world.groups.all[group.resource.scope, group.resource.name]
        world.store.drop(group.resource)
        world.operations.end(operation, group.resource)

    if operation.failure is not None:
        return operation
    group.deletion = gone
    for member in list(group.members.values()):
        remove(world, group, member)
    world.clock.after(world.chances.draw(world.laws.operation), act, world, group)
    return operation
