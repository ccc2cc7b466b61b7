"""Instances: made, told, labelled, stopped, deleted, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import templates
from .calls import Call, answers
from .errors import GoogleError, OperationFailed, required
from .kinds import Kind, base, changed, guarded, register
from .lives import Vm
from .names import checked, link
from .store import Resource

if TYPE_CHECKING:
    from .world import World


ALWAYS = {
    "onHostMaintenance": "MIGRATE",
    "automaticRestart": True,
    "preemptible": False,
    "provisioningModel": "STANDARD",
}
"""What recorded instances say about scheduling."""


def shown(world: World, resource: Resource) -> dict[str, Any]:
    """An instance."""
    vm = world.lives.all.get(resource.id)
    print_ = resource.fingerprint
    said = base(world, resource)
    metadata = {"kind": "compute#metadata", "fingerprint": print_, **resource.data.get("metadata", {})}  # fmt: skip
    return said | {
        "status": vm.status if vm else "STOPPING",
        "labelFingerprint": print_,
        "fingerprint": print_,
        "metadata": metadata,
        "cpuPlatform": "Intel Broadwell",
        "canIpForward": resource.data.get("canIpForward", False),
        "scheduling": ALWAYS | resource.data.get("scheduling", {}),
        "tags": {"fingerprint": print_, **resource.data.get("tags", {})},
        "startRestricted": False,
        "deletionProtection": resource.data.get("deletionProtection", False),
    }


register(
    Kind("instances", "instance", ("instances",), shown, print="fingerprint", scopes=("zones",)),
    "get",
    "list",
    "aggregatedList",
)


def _vm(world: World, call: Call) -> Vm:
    return world.lives.all[world.store.get("instances", call.scope, call.target).id]


@answers("instances.insert")
def insert(world: World, call: Call) -> Any:
    """Make a VM; a stockout or a quota ends the operation, with HTTP 200."""
    body, template = dict(call.body), None
    if source := call.query.get("sourceInstanceTemplate"):
        made_of = world.store.at(link(source, "sourceInstanceTemplate", "instanceTemplates"))
        body, template = made_of.data["properties"] | body, made_of.name
    if not body.get("machineType"):
        raise required("resource.machineType")
    warnings = templates.check(world, body)
    name = checked(body)
    resource = world.store.make("instances", call.scope, name, body)
    world.store.drop(resource)  # The name is free; whoever is first has it.

    def effect() -> None:
        try:
            vm = world.lives.create(call.scope.name, name, body, template, None)
        except GoogleError as error:
            raise OperationFailed("RESOURCE_ALREADY_EXISTS", error.message, 409) from error
        operation.target_id = vm.id

    operation = world.operations.begin(call, resource, effect)
    operation.warnings += warnings
    return operation


@answers("instances.delete")
def delete(world: World, call: Call) -> Any:
    """Delete a VM; the operation ends when it is gone. A managed group makes it anew."""
    vm = _vm(world, call)
    operation = world.operations.begin_open(call, vm.resource)
    if operation.failure is None:
        world.lives.delete(vm, lambda: world.operations.end(operation, vm.resource))
    return operation


@answers("instances.stop")
def stop(world: World, call: Call) -> Any:
    """Stop a VM: TERMINATED afterwards."""
    vm = _vm(world, call)
    return world.operations.begin(call, vm.resource, lambda: world.lives.stop(vm))


@answers("instances.setLabels")
def set_labels(world: World, call: Call) -> Any:
    """Replace all labels; needs the current `labelFingerprint`."""
    vm = _vm(world, call)
    guarded(vm.resource, call.body, "labelFingerprint", must=True)
    labels = dict(call.body.get("labels", {}))
    return changed(world, call, vm.resource, lambda: vm.resource.data.update(labels=labels))


@answers("instances.setMetadata")
def set_metadata(world: World, call: Call) -> Any:
    """Replace all metadata; needs the current fingerprint."""
    vm = _vm(world, call)
    guarded(vm.resource, call.body, "fingerprint", must=True)
    kept = {"items": call.body.get("items", [])}
    return changed(world, call, vm.resource, lambda: vm.resource.data.update(metadata=kept))
