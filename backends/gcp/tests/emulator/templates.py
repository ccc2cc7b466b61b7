"""Instance templates: immutable; what is in them is checked when they are made.

"Instance templates" (https://cloud.google.com/compute/docs/instance-templates): a template can't
be changed, and can't be deleted while a managed group uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import images
from .calls import Call, answers
from .errors import invalid, required
from .kinds import USUAL, Kind, base, inserted, register
from .names import link
from .places import MACHINES
from .store import Resource

if TYPE_CHECKING:
    from .world import World


def _users(world: World, template: Resource) -> list[str]:
    return [group.resource.path for group in world.groups.all.values() if group.uses(template.link)]


register(
    Kind(
        "instanceTemplates",
        "instance_template",
        ("instanceTemplates", "regionInstanceTemplates"),
        base,
        _users,
    ),
    *USUAL,
)


@answers("instanceTemplates.insert", "regionInstanceTemplates.insert")
def insert(world: World, call: Call) -> Any:
    """Make a template."""
    properties = call.body.get("properties")
    if not properties:
        raise required("resource.properties")
    check(world, properties)
    return inserted(world, call, "instanceTemplates", dict(call.body))


def check(world: World, properties: dict[str, Any]) -> list[dict[str, Any]]:
    """See that VMs can be made of it; the warnings that this brings.

    Raises:
        GoogleError: a machine type, a boot disk with an image, or a network is missing.
    """
    machine = properties.get("machineType")
    if not machine:
        raise required("resource.properties.machineType")
    if machine.rpartition("/")[2] not in MACHINES:
        raise invalid("resource.properties.machineType", machine, "There is no such machine type.")
    disks = properties.get("disks", [])
    boot = next((disk for disk in disks if disk.get("boot")), None)
    source = (boot or {}).get("initializeParams", {}).get("sourceImage")
    if not source:
        raise required("resource.properties.disks[0].initializeParams.sourceImage")
    nics = properties.get("networkInterfaces", [])
    if not nics:
        raise invalid(
            "resource.properties.networkInterfaces", "", "At least one network interface is required."
        )  # fmt: skip
    for nic in nics:
        for kind, value in (
            ("networks", nic.get("network")),
            ("subnetworks", nic.get("subnetwork")),
        ):
            if value:
                world.store.at(
                    link(value, f"resource.properties.networkInterfaces[].{kind[:-1]}", kind)
                )
    field = "resource.properties.disks[0].initializeParams.sourceImage"
    return images.used(world, source, field)[1]
