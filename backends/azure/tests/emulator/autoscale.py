"""Autoscale settings: "Autoscale Settings" (https://learn.microsoft.com/rest/api/monitor/autoscale-settings)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import ids
from .calls import Answer, Call, answers
from .errors import ArmError
from .sets import merged
from .store import Resource

if TYPE_CHECKING:
    from .world import World

KIND = "Microsoft.Insights/autoscalesettings"
SETTINGS = "monitor:autoscale_settings"


def told(found: Resource) -> dict[str, Any]:
    """A setting; without long-running operations and without etags."""
    said = copy.deepcopy(found.doc)
    said |= {"name": found.name, "id": found.id, "type": KIND}
    said["properties"].setdefault("name", found.name)
    said["properties"].setdefault("enabled", False)
    return said


@answers(f"{SETTINGS}.create_or_update")
def put(world: World, call: Call) -> Answer:
    """Make, 201, or replace, 200; one setting for each target."""
    world.place(call.group)
    target = ids.key((call.body.get("properties") or {}).get("targetResourceUri", ""))
    for other in world.store.of(KIND):
        if ids.key(other.id) != ids.key(call.path) and target == ids.key(
            other.properties.get("targetResourceUri", "")
        ):
            said = f"The target resource {target} already has the autoscale setting {other.name}."
            raise ArmError("Conflict", said, 409)
    found, new = world.store.put(call.path, call.body)
    return Answer(201 if new else 200, told(found))


@answers(f"{SETTINGS}.update")
def patch(world: World, call: Call) -> Answer:
    """Change some of it."""
    found = world.store.get(call.path)
    found.doc = merged(found.doc, call.body)
    return Answer(200, told(found))


@answers(f"{SETTINGS}.get")
def get(world: World, call: Call) -> Answer:
    """One."""
    world.place(call.group)
    return Answer(200, told(world.store.get(call.path)))


@answers(f"{SETTINGS}.list_by_resource_group", f"{SETTINGS}.list_by_subscription")
def listed(world: World, call: Call) -> Answer:
    """All."""
    return world.page(call, [told(each) for each in world.store.of(KIND, call.group or None)])


@answers(f"{SETTINGS}.delete")
def delete(world: World, call: Call) -> Answer:
    """Remove one: 200, or 204 if it is not there."""
    world.place(call.group)
    return Answer(200 if world.store.pop(call.path) else 204)
