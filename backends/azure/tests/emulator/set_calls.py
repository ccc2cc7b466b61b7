"""Calls on scale sets themselves: make, change, tell, delete.

"Virtual Machine Scale Sets - Create Or Update", "- Update", "- Delete" and others of the REST reference
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets); statuses, headers and error
bodies are recorded (cloud-provider-azure, virtualmachinescalesetclient).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .calls import Answer, Call, answers
from .errors import ArmError, busy, invalid
from .machines import Machine
from .operations import Operation, accepted, stamp
from .sets import ScaleSet, defaults, merged, with_secrets
from .store import matching
from .views import etag, set_view, told_set

if TYPE_CHECKING:
    from .world import World

SETS = "compute:virtual_machine_scale_sets"
WRITES = (f"{SETS}.create_or_update", f"{SETS}.update")


def take_turn(
    world: World, call: Call, group: ScaleSet, *, model: bool = False, one: Machine | None = None
) -> None:
    """Refuse a write while another one runs, or let it take over.

    Args:
        model: the write is one of the set's model.
        one: the member that the write is about; writes to several members don't hinder each other
            (cloud-provider-azure makes them at the same time).

    Raises:
        ArmError: 409.
    """
    if group.deleting:
        verb = "Update" if call.method in {"PUT", "PATCH"} else "Delete"
        said = (
            f"Operation '{verb} Virtual Machine Scale Set' is not allowed on Virtual Machine Scale "
            f"Set '{group.name}' since it is marked for deletion. For more information on your "
            "operations, please refer to https://aka.ms/activitylog."
        )
        raise ArmError("OperationNotAllowed", said, 409)
    running = world.operations.on(group.id, below=one is None)
    if one is not None:
        running += world.operations.on(one.id)
    if not running:
        return
    if world.laws.overlap == "conflict":
        raise busy()
    alike = [each for each in running if (each.name in WRITES) == model]
    if alike and not model:
        raise busy()
    for each in alike:
        said = "Operation execution has been preempted by a more recent operation."
        world.operations.end(each, ArmError("OperationPreempted", said))


def conditions(call: Call, group: ScaleSet | None) -> None:
    """`If-Match` and `If-None-Match`.

    Raises:
        ArmError: 412.
    """
    if group is None:
        if call.headers.get("if-match") not in {None, "*"}:
            raise ArmError("PreconditionFailed", "The resource does not exist.", 412)
        return
    matching(call.headers.get("if-match"), etag(group.etag), group.id)
    if call.headers.get("if-none-match") == "*":
        said = f"The resource exists; etag provided in if-none-match header * matches etag {etag(group.etag)}."  # fmt: skip
        raise ArmError("PreconditionFailed", said, 412)


@answers(f"{SETS}.create_or_update")
def put(world: World, call: Call) -> Answer:
    """Make a set, 201, or replace its model, 200."""
    place = world.place(call.group)
    there = world.find_group(call.group, call.of("virtualMachineScaleSets"))
    conditions(call, there)
    doc = copy.deepcopy(call.body)
    doc.setdefault("properties", {}).pop("provisioningState", None)
    if there is not None:
        take_turn(world, call, there, model=True)
        doc.setdefault("sku", dict(there.doc["sku"]))
        doc["sku"].setdefault("capacity", there.capacity)
        doc["properties"].setdefault("orchestrationMode", there.properties["orchestrationMode"])
        with_secrets(doc["properties"].get("virtualMachineProfile", {}), there.profile)
    defaults(doc)
    _fits(world, doc, there)
    if there is None:
        name = call.of("virtualMachineScaleSets")
        there = ScaleSet(call.path, name, place, doc, stamp(world))
        return _apply(world, call, there, doc, new=True)
    return _apply(world, call, there, doc, new=False)


@answers(f"{SETS}.update")
def patch(world: World, call: Call) -> Answer:
    """Change some of the model: 200."""
    group = world.group(call)
    conditions(call, group)
    take_turn(world, call, group, model=True)
    doc = merged(group.doc, call.body)
    doc["properties"].pop("provisioningState", None)
    _fits(world, doc, group)
    return _apply(world, call, group, doc, new=False)


def _apply(world: World, call: Call, group: ScaleSet, doc: dict[str, Any], *, new: bool) -> Answer:
    """Take the model over; whatever it means begins to happen."""
    more = doc["sku"]["capacity"] - len(group.live())
    refusal = world.supply.over_quota(doc["sku"]["name"], more)
    if refusal is not None and world.laws.quota_at == "request":
        raise refusal
    failing = world.operations.failing(call, group.id)
    changed = not new and _made_from(doc) != _made_from(group.doc)
    if new:
        world.sets[group.id.lower()] = group
    else:
        group.etag += 1
        group.model += changed
    group.doc = doc
    _repairs(group)
    group.failed = None
    operation = failing or world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    operation.then.append(lambda ended: _ended(group, ended))
    if failing is None:
        if changed:
            world.upgrades.model_changed(group)
        world.scaling.fit(group, operation)
    told = told_set(world, group)
    return accepted(world, call, operation, 201 if new else 200, told, headers={"ETag": etag(group.etag)})  # fmt: skip


def _ended(group: ScaleSet, operation: Operation) -> None:
    group.creating = False
    if operation.error is None or operation.error.code != "OperationPreempted":
        group.failed = operation.error


def _made_from(doc: dict[str, Any]) -> Any:
    """What members are made from: another one makes all of them old."""
    return doc["properties"].get("virtualMachineProfile"), doc["sku"].get("name")


def _repairs(group: ScaleSet) -> None:
    """Whether automatic repairs run, by the policy; a suspension outlives a change of it."""
    policy = group.properties.get("automaticRepairsPolicy")
    if policy is None:
        group.repairs = None
    elif not policy.get("enabled"):
        group.repairs = "NotRunning"
    elif group.repairs != "Suspended":
        group.repairs = "Running"


FIXED = ("orchestrationMode", "platformFaultDomainCount")


def _fits(world: World, doc: dict[str, Any], there: ScaleSet | None) -> None:
    """Refuse what the service refuses at once.

    Raises:
        ArmError: says what.
    """
    said = doc["properties"]
    world.supply.known(doc["sku"].get("name"))
    if said.get("singlePlacementGroup") and doc["sku"]["capacity"] > 100:
        text = (
            "The requested capacity is over 100, the most that a scale set with "
            "singlePlacementGroup true can have."
        )
        raise invalid(text, "sku.capacity")
    if said["orchestrationMode"].lower() == "uniform" and "upgradePolicy" not in said:
        raise invalid("Required parameter 'upgradePolicy' is missing (null).", "upgradePolicy")
    if there is not None:
        for name in FIXED:
            if said.get(name) != there.properties.get(name):
                text = f"Changing property '{name}' is not allowed."
                raise ArmError("PropertyChangeNotAllowed", text, 409, target=name)
        if said.get("singlePlacementGroup") and not there.properties.get("singlePlacementGroup"):
            text = "Changing property 'singlePlacementGroup' from false to true is not allowed."
            raise ArmError("PropertyChangeNotAllowed", text, 409, target="singlePlacementGroup")
    profile = said.get("virtualMachineProfile")
    if profile is None:
        if doc["sku"]["capacity"] and said["orchestrationMode"].lower() == "uniform":
            raise invalid("Required parameter 'virtualMachineProfile' is missing (null).")
        return
    world.images.launchable(profile)
    _connected(world, profile)


def _connected(world: World, profile: dict[str, Any]) -> None:
    """Subnets and pools that are named have to be there.

    `InvalidResourceReference`: "Resolve errors for resource not found"
    (https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-not-found).
    """
    for nic in profile.get("networkProfile", {}).get("networkInterfaceConfigurations", []):
        for conf in nic.get("properties", {}).get("ipConfigurations", []):
            said = conf.get("properties", {})
            named = [p["id"] for p in said.get("loadBalancerBackendAddressPools") or []]
            named += [said["subnet"]["id"]] if said.get("subnet") else []
            for path in named:
                if not _there(world, path):
                    text = f"Resource {path} referenced by resource virtualMachineScaleSets was not found. Please make sure that the referenced resource exists, and that both resources are in the same region."  # fmt: skip
                    raise ArmError("InvalidResourceReference", text, 400)


def _there(world: World, path: str) -> bool:
    above, kind, name = path.rsplit("/", 2)
    found = world.store.find(above)
    if found is None:
        return False
    parts = next((v for k, v in found.properties.items() if k.lower() == kind.lower()), [])
    return any(part["name"].lower() == name.lower() for part in parts)


@answers(f"{SETS}.get")
def get(world: World, call: Call) -> Answer:
    """One set; user data only where it is asked for."""
    group = world.group(call)
    wants = str(call.query.get("$expand", "")).lower() == "userdata"
    return Answer(200, told_set(world, group, user_data=wants), {"ETag": etag(group.etag)})


@answers(f"{SETS}.list", f"{SETS}.list_all", f"{SETS}.list_by_location")
def listed(world: World, call: Call) -> Answer:
    """All sets, in a resource group or in the subscription; by pages."""
    if call.group:
        world.place(call.group)
    found = [
        g for g in world.sets.values() if not call.group or g.place.lower() == call.group.lower()
    ]
    return world.page(call, [told_set(world, group) for group in found])


@answers(f"{SETS}.get_instance_view")
def view(world: World, call: Call) -> Answer:
    """What its members do, by number, and whether repairs run."""
    return Answer(200, set_view(world, world.group(call)))


@answers(f"{SETS}.list_skus")
def skus(world: World, call: Call) -> Answer:
    """Sizes that the set could have."""
    group = world.group(call)
    sku = {"name": group.doc["sku"]["name"], "tier": "Standard"}
    capacity = {"minimum": 0, "maximum": 100 if group.properties.get("singlePlacementGroup") else 1000,
                "defaultCapacity": 1, "scaleType": "Automatic"}  # fmt: skip
    kind = "Microsoft.Compute/virtualMachineScaleSets"
    return world.page(call, [{"resourceType": kind, "sku": sku, "capacity": capacity}])


@answers(f"{SETS}.delete")
def delete(world: World, call: Call) -> Answer:
    """Delete it with all its members: 202; 204 if it is not there.

    A deletion overrides whatever runs on the set.
    """
    world.place(call.group)
    group = world.find_group(call.group, call.of("virtualMachineScaleSets"))
    if group is None:
        return Answer(204)
    matching(call.headers.get("if-match"), etag(group.etag), group.id)
    if (failing := world.operations.failing(call, group.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    for running in world.operations.on(group.id):
        said = "Operation execution has been preempted by a more recent operation."
        world.operations.end(running, ArmError("OperationPreempted", said))
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    group.deleting = True

    def gone() -> None:
        world.sets.pop(group.id.lower(), None)
        world.operations.end(operation)

    world.removal.several(group.live(), gone)
    return accepted(world, call, operation, 202, location=True)
