"""What of Azure must be permitted, and what isn't. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "ACTIONS",
    "CHECK_SECRETS",
    "METRICS",
    "READ_SECRETS",
    "SWITCHING",
    "WITHDRAWING",
    "missing",
]

ACTIONS: tuple[str, ...] = (
    "Microsoft.Compute/virtualMachineScaleSets/read",
    "Microsoft.Compute/virtualMachineScaleSets/write",
    "Microsoft.Compute/virtualMachineScaleSets/delete",
    "Microsoft.Compute/virtualMachineScaleSets/delete/action",
    "Microsoft.Compute/virtualMachineScaleSets/instanceView/read",
    "Microsoft.Compute/virtualMachineScaleSets/setOrchestrationServiceState/action",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/instanceView/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Network/loadBalancers/read",
    "Microsoft.Network/loadBalancers/backendAddressPools/read",
    "Microsoft.Network/loadBalancers/backendAddressPools/write",
    "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    "Microsoft.Network/loadBalancers/loadBalancingRules/read",
    "Microsoft.Network/loadBalancers/loadBalancingRules/health/action",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Insights/autoscaleSettings/read",
    "Microsoft.Insights/autoscaleSettings/write",
    "Microsoft.Insights/autoscaleSettings/delete",
)
"""Everything that a rollout may need in the resource group of its fleet."""

SWITCHING: tuple[str, ...] = (
    "Microsoft.Network/loadBalancers/write",
    "Microsoft.Network/loadBalancers/backendAddressPools/delete",
)
"""What a rollout needs besides where all traffic is switched at once."""

WITHDRAWING: tuple[str, ...] = (
    "Microsoft.Compute/galleries/images/versions/read",
    "Microsoft.Compute/galleries/images/versions/write",
)
"""What withdrawing and restoring images needs, in the resource group of their gallery."""

METRICS: tuple[str, ...] = (
    "Microsoft.Compute/virtualMachineScaleSets/read",
    "Microsoft.Insights/metrics/read",
)
"""What the metric source needs, in the resource group of the fleet."""

CHECK_SECRETS: tuple[str, ...] = ("Microsoft.KeyVault/vaults/secrets/readMetadata/action",)
"""The data action that whoever makes plans needs to check and pin secrets of ``azure-kv://``, as
"Key Vault Reader" has it; in an access policy ``list``. It tells no value."""

READ_SECRETS: tuple[str, ...] = ("Microsoft.KeyVault/vaults/secrets/getSecret/action",)
"""The data action that the identity of instances needs to read theirs, as "Key Vault Secrets User"
has it; in an access policy ``get``."""


def _matches(pattern: str, action: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), action, re.IGNORECASE) is not None


# actions ["*"], notActions ["Microsoft.Compute/*/delete"]: all but those.
def missing(permissions: Iterable[Mapping[str, Any]], actions: Iterable[str]) -> list[str]:
    """Return the actions that none of the caller's roles permits.

    Args:
        permissions: What "Permissions - List For Resource Group" tells.
        actions: What is needed.
    """
    roles = list(permissions)

    def permitted(action: str) -> bool:
        return any(
            any(_matches(each, action) for each in role.get("actions") or ())
            and not any(_matches(each, action) for each in role.get("notActions") or ())
            for role in roles
        )

    return [action for action in actions if not permitted(action)]
