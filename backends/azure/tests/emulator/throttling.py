"""Throttling policies of Compute: buckets for each resource and for the subscription.

"Compute throttling limits" (https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits):
the tables of policies, with the tokens that come back each minute and the most that there are. The
names in the headers are recorded, the error is that of "Troubleshooting API throttling errors"
(https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/troubleshooting-throttling-errors).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from attrs import define, field, frozen

from . import ids
from .calls import Call
from .errors import ArmError


@frozen
class Policy:
    """Which calls share buckets, how much comes back a minute, and how much there is at most.

    Args:
        resource, whole: `(refill, capacity)` for each resource and for the subscription; None where
            there is no such limit.
    """

    name: str
    resource: tuple[int, int] | None
    whole: tuple[int, int] | None


SETS, MEMBERS, VMS = (
    "compute:virtual_machine_scale_sets.",
    "compute:virtual_machine_scale_set_vms.",
    "compute:virtual_machines.",
)

POLICIES: dict[str, Policy] = {}


def _policy(prefix: str, calls: str, policy: Policy) -> None:
    for call in calls.split():
        POLICIES[prefix + call] = policy


_policy(SETS, "create_or_update", Policy("CreateVMScaleSet", (4, 12), (125, 375)))
_policy(
    SETS,
    "update update_instances set_orchestration_service_state",
    Policy("UpdateVMScaleSet", (4, 12), (500, 1500)),
)
_policy(
    SETS,
    "start restart reimage redeploy power_off",
    Policy("VMScaleSetActions", None, (500, 1500)),
)
_policy(SETS, "delete deallocate", Policy("DeleteVMScaleSet", (4, 12), (175, 525)))
_policy(SETS, "delete_instances", Policy("VMScaleSetActions", (4, 12), (500, 1500)))
_policy(SETS, "get", Policy("GetVMScaleSet", (12, 36), (800, 2400)))
_policy(SETS, "get_instance_view", Policy("HighCostGetVMScaleSet", (10, 30), (360, 1080)))
_policy(SETS, "list list_all list_by_location", Policy("HighCostGetVMScaleSet", None, (360, 1080)))
_policy(MEMBERS, "update start restart reimage", Policy("UpdateVMScaleSetVM", (4, 12), (500, 1500)))
_policy(MEMBERS, "delete power_off deallocate", Policy("DeleteVMScaleSetVM", (4, 12), (500, 1500)))
_policy(VMS, "create_or_update", Policy("PutVM", (4, 12), (500, 1500)))
_policy(VMS, "update start restart power_off reimage", Policy("UpdateVM", (4, 12), (500, 1500)))
_policy(VMS, "delete deallocate", Policy("DeleteVM", (4, 12), (500, 1500)))
_policy(VMS, "get instance_view", Policy("LowCostGetVM", (12, 36), (8000, 24000)))
_policy(VMS, "list list_all list_by_location", Policy("HighCostGetVM", None, (300, 900)))
_policy("resources:operations.", "status", Policy("GetOperation", None, (5000, 15000)))


@define
class Bucket:
    """Tokens; the refill comes all at once at the end of each minute."""

    refill: int
    capacity: int
    tokens: int
    minute: int

    def at(self, minute: int) -> int:
        """How many there are in that minute."""
        self.tokens = min(self.capacity, self.tokens + (minute - self.minute) * self.refill)
        self.minute = minute
        return self.tokens


@define(eq=False)
class Throttling:
    """All buckets.

    Args:
        now: the time.
        minute: how long a minute is; None for no throttling.
    """

    now: Callable[[], float]
    minute: Callable[[], float | None]
    buckets: dict[tuple[str, str], Bucket] = field(factory=dict)

    def admit(self, call: Call) -> dict[str, str]:
        """Take a token of each bucket that a call takes from; what headers tell of the rest.

        Raises:
            ArmError: 429, with `Retry-After`.
        """
        policy, long = POLICIES.get(call.name), self.minute()
        if policy is None or long is None:
            return {}
        now = self.now()
        told, buckets = [], []
        for name, (place, sizes) in {
            f"{policy.name}Resource": (_resource(call), policy.resource),
            f"{policy.name}SubscriptionMaximum": ("", policy.whole),
        }.items():
            if sizes is None:
                continue
            minute = int(now // long)
            fresh = Bucket(*sizes, sizes[1], minute)
            bucket = self.buckets.setdefault((name, place), fresh)
            if bucket.at(minute) < 1:
                raise _refusal(policy.name, sizes[1], (minute + 1) * long - now)
            buckets.append((name, bucket))
        for name, bucket in buckets:
            bucket.tokens -= 1
            told.append(f"Microsoft.Compute/{name};{bucket.tokens}")
        return {"x-ms-ratelimit-remaining-resource": ",".join(told)}


def _resource(call: Call) -> str:
    """The set, or the machine: what a policy counts for."""
    words = call.path.split("/")
    if call.method == "POST" or words[-1].lower() == "instanceview":
        words = words[:-1]
    return ids.key("/".join(words))


def _refusal(name: str, allowed: int, wait: float) -> ArmError:
    said = {
        "operationGroup": name,
        "allowedRequestCount": allowed,
        "measuredRequestCount": allowed + 1,
    }
    return ArmError(
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this "
        "subscription.",
        429,
        details=[{"code": "TooManyRequests", "target": name, "message": json.dumps(said)}],
        headers={"Retry-After": str(math.ceil(wait))},
    )
