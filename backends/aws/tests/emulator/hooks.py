"""Lifecycle hooks: a member waits until each is completed, abandoned, or out of time.

"How lifecycle hooks work in Auto Scaling groups"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html) and "Amazon
EC2 Auto Scaling lifecycle hooks", result of lifecycle hook actions
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .calls import Call, ours
from .errors import AwsError, invalid
from .groups import Group, Member, Waiting

if TYPE_CHECKING:
    from .world import World

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


def hold(world: World, group: Group, member: Member, transition: str) -> bool:
    """Let a member wait, if there is a hook for this; whether there is."""
    mine = {
        name: hook
        for name, hook in group.hooks.items()
        if hook["LifecycleTransition"] == transition
    }
    if not mine:
        return False
    waiting = Waiting(transition, {})
    for name, hook in mine.items():
        seconds = hook["HeartbeatTimeout"] * world.laws.scale
        waiting.hooks[name] = world.clock.after(seconds, _late, world, group, member, hook)
    member.waiting = waiting
    member.state = "Pending:Wait" if transition == LAUNCHING else "Terminating:Wait"
    if member.activity and member.activity.open:
        member.activity.status = "MidLifecycleAction"
    return True


def drop(member: Member) -> None:
    """No hook holds it any longer."""
    if member.waiting:
        for timer in member.waiting.hooks.values():
            timer.cancel()
        member.waiting = None


def _late(world: World, group: Group, member: Member, hook: dict[str, Any]) -> None:
    """Nobody completed it in time."""
    name, result = hook["LifecycleHookName"], hook["DefaultResult"]
    complete(world, group, member, name, result, "Heartbeat Timeout")


def complete(
    world: World,
    group: Group,
    member: Member,
    name: str,
    result: str,
    why: str = "Lifecycle Action Completed with ABANDON Result",
) -> None:
    """One hook is done; the last one lets the member go on.

    ABANDON on launch terminates the instance, and the group launches another; on termination both
    results go on, ABANDON without the remaining hooks.
    """
    waiting = member.waiting
    if waiting is None or name not in waiting.hooks:
        return
    waiting.hooks.pop(name).cancel()
    waiting.abandoned = waiting.abandoned or result == "ABANDON"
    if waiting.hooks and not waiting.abandoned:
        return
    drop(member)
    if waiting.transition == TERMINATING:
        world.scaling.shut_down(group, member)
    elif waiting.abandoned:
        _abandon(
            world,
            group,
            member,
            f"Lifecycle Action with token {waiting.token} was abandoned: {why}",
        )
    else:
        member.state = "Pending:Proceed"
        world.scaling.serve(group, member)


def _abandon(world: World, group: Group, member: Member, why: str) -> None:
    """In the words of "Tutorial: Use … scripts and instance metadata to retrieve lifecycle state"."""
    if member.activity and member.activity.open:
        said = f"Instance failed to complete user's Lifecycle Action: {why}"
        world.groups.end(member.activity, "Cancelled", said)
    stamp = world.scaling.stamp()
    cause = f"At {stamp} an instance was taken out of service in response to a lifecycle action that was abandoned."
    world.scaling.terminate(group, member, cause)
    world.scaling.nudge(group)


def _held(world: World, call: Call) -> tuple[Group, Member]:
    """The member that the call is about, by token or by id."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    token, wanted = call.get("LifecycleActionToken"), call.get("InstanceId")
    for member in group.members.values():
        held = member.waiting
        if held is None or call.params["LifecycleHookName"] not in held.hooks:
            continue
        if wanted == member.id or token == held.token:
            return group, member
    which = f"token {token}" if token else f"instance ID {wanted}"
    raise invalid(f"No active Lifecycle Action found with {which}")


@ours("autoscaling", "CompleteLifecycleAction")
def complete_lifecycle_action(world: World, call: Call) -> dict[str, Any]:
    """CONTINUE or ABANDON."""
    result = call.params["LifecycleActionResult"]
    if result not in {"CONTINUE", "ABANDON"}:
        raise invalid(f"Invalid value '{result}' for LifecycleActionResult: CONTINUE or ABANDON")
    group, member = _held(world, call)
    complete(world, group, member, call.params["LifecycleHookName"], result)
    return {}


@ours("autoscaling", "RecordLifecycleActionHeartbeat")
def record_heartbeat(world: World, call: Call) -> dict[str, Any]:
    """The time begins again."""
    group, member = _held(world, call)
    name = call.params["LifecycleHookName"]
    hook, waiting = group.hooks[name], member.waiting
    assert waiting is not None
    waiting.hooks[name].cancel()
    seconds = hook["HeartbeatTimeout"] * world.laws.scale
    waiting.hooks[name] = world.clock.after(seconds, _late, world, group, member, hook)
    return {}


def put(group: Group, given: dict[str, Any]) -> None:
    """Store a hook, with its defaults: an hour, ABANDON; keeps what an update leaves out.

    PutLifecycleHook (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html).
    """
    name = given["LifecycleHookName"]
    known = group.hooks.get(name, {"HeartbeatTimeout": 3600, "DefaultResult": "ABANDON"})
    hook = known | {k: v for k, v in given.items() if k != "AutoScalingGroupName"}
    if hook.get("LifecycleTransition") not in {LAUNCHING, TERMINATING}:
        raise invalid("LifecycleTransition is required for new lifecycle hooks")
    if not 30 <= hook["HeartbeatTimeout"] <= 7200:
        raise invalid("HeartbeatTimeout must be between 30 and 7200 seconds")
    hook["GlobalTimeout"] = min(172800, 100 * hook["HeartbeatTimeout"])
    group.hooks[name] = hook


@ours("autoscaling", "PutLifecycleHook")
def put_lifecycle_hook(world: World, call: Call) -> dict[str, Any]:
    """At most 50 a group ("Quotas for Amazon EC2 Auto Scaling")."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    if len(group.hooks) >= 50 and call.params["LifecycleHookName"] not in group.hooks:
        raise AwsError("LimitExceeded", "You may only have up to 50 lifecycle hooks per group.")
    put(group, call.params)
    return {}


@ours("autoscaling", "DescribeLifecycleHooks")
def describe_lifecycle_hooks(world: World, call: Call) -> dict[str, Any]:
    """All of a group, or those that are named."""
    group = world.groups.find(call.params["AutoScalingGroupName"])
    wanted = call.get("LifecycleHookNames") or list(group.hooks)
    told = [
        {**group.hooks[n], "AutoScalingGroupName": group.name} for n in wanted if n in group.hooks
    ]
    return {"LifecycleHooks": told}


@ours("autoscaling", "DeleteLifecycleHook")
def delete_lifecycle_hook(world: World, call: Call) -> dict[str, Any]:
    """Outstanding actions are completed: ABANDON on launch, CONTINUE on termination.

    DeleteLifecycleHook (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLifecycleHook.html).
    """
    group = world.groups.find(call.params["AutoScalingGroupName"])
    name = call.params["LifecycleHookName"]
    hook = group.hooks.pop(name, None)
    if hook is None:
        raise invalid(f"No Lifecycle Hook found with name {name}")
    result = "ABANDON" if hook["LifecycleTransition"] == LAUNCHING else "CONTINUE"
    for member in list(group.members.values()):
        complete(world, group, member, name, result)
    return {}
