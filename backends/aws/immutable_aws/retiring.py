"""Ending members by name: the group drains them, then ends them, and does not replace them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from attrs import define, field

from immutable.backend import BackendError, Context, Gone, Retiring, Throttled, Transient
from immutable_aws.calls import Calls, together
from immutable_aws.hands import Hands
from immutable_aws.reading import STANDBY, Described, is_leaving, size_of
from immutable_aws.sizing import resume_paused

__all__ = ["Drains", "drain_delay", "retire"]

AT_ONCE = 100
"""TerminateInstanceInAutoScalingGroup: "You can specify up to 100 instances"."""
_DRAINING = ("draining", "unhealthy.draining")
_LONGEST = 15.0


@define
class Drains:
    """Since when members drain, as far as this process knows; after a restart it counts anew."""

    since: dict[str, float] = field(factory=dict)
    delays: dict[str, tuple[float, float]] = field(factory=dict)


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
    parts = [
        (part, decrement)
        for names, decrement in ((counted, True), ([n for n in new if n in aside], False))
        for part in _parts(names)
    ]
    begun = 0
    for part, decrement in parts:
        try:
            if begun or desired < int(group.group["MinSize"]):
                await hands.owned(fleet, revision, ctx)
            await hands.scale(
                "TerminateInstanceInAutoScalingGroup",
                group,
                InstanceIds=part,
                ShouldDecrementDesiredCapacity=decrement,
            )
        except BackendError as error:
            if not begun or isinstance(error, Transient):
                raise
            raise Transient(f"{begun} of {len(new)} members of {group.name}: {error}") from error
        begun += len(part)


def _parts(names: Sequence[str]) -> list[list[str]]:
    return [list(names[start : start + AT_ONCE]) for start in range(0, len(names), AT_ONCE)]


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
    for name in [name for name in drains.since if name not in there]:
        del drains.since[name]  # Gone, or of another group: those count from their next call.
    leaving = [name for name in there if name in wanted]
    if not leaving or await _delay(hands, drains, group) <= drain_timeout:
        return None
    for name in leaving:
        drains.since.setdefault(name, now)
    due = [name for name in leaving if now - drains.since[name] >= drain_timeout]
    rest = [drains.since[name] + drain_timeout - now for name in leaving if name not in due]
    if due:
        await _end(hands, group, due, ctx)
    if not rest:
        return _LONGEST if due else None
    return max(0.0, min(*rest, _LONGEST))


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


async def _delay(hands: Hands, drains: Drains, group: Described) -> float:
    """Return the longest deregistration delay of a group's target groups, in seconds."""
    delays = await together(*(_delay_of(hands, drains, arn) for arn in group.target_groups))
    return max(delays, default=0.0)


async def _delay_of(hands: Hands, drains: Drains, arn: str) -> float:
    now = asyncio.get_running_loop().time()
    read_at, delay = drains.delays.get(arn, (float("-inf"), 0.0))
    if now - read_at > 60:
        delay = await drain_delay(hands.calls, arn)
        drains.delays[arn] = now, delay
    return delay
