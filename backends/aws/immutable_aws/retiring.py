"""Ending members by name: the group drains them, then ends them, and does not replace them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from immutable.backend import Context, Gone, Retiring, Throttled
from immutable.toolkit.drains import Drains
from immutable.toolkit.requests import part_by_part, parts_of, together
from immutable_aws.calls import Calls
from immutable_aws.hands import Hands
from immutable_aws.reading import STANDBY, Described, is_leaving, size_of
from immutable_aws.sizing import resume_paused

__all__ = ["drain_delay", "retire"]

AT_ONCE = 100
"""TerminateInstanceInAutoScalingGroup: "You can specify up to 100 instances"."""
_MINUTE = 60.0
_DRAINING = ("draining", "unhealthy.draining")


async def retire(
    hands: Hands,
    drains: Drains,
    fleet: str,
    revision: int,
    ids: tuple[str, ...],
    drain_timeout: float,
    ctx: Context,
) -> Retiring:
    """Begin or advance the end of members; see the contract, section 9.

    ``TerminateInstanceInAutoScalingGroup`` lowers the size at once, takes the members out of the
    target groups, waits until nothing is in flight or the deregistration delay is over, runs the
    termination hooks, and ends them. A crash leaves nothing to be done. Only a delay that is longer
    than *drain_timeout* has to be cut short by a later call.
    """
    group = await hands.owned(fleet, revision, ctx)
    if group.marks.paused:
        await resume_paused(hands, group)
        group = await hands.owned(fleet, revision, ctx)
    wanted = set(ids)
    new = [
        each["InstanceId"]
        for each in group.members
        if each["InstanceId"] in wanted and not is_leaving(each)
    ]
    if new:
        await _begin(hands, group, new, ctx)
    size = size_of(group) - len(new)
    again = await _advance(hands, drains, group, wanted, drain_timeout, ctx)
    return Retiring(size, again)


async def _begin(hands: Hands, group: Described, new: Sequence[str], ctx: Context) -> None:
    """Send members off, in parts of at most a hundred; their place goes with them."""
    fleet, revision = group.marks.fleet, group.marks.revision
    aside = {m["InstanceId"] for m in group.members if m["LifecycleState"] == STANDBY}
    counted = [name for name in new if name not in aside]
    desired = int(group.group["DesiredCapacity"]) - len(counted)
    if desired < int(group.group["MinSize"]):
        await hands.scale("UpdateAutoScalingGroup", group, MinSize=max(0, desired))

    async def send(part: Sequence[str]) -> None:
        if part is not parts[0] or desired < int(group.group["MinSize"]):
            await hands.owned(fleet, revision, ctx)
        await hands.scale(
            "TerminateInstanceInAutoScalingGroup",
            group,
            InstanceIds=part,
            ShouldDecrementDesiredCapacity=part[0] not in aside,
        )

    put_aside = [name for name in new if name in aside]
    parts = [*parts_of(counted, AT_ONCE), *parts_of(put_aside, AT_ONCE)]
    await part_by_part(parts, send, f"members of {group.name}")


async def _advance(
    hands: Hands,
    drains: Drains,
    group: Described,
    wanted: set[str],
    drain_timeout: float,
    ctx: Context,
) -> float | None:
    """Cut drains short that last longer than they may; returns when to look again, if so."""
    now = asyncio.get_running_loop().time()
    there = {each["InstanceId"] for each in group.members}
    drains.keep(group.arn, there)
    leaving = sorted(there & wanted)
    if not leaving or await _delay(hands, group) <= drain_timeout:
        return None
    drains.begin(group.arn, leaving, now)
    due, again = drains.due(group.arn, leaving, drain_timeout, now)
    if due:
        await _end(hands, group, due, ctx)
    return again


async def _end(hands: Hands, group: Described, due: Sequence[str], ctx: Context) -> None:
    """End those that are still draining; who is past it, or in a hook, is left alone."""
    answers = await together(
        *(
            hands.calls.ask(
                "elbv2",
                "DescribeTargetHealth",
                about=arn,
                TargetGroupArn=arn,
                Targets=[{"Id": name} for name in due],
            )
            for arn in group.target_groups
        )
    )
    still = {
        each["Target"]["Id"]
        for answer in answers
        for each in answer.get("TargetHealthDescriptions", ())
        if each["TargetHealth"]["State"] in _DRAINING
    }
    if not still:
        return
    owned = await hands.owned(group.marks.fleet, group.marks.revision, ctx)
    leaving = {m["InstanceId"] for m in owned.members if is_leaving(m)}
    ids = sorted(still & leaving)
    if ids:
        hands.eyes.cut.update(ids)
        try:
            await hands.change(
                "ec2", "TerminateInstances", group.marks.fleet, about=group.name, InstanceIds=ids
            )
        except (Gone, Throttled):
            return  # One of them is gone meanwhile, or it is too early: the next call sees to it.


async def drain_delay(calls: Calls, arn: str) -> float:
    """Return a target group's deregistration delay, in seconds."""
    answer = await calls.ask(
        "elbv2", "DescribeTargetGroupAttributes", about=arn, TargetGroupArn=arn
    )
    values = {each["Key"]: each["Value"] for each in answer["Attributes"]}
    return float(values.get("deregistration_delay.timeout_seconds", 300))


async def _delay(hands: Hands, group: Described) -> float:
    """Return the longest deregistration delay of a group's target groups, in seconds."""
    delays = await together(*(_delay_of(hands, arn) for arn in group.target_groups))
    return max(delays, default=0.0)


async def _delay_of(hands: Hands, arn: str) -> float:
    now = asyncio.get_running_loop().time()
    read_at, delay = hands.eyes.delays.get(arn, (float("-inf"), 0.0))
    if now - read_at > _MINUTE:
        delay = await drain_delay(hands.calls, arn)
        hands.eyes.delays[arn] = now, delay
    return delay
