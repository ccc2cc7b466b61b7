"""Calls on virtual machines: those of Flexible sets, and those of none.

"Virtual Machines" of the REST reference (https://learn.microsoft.com/rest/api/compute/virtual-machines);
attaching to a Flexible set: "Attach or detach a virtual machine"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-attach-detach-vm).
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated, busy, no_resource
from .machines import Machine
from .operations import accepted
from .sets import ScaleSet
from .store import matching
from .views import etag, instance_view, told_vm

if TYPE_CHECKING:
    from .world import World

VMS = "compute:virtual_machines"
KIND = "Microsoft.Compute/virtualMachines"


def _vm(world: World, call: Call) -> Machine:
    world.place(call.group)
    name = call.of("virtualMachines")
    found = world.vms.get(ids.key(ids.resource_id(call.group, "Microsoft.Compute", "virtualMachines", name)))  # fmt: skip
    if found is None:
        raise no_resource(KIND, name, call.group)
    return found


def _free(world: World, machine: Machine) -> None:
    if world.operations.on(machine.id):
        raise busy()


@answers(f"{VMS}.create_or_update")
def put(world: World, call: Call) -> Answer:
    """Make a machine, 201, or change it, 200; with a Flexible set named, it becomes a member."""
    place = world.place(call.group)
    name, body = call.of("virtualMachines"), call.body
    path = ids.resource_id(place, "Microsoft.Compute", "virtualMachines", name)
    there = world.vms.get(ids.key(path))
    if there is not None:
        return _change(world, call, there, body)
    if call.headers.get("if-match") not in {None, "*"}:
        raise ArmError("PreconditionFailed", "The resource does not exist.", 412)
    said = copy.deepcopy(body.get("properties") or {})
    size = (said.get("hardwareProfile") or {}).get("vmSize")
    world.supply.known(size)
    world.images.launchable(said)
    group = _flexible(world, said)
    failing = world.operations.failing(call, path)
    refusal = world.supply.over_quota(size, 1)
    if refusal is not None:
        raise refusal
    machine = Machine(
        id=path, name=name, number=group.next if group else 0, profile=said, size=size,
        zone=(body.get("zones") or [""])[0], launched=world.clock.now(), group=group,
        tags=dict(body.get("tags") or {}), model=group.model if group else 0,
    )  # fmt: skip
    machine.data["networkInterfaces"] = (said.get("networkProfile") or {}).get(
        "networkInterfaces"
    ) or []
    operation = failing or world.operations.begin(call, call.name, "Microsoft.Compute", path)
    if failing is None:
        _start(world, machine, group, operation)
    told = told_vm(world, machine)
    return accepted(world, call, operation, 201, told, headers={"ETag": etag(machine.etag)})


def _flexible(world: World, said: dict[str, Any]) -> ScaleSet | None:
    if not said.get("virtualMachineScaleSet"):
        return None
    group = world.sets.get(ids.key(said["virtualMachineScaleSet"]["id"]))
    if group is None or not group.flexible:
        text = "The referenced virtual machine scale set is not there or not Flexible."
        raise ArmError("InvalidParameter", text, 400, target="virtualMachineScaleSet.id")
    return group


def _start(world: World, machine: Machine, group: ScaleSet | None, operation: Any) -> None:
    world.vms[ids.key(machine.id)] = machine
    if group is not None:
        group.next += 1
        group.members[machine.name] = machine
        group.capacity += 1
    if not world.supply.room(machine.zone, machine.size):
        world.lives.fail(machine, world.supply.short(machine.zone))
        seconds = world.chances.draw(world.laws.settle)
        world.clock.after(seconds, world.operations.end, operation, machine.error)
        return
    world.lives.start(machine, lambda made: world.operations.end(operation, made.error))


def _change(world: World, call: Call, machine: Machine, body: dict[str, Any]) -> Answer:
    matching(call.headers.get("if-match"), etag(machine.etag), machine.id)
    if call.headers.get("if-none-match") == "*":
        said = f"The resource exists; etag provided in if-none-match header * matches etag {etag(machine.etag)}."  # fmt: skip
        raise ArmError("PreconditionFailed", said, 412)
    _free(world, machine)
    before = (machine.tags, machine.data.get("networkInterfaces"))
    if "tags" in body:
        machine.tags = dict(body["tags"] or {})
    nics = ((body.get("properties") or {}).get("networkProfile") or {}).get("networkInterfaces")
    if nics is not None:
        machine.data["networkInterfaces"] = nics
    machine.etag += 1
    headers = {"ETag": etag(machine.etag)}
    if before == (machine.tags, machine.data.get("networkInterfaces")):
        # What changes nothing is done at once (recorded).
        return Answer(200, told_vm(world, machine), headers)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", machine.id)
    world.clock.after(world.chances.draw(world.laws.settle), world.operations.end, operation)
    told = told_vm(world, machine)
    told["properties"]["provisioningState"] = "Updating"
    return accepted(world, call, operation, 200, told, headers=headers)


@answers(f"{VMS}.update")
def patch(world: World, call: Call) -> Answer:
    """Change tags or network interfaces."""
    return _change(world, call, _vm(world, call), call.body)


@answers(f"{VMS}.get")
def get(world: World, call: Call) -> Answer:
    """One machine."""
    machine, wanted = _vm(world, call), call.query.get("$expand", "").lower()
    said = told_vm(world, machine, view=wanted == "instanceview", user_data=wanted == "userdata")
    return Answer(200, said, {"ETag": etag(machine.etag)})


@answers(f"{VMS}.instance_view")
def view(world: World, call: Call) -> Answer:
    """What it does."""
    return Answer(200, instance_view(world, _vm(world, call)))


@answers(f"{VMS}.list", f"{VMS}.list_all")
def listed(world: World, call: Call) -> Answer:
    """Machines, by pages; those of a Flexible set by `'virtualMachineScaleSet/id' eq '…'`.

    Machines of Uniform sets are not among them.
    """
    if call.group:
        world.place(call.group)
    found = [m for m in world.vms.values() if not call.group or call.group.lower() == ids.parts(m.id)["resourcegroups"].lower()]  # fmt: skip
    if "$filter" in call.query:
        wanted = re.fullmatch(r"'virtualMachineScaleSet/id' eq '(.+)'", call.query["$filter"])
        if wanted is None:
            raise NotEmulated(f"the filter {call.query['$filter']!r}")
        group = world.sets.get(ids.key(wanted.group(1)))
        found = [m for m in found if group is not None and m.group is group]
    view = call.query.get("$expand", "").lower() == "instanceview"
    return world.page(call, [told_vm(world, machine, view=view) for machine in found])


@answers(f"{VMS}.delete")
def delete(world: World, call: Call) -> Answer:
    """Delete one: 202, or 204 if it is not there; a Flexible set's capacity falls by it."""
    world.place(call.group)
    try:
        machine = _vm(world, call)
    except ArmError:
        return Answer(204)
    if (failing := world.operations.failing(call, machine.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", machine.id)
    world.removal.chosen([machine], lambda: world.operations.end(operation))
    return accepted(world, call, operation, 202, location=True)


@answers(f"{VMS}.start", f"{VMS}.restart", f"{VMS}.reimage")
def start(world: World, call: Call) -> Answer:
    """Boot it again."""
    machine = _vm(world, call)
    _free(world, machine)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", machine.id)
    world.lives.restart(machine, lambda made: world.operations.end(operation, made.error))
    return accepted(world, call, operation, 202, location=True)


@answers(f"{VMS}.power_off", f"{VMS}.deallocate")
def halt(world: World, call: Call) -> Answer:
    """Stop it."""
    machine = _vm(world, call)
    _free(world, machine)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", machine.id)
    power = "deallocated" if call.name.endswith("deallocate") else "stopped"
    world.lives.halt(machine, power, lambda _: world.operations.end(operation))
    return accepted(world, call, operation, 202, location=True)
