"""Actions on several members of a set at once: delete, upgrade, restart, stop, and the like.

"Virtual Machine Scale Sets - Delete Instances", "- Update Instances" and others of the REST reference
(https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-sets). Which of them work on Flexible
sets: "What API calls are supported" in "Orchestration modes"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-orchestration-modes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .calls import Answer, Call, answers
from .errors import ArmError, NotEmulated, inactive, invalid
from .machines import Machine
from .operations import accepted
from .set_calls import SETS, take_turn
from .sets import ScaleSet

if TYPE_CHECKING:
    from .world import World

Start = Callable[[Machine, Callable[[Machine], None]], None]


def named(group: ScaleSet, ids: list[str]) -> list[Machine]:
    """Members by their instance ids; in a Flexible set these are the machines' names.

    Raises:
        ArmError: 400 for one that is not, or not any more, an active member.
    """
    if ids == ["*"]:
        return group.live()
    found = []
    for each in ids:
        member = group.members.get(each)
        if member is None:
            raise inactive(each)
        found.append(member)
    return found


def act(world: World, call: Call, group: ScaleSet, members: list[Machine], start: Start) -> Answer:
    """Begin something with each member; the operation ends with the last."""
    if (failing := world.operations.failing(call, group.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    left = {member.id for member in members}

    def done(member: Machine) -> None:
        left.discard(member.id)
        if not left:
            world.operations.end(operation, member.error)

    for member in members:
        start(member, done)
    if not members:
        seconds = world.chances.draw(world.laws.settle)
        world.clock.after(seconds, world.operations.end, operation)
    return accepted(world, call, operation, 202, location=True)


@answers(f"{SETS}.delete_instances")
def delete_instances(world: World, call: Call) -> Answer:
    """Delete exactly these; the capacity falls with them. Protection does not hold it up.

    "Instance protection": user-initiated deletions are not blocked
    (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-instance-protection).
    """
    group = world.group(call)
    ids = call.body.get("instanceIds")
    if not ids:
        raise invalid("Required parameter 'instanceIds' is missing (null).", "instanceIds")
    members = named(group, ids)
    take_turn(world, call, group)
    if (failing := world.operations.failing(call, group.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    world.removal.chosen(members, lambda: world.operations.end(operation))
    return accepted(world, call, operation, 202, location=True)


@answers(f"{SETS}.update_instances")
def update_instances(world: World, call: Call) -> Answer:
    """Bring members to the latest model; one that is protected from actions of the set is left out."""
    group = world.group(call)
    ids = call.body.get("instanceIds")
    if not ids:
        raise invalid("Required parameter 'instanceIds' is missing (null).", "instanceIds")
    members = [m for m in named(group, ids) if not m.protection.get("protectFromScaleSetActions")]
    take_turn(world, call, group)
    return act(world, call, group, members, world.upgrades.apply)


def _chosen(call: Call, group: ScaleSet) -> list[Machine]:
    if group.flexible:
        raise NotEmulated(f"{call.name} on a Flexible set: its machines are acted on one by one")
    ids = (call.body or {}).get("instanceIds") or ["*"]
    return [m for m in named(group, ids) if not m.protection.get("protectFromScaleSetActions")]


@answers(f"{SETS}.start", f"{SETS}.restart", f"{SETS}.redeploy", f"{SETS}.reimage")
def start(world: World, call: Call) -> Answer:
    """Boot members again; reimaging by the model that they have."""
    group = world.group(call)
    members = _chosen(call, group)
    take_turn(world, call, group)
    return act(world, call, group, members, world.lives.restart)


@answers(f"{SETS}.deallocate", f"{SETS}.power_off")
def halt(world: World, call: Call) -> Answer:
    """Stop members; they stay members, and the capacity stays."""
    group = world.group(call)
    members = _chosen(call, group)
    take_turn(world, call, group)
    power = "deallocated" if call.name.endswith("deallocate") else "stopped"
    return act(world, call, group, members, lambda m, done: world.lives.halt(m, power, done))


@answers(f"{SETS}.set_orchestration_service_state")
def service_state(world: World, call: Call) -> Answer:
    """Suspend or resume automatic repairs.

    "Viewing and updating the service state of automatic instance repairs policy"
    (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs).
    """
    group = world.group(call)
    if call.body.get("serviceName") != "AutomaticRepairs":
        raise NotEmulated(f"the orchestration service {call.body.get('serviceName')}")
    if group.repairs in {None, "NotRunning"}:
        said = "Automatic repairs are not enabled on the scale set."
        raise ArmError("OperationNotAllowed", said, 409)
    take_turn(world, call, group)
    if (failing := world.operations.failing(call, group.id)) is not None:
        return accepted(world, call, failing, 202, location=True)
    group.repairs = {"suspend": "Suspended", "resume": "Running"}[call.body["action"].lower()]
    return act(world, call, group, [], world.lives.restart)


@answers(f"{SETS}.scale_out")
def scale_out(world: World, call: Call) -> Answer:
    """Not modelled: absolute capacities say the same and can be repeated."""
    raise NotEmulated(call.name)
