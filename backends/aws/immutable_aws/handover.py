"""From one group to another: a fleet's scaling policies and scheduled actions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve

from immutable.backend import Context, Transient
from immutable_aws.calls import Answer
from immutable_aws.hands import Hands
from immutable_aws.marks import saved_tags
from immutable_aws.moving import moved, names_of
from immutable_aws.reading import Described
from immutable_aws.scaling import handed_over, off, policy_request, saved_now, schedule_request

__all__ = ["hand_over", "put_policy", "repointed"]


async def hand_over(hands: Hands, other: Described, revision: int, ctx: Context) -> bool:
    """Bring another group's policies and scheduled actions to this one, switched off.

    Returns:
        Whether there were any.
    """
    fleet = other.marks.fleet
    scaling = await hands.eyes.scalings.read(other)
    if not scaling.policies and not scaling.schedules:
        return False
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
        taken = moved(policy, names_of(other), names_of(group))
        arn = await put_policy(hands, group, off(taken))
        await _point_alarms(hands, policy, other, group, arn)
    for action in scaling.schedules:
        group = await hands.owned(fleet, revision, ctx)
        request = schedule_request(action, group.name, hands.calls.now())
        await hands.change(
            "autoscaling", "PutScheduledUpdateGroupAction", fleet, about=group.name, **request
        )
    await _check_attached(hands, group, scaling.policies, scaling.schedules)
    await _take_off(hands, other, ctx, scaling.policies, scaling.schedules)
    hands.eyes.scalings.forget()
    return True


async def _note_policies(
    hands: Hands, group: Described, wanted: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write down how policies were, before they arrive switched off."""
    saved = group.marks.saved or saved_now(group.group, ())
    missing = {name: was for name, was in wanted.items() if name not in saved.policies}
    if missing:
        await hands.tag(group, saved_tags(evolve(saved, policies={**saved.policies, **missing})))


async def put_policy(hands: Hands, group: Described, policy: Mapping[str, Any]) -> str:
    """Give a group a policy, or change the one of its name; returns its ARN."""
    request = policy_request(policy, group.name)
    answer = await hands.change(
        "autoscaling", "PutScalingPolicy", group.marks.fleet, about=group.name, **request
    )
    return str(answer.get("PolicyARN", ""))


async def _point_alarms(
    hands: Hands, policy: Mapping[str, Any], other: Described, group: Described, arn: str
) -> None:
    """Let the alarms of another group's step or simple policy start the same policy of this one.

    Target tracking and predictive policies make their own.
    """
    kind = policy.get("PolicyType")
    names = [alarm["AlarmName"] for alarm in policy.get("Alarms", ())]
    if kind in ("TargetTrackingScaling", "PredictiveScaling") or not names or not arn:
        return
    alarms = await hands.calls.pages(
        "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNames=names
    )
    shape = await hands.calls.shape("cloudwatch", "PutMetricAlarmInput")
    for alarm in alarms:
        request = repointed(alarm, shape.members, str(policy["PolicyARN"]), arn)
        request = moved(request, names_of(other), names_of(group))
        await hands.change(
            "cloudwatch", "PutMetricAlarm", group.marks.fleet, about=alarm["AlarmName"], **request
        )


def repointed(alarm: Mapping[str, Any], takes: Collection[str], old: str, new: str) -> Any:
    """Return the request that lets an alarm start another policy, and is otherwise as it was.

    Args:
        alarm: Its description.
        takes: What the request may have: it replaces the whole alarm, so all of it has to be said.
        old: The ARN of the policy that it starts.
        new: That of the one that it is to start.
    """
    request = {name: each for name, each in alarm.items() if name in takes and each is not None}
    for name in ("OKActions", "AlarmActions", "InsufficientDataActions"):
        if name in request:
            request[name] = [new if each == old else each for each in request[name]]
    return request


async def _check_attached(
    hands: Hands, group: Described, policies: Sequence[Answer], schedules: Sequence[Answer]
) -> None:
    """Make sure that everything has arrived before it is taken off where it was."""
    found = await hands.eyes.scalings.read(group)
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
