"""Which permissions a rollout needs, and asking for those of a resource that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from immutable.backend import Denied, Gone, Invalid, Problem
from immutable_gcp.calls import Calls

__all__ = [
    "CHECK_SECRETS",
    "LOOK",
    "READ_SECRETS",
    "REPLACE",
    "WEIGHTS",
    "WITHDRAW",
    "permission_problems",
]

LOOK = (
    "compute.autoscalers.get",
    "compute.autoscalers.list",
    "compute.backendServices.get",
    "compute.backendServices.list",
    "compute.images.get",
    "compute.images.getFromFamily",
    "compute.images.list",
    "compute.instanceGroupManagers.get",
    "compute.instanceGroupManagers.list",
    "compute.instanceTemplates.get",
    "compute.instances.get",
    "compute.instances.list",
    "compute.machineTypes.get",
    "compute.projects.get",
    "compute.regions.get",
    "compute.globalOperations.get",
    "compute.regionOperations.get",
    "compute.zoneOperations.get",
)
"""What looking at a fleet, and `preflight`, need."""

REPLACE = (
    "compute.autoscalers.create",
    "compute.autoscalers.delete",
    "compute.autoscalers.update",
    "compute.backendServices.update",
    "compute.disks.create",
    "compute.images.useReadOnly",
    "compute.instanceGroupManagers.create",
    "compute.instanceGroupManagers.delete",
    "compute.instanceGroupManagers.update",
    "compute.instanceGroupManagers.use",
    "compute.instanceGroups.use",
    "compute.instanceTemplates.create",
    "compute.instanceTemplates.delete",
    "compute.instanceTemplates.useReadOnly",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.subnetworks.use",
)
"""What replacing a fleet needs besides."""

WEIGHTS = (
    "compute.backendServices.create",
    "compute.backendServices.delete",
    "compute.backendServices.use",
    "compute.healthChecks.useReadOnly",
    "compute.urlMaps.get",
    "compute.urlMaps.list",
    "compute.urlMaps.update",
)
"""What dividing traffic by weights needs besides."""

WITHDRAW = ("compute.images.deprecate",)
"""What withdrawing and restoring images needs besides looking, in the project of the images."""

CHECK_SECRETS = ("secretmanager.versions.get",)
"""What whoever makes plans needs to check and pin secrets of ``gcp-sm://``; it tells no value."""

READ_SECRETS = ("secretmanager.versions.access",)
"""What the service account of instances needs to read theirs."""


def _of_kind(names: Sequence[str], *kinds: str) -> list[str]:
    return [name for name in names if name.split(".")[1] in kinds]


async def permission_problems(
    calls: Calls, resources: Sequence[tuple[str, str, Mapping[str, Any], Sequence[str]]]
) -> list[Problem]:
    """Return which permissions are missing on resources that can be asked.

    Args:
        calls: The door to Compute Engine.
        resources: The client's service, name and place of each, and the kinds of permissions to ask
            for: those of other kinds would be refused.
    """
    problems: list[Problem] = []
    needed = (*LOOK, *REPLACE, *WEIGHTS)
    for service, name, where, kinds in resources:
        asked = _of_kind(needed, *kinds)
        asked = [each for each in asked if not each.endswith((".create", ".list"))]
        missing = await _missing(calls, service, name, where, asked)
        if missing:
            problems.append(
                Problem(
                    f"not permitted on {name}: {', '.join(missing)}",
                    "grant them: roles/compute.instanceAdmin.v1 and roles/compute.loadBalancerAdmin"
                    " have them all",
                )
            )
    return problems


async def _missing(
    calls: Calls, service: str, name: str, where: Mapping[str, Any], asked: Sequence[str]
) -> list[str]:
    try:
        answer = await calls.ask(
            service,
            "test_iam_permissions",
            about=name,
            resource=name,
            test_permissions_request_resource={"permissions": list(asked)},
            **where,
        )
    except (Gone, Invalid):
        return []  # It can't be told: what is missing is met later, as Denied.
    except Denied:
        return ["asking for permissions"]
    return sorted(set(asked) - set(answer.get("permissions", ())))
