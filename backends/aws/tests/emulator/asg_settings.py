"""What is set on a group beside its size: suspended processes, metrics, schedules, warm pools."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import door
from .calls import Call, ours
from .errors import invalid
from .groups import PROCESSES, Group
from .paging import page

if TYPE_CHECKING:
    from .world import World

METRICS = (
    "GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity", "GroupInServiceInstances",
    "GroupPendingInstances", "GroupStandbyInstances", "GroupTerminatingInstances",
    "GroupTotalInstances", "GroupInServiceCapacity", "GroupPendingCapacity",
    "GroupStandbyCapacity", "GroupTerminatingCapacity", "GroupTotalCapacity",
    "WarmPoolDesiredCapacity", "WarmPoolWarmedCapacity", "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity", "WarmPoolTotalCapacity", "GroupAndWarmPoolDesiredCapacity",
    "GroupAndWarmPoolTotalCapacity",
)  # fmt: skip


def _group(world: World, call: Call) -> Group:
    return world.groups.find(call.params["AutoScalingGroupName"])


@ours("autoscaling", "SuspendProcesses", "ResumeProcesses")
def suspend_or_resume(world: World, call: Call) -> dict[str, Any]:
    """These processes, or all of them.

    "Suspend and resume Amazon EC2 Auto Scaling processes"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html).
    """
    group, named = _group(world, call), call.get("ScalingProcesses") or list(PROCESSES)
    if unknown := [name for name in named if name not in PROCESSES]:
        raise invalid(f"{unknown[0]} is not a valid process type")
    for name in named:
        if call.action == "SuspendProcesses":
            when = world.clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")
            group.suspended.setdefault(name, f"User suspended at {when}")
        else:
            group.suspended.pop(name, None)
    world.scaling.nudge(group)
    return {}


@ours("autoscaling", "EnableMetricsCollection", "DisableMetricsCollection")
def metrics(world: World, call: Call) -> dict[str, Any]:
    """These group metrics, or all (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnableMetricsCollection.html)."""
    group, named = _group(world, call), set(call.get("Metrics") or METRICS)
    if unknown := named - set(METRICS):
        raise invalid(f"{min(unknown)} is not a valid metric type")
    if call.action == "EnableMetricsCollection":
        if call.params["Granularity"] != "1Minute":
            raise invalid("The only valid granularity is 1Minute")
        group.metrics |= named
    else:
        group.metrics -= named
    return {}


@ours("autoscaling", "PutScheduledUpdateGroupAction")
def put_schedule(world: World, call: Call) -> dict[str, Any]:
    """Stored; one that has a StartTime happens then, once; recurrences never happen here.

    PutScheduledUpdateGroupAction (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScheduledUpdateGroupAction.html).
    """
    group, name = _group(world, call), call.params["ScheduledActionName"]
    if not {"MinSize", "MaxSize", "DesiredCapacity"} & set(call.params):
        raise invalid("At least one of MinSize, MaxSize and DesiredCapacity is required")
    start: datetime | None = call.get("StartTime")
    if start is not None and start.timestamp() < world.clock.now():
        raise invalid("Given start time is in the past")
    arn = f"arn:aws:autoscaling:{world.region}:{door.ACCOUNT}:scheduledUpdateGroupAction:{name}:autoScalingGroupName/{group.name}"  # fmt: skip
    group.schedules[name] = {**call.params, "ScheduledActionARN": arn}
    if start is not None:
        world.clock.after(
            start.timestamp() - world.clock.now(), _happens, world, group, name, start
        )
    return {}


def _happens(world: World, group: Group, name: str, start: datetime) -> None:
    schedule = group.schedules.get(name)
    if schedule is None or schedule.get("StartTime") != start or not group.on("ScheduledActions"):
        return
    group.low = schedule.get("MinSize", group.low)
    group.high = schedule.get("MaxSize", group.high)
    was = group.desired
    group.desired = min(max(schedule.get("DesiredCapacity", was), group.low), group.high)
    if not schedule.get("Recurrence"):
        del group.schedules[name]
    world.scaling.nudge(
        group,
        f"a scheduled action update of AutoScalingGroup constraints to min: {group.low}, max: "
        f"{group.high}, desired: {group.desired} changing the desired capacity from {was} to "
        f"{group.desired}.",
    )


@ours("autoscaling", "DescribeScheduledActions")
def describe_schedules(world: World, call: Call) -> dict[str, Any]:
    """Of one group, or of all."""
    name, wanted = call.get("AutoScalingGroupName"), call.get("ScheduledActionNames")
    groups = [world.groups.find(name)] if name else list(world.groups.all.values())
    found = [s for g in groups for n, s in g.schedules.items() if not wanted or n in wanted]
    shown, token = page(found, call, most=100, usual=50)
    return {"ScheduledUpdateGroupActions": list(shown)} | token


@ours("autoscaling", "DeleteScheduledAction")
def delete_schedule(world: World, call: Call) -> dict[str, Any]:
    """By name."""
    if _group(world, call).schedules.pop(call.params["ScheduledActionName"], None) is None:
        raise invalid(f"Scheduled action name not found: {call.params['ScheduledActionName']}")
    return {}


@ours("autoscaling", "PutWarmPool")
def put_warm_pool(world: World, call: Call) -> dict[str, Any]:
    """Noted and told, without instances in it (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html)."""
    group = _group(world, call)
    if "MixedInstancesPolicy" in group.settings:
        raise invalid("You can't add a warm pool to a group that has a mixed instances policy.")
    group.warm_pool = {k: v for k, v in call.params.items() if k != "AutoScalingGroupName"}
    group.warm_pool.setdefault("PoolState", "Stopped")
    group.warm_pool.setdefault("MinSize", 0)
    return {}


@ours("autoscaling", "DescribeWarmPool")
def describe_warm_pool(world: World, call: Call) -> dict[str, Any]:
    """Its configuration, where there is one."""
    group = _group(world, call)
    told = {} if group.warm_pool is None else {"WarmPoolConfiguration": group.warm_pool}
    return {**told, "Instances": []}


@ours("autoscaling", "DeleteWarmPool")
def delete_warm_pool(world: World, call: Call) -> dict[str, Any]:
    """Gone."""
    if _group(world, call).warm_pool is None:
        raise invalid("No warm pool found for the group")
    _group(world, call).warm_pool = None
    return {}


@ours("autoscaling", "DescribeInstanceRefreshes")
def describe_refreshes(world: World, call: Call) -> dict[str, Any]:
    """None ever: instance refresh is not modelled."""
    _group(world, call)
    return {"InstanceRefreshes": []}


@ours("autoscaling", "DescribeAccountLimits")
def describe_account_limits(world: World, call: Call) -> dict[str, Any]:
    """The default quotas ("Quotas for Amazon EC2 Auto Scaling",
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html)."""
    return {
        "MaxNumberOfAutoScalingGroups": 500,
        "MaxNumberOfLaunchConfigurations": 200,
        "NumberOfAutoScalingGroups": len(world.groups.all),
        "NumberOfLaunchConfigurations": 0,
    }
