"""Calls on one machine of a Uniform set.

"Virtual Machine Scale Set VMs" of the REST reference
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms); recorded: 404, 400 for an
id that is no number, 412, the shape of an instance (cloud-provider-azure, virtualmachinescalesetvmclient).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated, inactive, invalid
from .machines import Machine
from .operations import accepted
from .set_actions import act
from .set_calls import take_turn
from .sets import ScaleSet
from .store import matching
from .views import etag, instance_view, told_member

if TYPE_CHECKING:
    from .world import World

VMS = "compute:virtual_machine_scale_set_vms"


def _uniform(world: World, call: Call) -> ScaleSet:
    group = world.group(call)
    if group.flexible:
        raise NotEmulated(f"{call.name} on a Flexible set: its machines are virtual machines")
    return group


def _member(world: World, call: Call) -> Machine:
    group, name = _uniform(world, call), call.of("virtualMachines")
    if not name.isdigit():
        said = "Virtual Machine Scale Set VM instanceId must be a number."
        raise invalid(said, "instanceId")
    member = group.members.get(name)
    if member is None:
        if call.method != "GET":
            raise inactive(name)
        said = f"The entity was not found in this Azure location: instance {name} of {group.name}."
        raise ArmError("NotFound", said, 404)
    return member


@answers(f"{VMS}.list")
def listed(world: World, call: Call) -> Answer:
    """All instances, by pages; with `$expand=instanceView` what they do.

    Filters: `startswith(instanceView/statuses/code, 'PowerState')` and the like are of the reference;
    here only `properties/latestModelApplied eq true` is known.
    """
    group = _uniform(world, call)
    view = call.query.get("$expand", "").lower() == "instanceview"
    if "$select" in call.query:
        raise NotEmulated("$select of a list of instances")
    members = sorted(group.members.values(), key=lambda member: member.number)
    if "$filter" in call.query:
        found = re.fullmatch(
            r"properties/latestModelApplied eq (true|false)", call.query["$filter"]
        )
        if not found:
            raise NotEmulated(f"the filter {call.query['$filter']!r}")
        wanted = found.group(1) == "true"
        members = [m for m in members if (m.model == group.model) == wanted]
    return world.page(call, [told_member(world, member, view=view) for member in members])


@answers(f"{VMS}.get")
def get(world: World, call: Call) -> Answer:
    """One instance."""
    member = _member(world, call)
    wanted = call.query.get("$expand", "").lower()
    said = told_member(world, member, view=wanted == "instanceview", user_data=wanted == "userdata")
    return Answer(200, said, {"ETag": etag(member.etag)})


@answers(f"{VMS}.get_instance_view")
def view(world: World, call: Call) -> Answer:
    """What one instance does."""
    return Answer(200, instance_view(world, _member(world, call)))


@answers(f"{VMS}.update")
def update(world: World, call: Call) -> Answer:
    """Protection, tags, and a network configuration of the instance's own: 200.

    Its etag goes up; whether the latest model is applied does not change (recorded).
    """
    member = _member(world, call)
    matching(call.headers.get("if-match"), etag(member.etag), member.id)
    assert member.group is not None
    take_turn(world, call, member.group, one=member)
    failing = world.operations.failing(call, member.id)
    operation = failing or world.operations.begin(call, call.name, "Microsoft.Compute", member.id)
    if failing is None:
        said = call.body.get("properties") or {}
        member.tags = call.body.get("tags", member.tags) or {}
        member.protection = said.get("protectionPolicy", member.protection) or {}
        nics = (said.get("networkProfileConfiguration") or {}).get("networkInterfaceConfigurations")
        if nics is not None and nics != world.network.configurations(member):
            member.nics = nics
        member.etag += 1
        seconds = world.chances.draw(world.laws.settle)
        world.clock.after(seconds, world.operations.end, operation)
    told = told_member(world, member)
    told["properties"]["provisioningState"] = "Updating"
    return accepted(world, call, operation, 200, told, headers={"ETag": etag(member.etag)})


@answers(f"{VMS}.delete")
def delete(world: World, call: Call) -> Answer:
    """Delete one; the capacity falls by it."""
    group, name = _uniform(world, call), call.of("virtualMachines")
    if name not in group.members:
        return Answer(204)
    take_turn(world, call, group)
    member = _member(world, call)
    if (failing := world.operations.failing(call, group.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    world.removal.chosen([member], lambda: world.operations.end(operation))
    return accepted(world, call, operation, 202, location=True)


@answers(f"{VMS}.start", f"{VMS}.restart", f"{VMS}.reimage")
def start(world: World, call: Call) -> Answer:
    """Boot it again."""
    member = _member(world, call)
    assert member.group is not None
    take_turn(world, call, member.group)
    return act(world, call, member.group, [member], world.lives.restart)


@answers(f"{VMS}.power_off", f"{VMS}.deallocate")
def halt(world: World, call: Call) -> Answer:
    """Stop it."""
    member = _member(world, call)
    assert member.group is not None
    take_turn(world, call, member.group)
    power = "deallocated" if call.name.endswith("deallocate") else "stopped"
    return act(
        world, call, member.group, [member], lambda m, done: world.lives.halt(m, power, done)
    )
