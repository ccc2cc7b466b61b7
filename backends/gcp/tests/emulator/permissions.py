"""Which permission a method needs, and `testIamPermissions`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .calls import Call, answers

if TYPE_CHECKING:
    from .world import World

VERBS = {
    "insert": "create",
    "get": "get",
    "getFromFamily": "getFromFamily",
    "list": "list",
    "aggregatedList": "list",
    "delete": "delete",
    "getHealth": "get",
    "listManagedInstances": "get",
    "listErrors": "get",
    "listInstances": "list",
    "wait": "get",
    "setMetadata": "setMetadata",
    "setLabels": "setLabels",
    "deprecate": "deprecate",
}
"""The last word of the permission; every other method that changes something needs `update`.

"Compute Engine IAM roles and permissions"
(https://cloud.google.com/compute/docs/access/iam-permissions).
"""


def permission(method: str) -> str:
    """`compute.instanceGroupManagers.update` for `regionInstanceGroupManagers.resize`."""
    service, _, verb = method.partition(".")
    kind = re.sub(r"^region(?=[A-Z])", "", service)
    return f"compute.{kind[0].lower()}{kind[1:]}.{VERBS.get(verb, 'update')}"


@answers(
    "instances.testIamPermissions",
    "images.testIamPermissions",
    "instanceTemplates.testIamPermissions",
    "instanceGroups.testIamPermissions",
    "regionInstanceGroups.testIamPermissions",
    "healthChecks.testIamPermissions",
    "backendServices.testIamPermissions",
    "urlMaps.testIamPermissions",
    "subnetworks.testIamPermissions",
)
def test(world: World, call: Call) -> Any:
    """Those of the asked ones that the caller has."""
    asked = call.body.get("permissions", [])
    return {"permissions": [each for each in asked if not world.refuses(each)]}
