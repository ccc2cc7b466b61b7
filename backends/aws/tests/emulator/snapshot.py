"""Everything that a rollout could leave behind, as plain values: taken before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import door
from .asg_groups import told
from .asg_policies import told as policy_told
from .targets import forwarded

if TYPE_CHECKING:
    from .world import World


def snapshot(world: World) -> dict[str, Any]:
    """Groups with settings, policies, schedules, hooks, notifications; templates; pools; weights; alarms.

    Members are told by state, image and zone, without ids and times, so that two snapshots of a
    fleet that was replaced and brought back are equal.
    """
    return {
        "groups": {name: _group(world, group) for name, group in sorted(world.groups.all.items())},
        "templates": {
            template.name: {
                "default": template.default_version_number,
                "versions": [_plain(version.data) for version in template.versions],
                "tags": {tag["key"]: tag["value"] for tag in template.get_tags()},
            }
            for template in door.ec2(world.region).launch_templates.values()
        },
        "target_groups": {p.group.name: _pool(world, p) for p in world.targets.pools.values()},
        "listeners": _listeners(world),
        "alarms": {name: _plain(alarm) for name, alarm in sorted(world.alarms.all.items())},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _group(world: World, group: Any) -> dict[str, Any]:
    said = told(world, group)
    members = said.pop("Instances")
    said.pop("CreatedTime")
    said["SuspendedProcesses"] = sorted(group.suspended)
    said["Members"] = sorted(
        f"{m['LifecycleState']} {m['ImageId']} {m['AvailabilityZone']} {m['ProtectedFromScaleIn']}"
        for m in members
    )
    extra = {"policies": {name: policy_told(world, each) for name, each in group.policies.items()}}
    extra |= {"schedules": group.schedules, "hooks": group.hooks}
    extra |= {"notifications": group.notifications}
    return dict(_plain(said | extra))


def _pool(world: World, pool: Any) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for target in pool.targets.values():
        state, _ = world.targets.state(pool, target)
        counts[state] = counts.get(state, 0) + 1
    elb = door.elbv2(world.region)
    tags = elb.tagging_service.get_tag_dict_for_resource(pool.group.arn)
    return {"attributes": _plain(pool.group.attributes), "targets": counts, "tags": _plain(tags)}


def _listeners(world: World) -> dict[str, Any]:
    elb, seen = door.elbv2(world.region), {}
    for balancer in elb.load_balancers.values():
        for listener in balancer.listeners.values():
            for rule in listener.rules.values():
                weights = {
                    elb.target_groups[arn].name if arn in elb.target_groups else arn: weight
                    for arn, weight in forwarded(rule.actions).items()
                }
                seen[f"{balancer.name}:{listener.port}/{rule.priority}"] = weights
    return seen
