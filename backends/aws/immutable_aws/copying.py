"""What a new group takes over from the one that serves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from immutable_aws.marks import PREFIX, Saved, tag_list
from immutable_aws.reading import Described
from immutable_aws.scaling import FIGHTERS

__all__ = ["group_request", "hook_requests", "saved_at_birth", "their_suspended"]

Description = Mapping[str, Any]

_COPIED = [
    "VPCZoneIdentifier",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "TerminationPolicies",
    "NewInstancesProtectedFromScaleIn",
    "DefaultCooldown",
    "DefaultInstanceWarmup",
    "ServiceLinkedRoleARN",
    "DesiredCapacityType",
    "InstanceMaintenancePolicy",
    "AvailabilityZoneDistribution",
    "AvailabilityZoneImpairmentPolicy",
    "CapacityReservationSpecification",
    "InstanceLifecyclePolicy",
    "Context",
    "MaxSize",
]
_HOOK = [
    "LifecycleHookName",
    "LifecycleTransition",
    "NotificationMetadata",
    "HeartbeatTimeout",
    "DefaultResult",
    "NotificationTargetARN",
    "RoleARN",
]


def their_suspended(pattern: Described) -> list[str]:
    """Return the processes that the pattern's owner has suspended."""
    ours = {*(pattern.marks.saved.suspended if pattern.marks.saved else ()), *pattern.marks.paused}
    there = {each["ProcessName"] for each in pattern.group.get("SuspendedProcesses", ())}
    return sorted(there - ours)


def saved_at_birth(pattern: Described) -> Saved:
    """Return what a group is to be restored to whose life begins under a hold."""
    theirs, saved = their_suspended(pattern), pattern.marks.saved
    lifetime = (saved.lifetime if saved else None) or pattern.group.get("MaxInstanceLifetime")
    return Saved(
        minimum=0,
        suspended=tuple(name for name in FIGHTERS if name not in theirs),
        lifetime=lifetime or None,
        rebalance=bool(pattern.group.get("CapacityRebalance") or (saved and saved.rebalance)),
    )


def hook_requests(hooks: Iterable[Description]) -> list[dict[str, Any]]:
    """Return lifecycle hooks as a new group takes them."""
    return [{name: hook[name] for name in _HOOK if hook.get(name)} for hook in hooks]


def group_request(
    pattern: Described,
    name: str,
    template: str,
    tags: Mapping[str, str],
    hooks: Sequence[Description],
    target_groups: Sequence[str],
) -> dict[str, Any]:
    """Return the request that makes an empty group like *pattern*.

    Args:
        pattern: The group that serves.
        name: The new group's name.
        template: Its launch template's identifier.
        tags: Our tags for it.
        hooks: Its lifecycle hooks.
        target_groups: The ARNs of its target groups.
    """
    group = pattern.group
    request = {key: group[key] for key in _COPIED if group.get(key) not in (None, "", [], {})}
    if "VPCZoneIdentifier" not in request:
        request["AvailabilityZones"] = group.get("AvailabilityZones", [])
    theirs = [
        {
            "ResourceId": name,
            "ResourceType": "auto-scaling-group",
            **{key: tag[key] for key in ("Key", "Value", "PropagateAtLaunch") if key in tag},
        }
        for tag in group.get("Tags", ())
        if not tag["Key"].startswith((PREFIX, "aws:"))
    ]
    request.update(
        AutoScalingGroupName=name,
        MinSize=0,
        DesiredCapacity=0,
        Tags=[*theirs, *tag_list(name, tags)],
    )
    if hooks:
        request["LifecycleHookSpecificationList"] = list(hooks)
    if target_groups:
        request["TargetGroupARNs"] = list(target_groups)
    spec = {"LaunchTemplateId": template, "Version": "1"}
    mixed = group.get("MixedInstancesPolicy")
    if mixed:
        launch = {**mixed.get("LaunchTemplate", {}), "LaunchTemplateSpecification": spec}
        request["MixedInstancesPolicy"] = {**mixed, "LaunchTemplate": launch}
    else:
        request["LaunchTemplate"] = spec
    return request
