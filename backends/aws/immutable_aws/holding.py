"""Keeping everybody else from removing or replacing a group's members, and restoring that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from immutable.backend import Context, Transient
from immutable.toolkit.owning import held
from immutable_aws.calls import Answer
from immutable_aws.hands import Hands
from immutable_aws.marks import Saved, held_keys, hold_tags, saved_tags
from immutable_aws.reading import Described, size_of
from immutable_aws.scaling import (
    handed_over,
    held_policy,
    off,
    policy_request,
    restored_policy,
    saved_now,
    schedule_request,
)

__all__ = ["hold", "is_still", "keep_still", "release", "restore"]


async def hold(hands: Hands, fleet: str, revision: int, until: float, ctx: Context) -> None:
    """Take hold of a group, or renew that: first the mark, then what fights is stopped."""
    group = await hands.owned(fleet, revision, ctx)
    scaling = await hands.eyes.scaling(group, anew=True)
    before = group.marks
    saved = saved_now(group.group, scaling.policies, before.saved if before.hold else None)
    mark = held(before.hold, ctx, until, size_of(group))
    await hands.tag(group, hold_tags(mark, saved))
    await keep_still(hands, fleet, revision, ctx, scaling.policies)


async def keep_still(
    hands: Hands, fleet: str, revision: int, ctx: Context, policies: Sequence[Answer] = ()
) -> None:
    """Stop what fights with a rollout, as far as that isn't done yet.

    Args:
        hands: How groups are changed.
        fleet: The fleet.
        revision: Whose group; it is marked as held.
        ctx: On whose behalf.
        policies: The group's scaling policies.
    """
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved or Saved()
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    missing = [name for name in saved.suspended if name not in there]
    if missing:
        await hands.scale("SuspendProcesses", group, ScalingProcesses=missing)
    change: dict[str, Any] = {}
    if saved.lifetime and group.group.get("MaxInstanceLifetime"):
        change["MaxInstanceLifetime"] = 0
    if saved.rebalance and group.group.get("CapacityRebalance"):
        change["CapacityRebalance"] = False
    if change:
        group = await hands.owned(fleet, revision, ctx)
        await hands.scale("UpdateAutoScalingGroup", group, **change)
    for policy in policies:
        stopped = held_policy(policy)
        if stopped is not None:
            group = await hands.owned(fleet, revision, ctx)
            await _put_policy(hands, group, stopped)


def is_still(group: Described) -> bool:
    """Return whether everything is suspended that a group's hold says."""
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    return group.marks.hold is None or there.issuperset(
        group.marks.saved.suspended if group.marks.saved else ()
    )


async def release(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """End the hold of a group; the fleet's scaling settings and minimum end up on it."""
    await hands.owned(fleet, revision, ctx)
    for other in await hands.eyes.groups(fleet):
        if other.marks.revision != revision:
            await _hand_over(hands, other, revision, ctx)
    groups = await hands.eyes.groups(fleet)
    saved = [each.marks.saved.minimum for each in groups if each.marks.saved is not None]
    group = await hands.owned(fleet, revision, ctx)
    least = max(saved, default=int(group.group["MinSize"]))
    await restore(hands, fleet, revision, ctx, minimum=min(least, size_of(group)))
    group = await hands.owned(fleet, revision, ctx)
    await hands.untag(group, held_keys(group.tags))


async def restore(
    hands: Hands, fleet: str, revision: int, ctx: Context, *, minimum: int | None
) -> None:
    """Undo what a hold has changed of a group, all but its mark.

    Args:
        hands: How groups are changed.
        fleet: The fleet.
        revision: Whose group.
        ctx: On whose behalf.
        minimum: What its minimum becomes; None leaves it.
    """
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved or Saved()
    change: dict[str, Any] = {}
    if minimum is not None and minimum != int(group.group["MinSize"]):
        change["MinSize"] = minimum
    if saved.lifetime and not group.group.get("MaxInstanceLifetime"):
        change["MaxInstanceLifetime"] = saved.lifetime
    if saved.rebalance and not group.group.get("CapacityRebalance"):
        change["CapacityRebalance"] = True
    if change:
        await hands.scale("UpdateAutoScalingGroup", group, **change)
    scaling = await hands.eyes.scaling(group, anew=True)
    for policy in scaling.policies:
        was = saved.policies.get(policy["PolicyName"], {})
        if restored_policy(policy, was) != policy:
            group = await hands.owned(fleet, revision, ctx)
            await _put_policy(hands, group, restored_policy(policy, was))
    group = await hands.owned(fleet, revision, ctx)
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    ours = {*saved.suspended, *group.marks.paused}
    stopped = sorted(ours & there)
    if stopped:
        await hands.scale("ResumeProcesses", group, ScalingProcesses=stopped)
    hands.eyes.forget_scaling()


# -- from one group to another ---------------------------------------------------------------------


async def _hand_over(hands: Hands, other: Described, revision: int, ctx: Context) -> None:
    """Bring another group's policies and scheduled actions to this one, switched off."""
    fleet = other.marks.fleet
    scaling = await hands.eyes.scaling(other, anew=True)
    if not scaling.policies and not scaling.schedules:
        return
    await hands.owned(fleet, other.marks.revision, ctx)
    group = await hands.owned(fleet, revision, ctx)
    known = other.marks.saved.policies if other.marks.saved else {}
    wanted = {
        each["PolicyName"]: handed_over(each, known.get(each["PolicyName"], {}))
        for each in scaling.policies
    }
    await _note_policies(hands, group, wanted)
    for policy in scaling.policies:
        group = await hands.owned(fleet, revision, ctx)
        arn = await _put_policy(hands, group, off(policy))
        await _point_alarms(hands, policy, group, arn)
    for action in scaling.schedules:
        group = await hands.owned(fleet, revision, ctx)
        request = schedule_request(action, group.name, hands.calls.now())
        await hands.change(
            "autoscaling", "PutScheduledUpdateGroupAction", fleet, about=group.name, **request
        )
    await _check_attached(hands, group, scaling.policies, scaling.schedules)
    await _take_off(hands, other, ctx, scaling.policies, scaling.schedules)
    hands.eyes.forget_scaling()


async def _note_policies(
    hands: Hands, group: Described, wanted: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write down how policies were, before they arrive switched off."""
    saved = group.marks.saved or saved_now(group.group, ())
    missing = {name: was for name, was in wanted.items() if name not in saved.policies}
    if missing:
        await hands.tag(group, saved_tags(evolve(saved, policies={**saved.policies, **missing})))


async def _put_policy(hands: Hands, group: Described, policy: Mapping[str, Any]) -> str:
    request = policy_request(policy, group.name)
    answer = await hands.change(
        "autoscaling", "PutScalingPolicy", group.marks.fleet, about=group.name, **request
    )
    return str(answer.get("PolicyARN", ""))


async def _point_alarms(
    hands: Hands, policy: Mapping[str, Any], group: Described, arn: str
) -> None:
    """Let the alarms of a step or simple policy start the same policy of this group.

    Target tracking and predictive policies make their own.
    """
    kind = policy.get("PolicyType")
    names = [alarm["AlarmName"] for alarm in policy.get("Alarms", ())]
    if kind in ("TargetTrackingScaling", "PredictiveScaling") or not names or not arn:
        return
    alarms = await hands.calls.pages(
        "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=names
    )
    for alarm in alarms:
        request = repointed(alarm, str(policy["PolicyARN"]), arn, group.name)
        await hands.change(
            "cloudwatch", "PutMetricAlarm", group.marks.fleet, about=alarm["AlarmName"], **request
        )


_ALARM = [
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "ThresholdMetricId",
]


def repointed(alarm: Mapping[str, Any], old: str, new: str, group: str) -> dict[str, Any]:
    """Return the request that makes an alarm another policy's, of another group."""
    request = {name: alarm[name] for name in _ALARM if alarm.get(name) is not None}
    for name in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        if name in request:
            request[name] = [new if each == old else each for each in request[name]]
    if request.get("Dimensions"):
        request["Dimensions"] = [
            {**each, "Value": group} if each["Name"] == "AutoScalingGroupName" else each
            for each in request["Dimensions"]
        ]
    return request


async def _check_attached(
    hands: Hands, group: Described, policies: Sequence[Answer], schedules: Sequence[Answer]
) -> None:
    """Make sure that everything has arrived before it is taken off where it was."""
    found = await hands.eyes.scaling(group, anew=True)
    names = {each["PolicyName"] for each in found.policies}
    actions = {each["ScheduledActionName"] for each in found.schedules}
    missing = {each["PolicyName"] for each in policies} - names
    missing |= {each["ScheduledActionName"] for each in schedules} - actions
    if missing:
        raise Transient(f"{group.name} doesn't show {', '.join(sorted(missing))} yet")


async def _take_off(
    hands: Hands,
    other: Described,
    ctx: Context,
    policies: Sequence[Answer],
    schedules: Sequence[Answer],
) -> None:
    fleet, number = other.marks.fleet, other.marks.revision
    for policy in policies:
        group = await hands.owned(fleet, number, ctx)
        await hands.scale("DeletePolicy", group, PolicyName=policy["PolicyName"])
    for action in schedules:
        group = await hands.owned(fleet, number, ctx)
        await hands.scale(
            "DeleteScheduledAction", group, ScheduledActionName=action["ScheduledActionName"]
        )
