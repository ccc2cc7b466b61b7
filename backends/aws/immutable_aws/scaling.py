"""What fights with a rollout in a group's scaling, how it is stopped, and how restored. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from immutable_aws.marks import Saved

__all__ = [
    "FIGHTERS",
    "handed_over",
    "held_policy",
    "off",
    "policy_request",
    "restored_policy",
    "saved_now",
    "schedule_request",
    "settings",
]

Description = Mapping[str, Any]

FIGHTERS = ("AZRebalance", "InstanceRefresh", "ScheduledActions")
"""Processes that remove or replace members. ReplaceUnhealthy stays: it starts the right image.
AlarmNotification stays: it is scale-out too; what lowers is stopped in the policies themselves."""

_BY_TYPE = {
    "TargetTrackingScaling": ("EstimatedInstanceWarmup", "TargetTrackingConfiguration"),
    "StepScaling": (
        "AdjustmentType",
        "MinAdjustmentMagnitude",
        "StepAdjustments",
        "MetricAggregationType",
        "EstimatedInstanceWarmup",
    ),
    "SimpleScaling": ("AdjustmentType", "MinAdjustmentMagnitude", "ScalingAdjustment", "Cooldown"),
    "PredictiveScaling": ("PredictiveScalingConfiguration",),
}
_SCHEDULE = ("Recurrence", "MinSize", "MaxSize", "DesiredCapacity", "TimeZone")
_IN = "DisableScaleIn"
_TRACKING, _PREDICTIVE = "TargetTrackingConfiguration", "PredictiveScalingConfiguration"


def _kind(policy: Description) -> str:
    return str(policy.get("PolicyType") or "SimpleScaling")


def _lowers(policy: Description) -> bool:
    if policy.get("AdjustmentType") == "ExactCapacity":
        return True  # A size of its own: it would refill what was retired, too.
    steps = [step.get("ScalingAdjustment", 0) for step in policy.get("StepAdjustments", ())]
    return min((*steps, policy.get("ScalingAdjustment") or 0), default=0) < 0


# A target tracking policy that may scale in: {"DisableScaleIn": None}, False where it said so. A
# step policy that lowers: {"Enabled": True}. A forecast that scales: {"Mode": "ForecastAndScale"}.
def originals(policy: Description) -> dict[str, Any]:
    """Return the fields of a policy that a hold changes, as they are."""
    kind = _kind(policy)
    if kind == "TargetTrackingScaling":
        tracking = policy.get(_TRACKING, {})
        # Not said is told apart from said to be off, so that it can be put back as it was.
        return {} if tracking.get("DisableScaleIn") else {_IN: tracking.get("DisableScaleIn")}
    if kind == "PredictiveScaling":
        mode = policy.get(_PREDICTIVE, {}).get("Mode", "ForecastOnly")
        return {} if mode == "ForecastOnly" else {"Mode": mode}
    return {"Enabled": True} if _lowers(policy) and policy.get("Enabled", True) else {}


def _with(policy: Description, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy with some of the fields changed that holds change."""
    new = dict(policy)
    for name, value in fields.items():
        if name == _IN and _TRACKING in new:
            kept = {key: each for key, each in new[_TRACKING].items() if key != _IN}
            new[_TRACKING] = kept if value is None else {**kept, _IN: value}
        elif name == "Mode" and _PREDICTIVE in new:
            new[_PREDICTIVE] = {**new[_PREDICTIVE], name: value}
        elif name == "Enabled":
            new[name] = value
    return new


_HELD = {_IN: True, "Mode": "ForecastOnly", "Enabled": False}


def held_policy(policy: Description) -> dict[str, Any] | None:
    """Return a policy as it is during a hold; None when nothing has to be changed."""
    fields = originals(policy)
    return _with(policy, {name: _HELD[name] for name in fields}) if fields else None


def off(policy: Description) -> dict[str, Any]:
    """Return a policy that does nothing at all: how it is attached to its next group."""
    return _with(policy, {**_HELD, "Enabled": False})


def restored_policy(policy: Description, was: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy with the fields that a hold changed as they were."""
    return _with(policy, was)


def handed_over(policy: Description, was: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields that matter when a policy has been attached elsewhere, switched off."""
    found = {"Enabled": bool(policy.get("Enabled", True)), **originals(policy), **was}
    if _TRACKING in policy:
        found.setdefault(_IN, policy[_TRACKING].get(_IN))
    if _PREDICTIVE in policy:
        found.setdefault("Mode", policy[_PREDICTIVE].get("Mode", "ForecastOnly"))
    return found


def policy_request(policy: Description, group: str) -> dict[str, Any]:
    """Return the request that gives *group* a policy."""
    kind = _kind(policy)
    request: dict[str, Any] = {
        "AutoScalingGroupName": group,
        "PolicyName": policy["PolicyName"],
        "PolicyType": kind,
        "Enabled": bool(policy.get("Enabled", True)),
    }
    for name in _BY_TYPE.get(kind, ()):
        if policy.get(name) is not None:
            request[name] = policy[name]
    return request


def schedule_request(action: Description, group: str, now: float) -> dict[str, Any]:
    """Return the request that gives *group* a scheduled action.

    Args:
        action: Its description.
        group: The group's name.
        now: The time: a start that has passed can't be asked for again, and isn't needed.
    """
    request: dict[str, Any] = {
        "AutoScalingGroupName": group,
        "ScheduledActionName": action["ScheduledActionName"],
    }
    request.update({name: action[name] for name in _SCHEDULE if action.get(name) is not None})
    for name in ("StartTime", "EndTime"):
        time = action.get(name)
        if time is not None and time.timestamp() > now:
            request[name] = time
    return request


def saved_now(
    group: Description, policies: Sequence[Description], before: Saved | None = None
) -> Saved:
    """Return what a hold has to write down before it changes a group.

    Args:
        group: The group's description.
        policies: Its scaling policies.
        before: What an earlier hold wrote down: that stays, only new policies are added.
    """
    changed = {policy["PolicyName"]: was for policy in policies if (was := originals(policy))}
    if before is not None:
        return Saved(
            before.minimum,
            before.suspended,
            before.lifetime,
            before.rebalance,
            {**changed, **before.policies},
        )
    there = {each["ProcessName"] for each in group.get("SuspendedProcesses", ())}
    return Saved(
        minimum=int(group["MinSize"]),
        suspended=tuple(name for name in FIGHTERS if name not in there),
        lifetime=group.get("MaxInstanceLifetime") or None,
        rebalance=bool(group.get("CapacityRebalance")),
        policies=changed,
    )


def settings(
    group: Description,
    policies: Sequence[Description],
    schedules: Sequence[Description],
    saved: Saved | None,
    paused: Sequence[str] = (),
) -> dict[str, str]:
    """Return what has to be as before at the end, as it will be once a hold is restored.

    Only what differs from a plain group is told; no ARNs, no stamps, no names of alarms.
    """
    ours = {*(saved.suspended if saved else ()), *paused}
    told: dict[str, str] = {}
    suspended = {each["ProcessName"] for each in group.get("SuspendedProcesses", ())} - ours
    if suspended:
        told["suspended"] = ", ".join(sorted(suspended))
    lifetime = (saved and saved.lifetime) or group.get("MaxInstanceLifetime")
    if lifetime:
        told["lifetime"] = f"{lifetime} s"
    if group.get("CapacityRebalance") or (saved and saved.rebalance):
        told["rebalance"] = "on"
    known = saved.policies if saved else {}
    for policy in policies:
        name = policy["PolicyName"]
        request = policy_request(restored_policy(policy, known.get(name, {})), "")
        told[f"policy {name}"] = _text(request)
    for action in schedules:
        request = {name: action[name] for name in _SCHEDULE if action.get(name) is not None}
        told[f"schedule {action['ScheduledActionName']}"] = _text(request)
    return told


def _text(request: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in request.items() if name != "AutoScalingGroupName"}
    return json.dumps(kept, sort_keys=True, default=str)
