"""Health of members: who is found unhealthy, and what is done about it; balance of zones.

"Health checks for instances in an Auto Scaling group"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html) and "Set
the health check grace period for an Auto Scaling group"
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .choosing import lopsided
from .errors import AwsError
from .groups import Group, Member

if TYPE_CHECKING:
    from .world import World

EC2 = "an EC2 health check indicating it has been terminated or stopped"
IMPAIRED = "an EC2 instance status checks failure"
ELB = "an ELB system health check failure"
USER = "a user health-check"


def look(world: World, group: Group) -> None:
    """Mark the unhealthy, replace them, even the zones out: unless that is suspended."""
    for member in [m for m in group.members.values() if m.counts]:
        if group.on("HealthCheck") and ailment(world, group, member):
            member.health = "Unhealthy"
        # "ReplaceUnhealthy is inactive" while Terminate is suspended.
        if member.health == "Unhealthy" and group.on("ReplaceUnhealthy") and group.on("Terminate"):
            _replace(world, group, member)
    _balance(world, group)


def ailment(world: World, group: Group, member: Member) -> str | None:
    """Why a member is unhealthy; None if it is not.

    An instance that is not running any more is unhealthy within the grace period too; failed
    status checks and what the load balancer says count after it, which begins with InService. A
    target group that nobody uses says nothing about health.
    """
    life = world.lives.all[member.id]
    if life.state not in {"pending", "running"}:
        return EC2
    if member.in_service is None:
        return None
    grace = float(group.settings.get("HealthCheckGracePeriod") or 0) * world.laws.scale
    if world.clock.now() < member.in_service + grace:
        return None
    if life.impaired:
        return IMPAIRED
    if "ELB" in group.settings.get("HealthCheckType", "EC2") and _fails(world, group, member):
        return ELB
    return None


def _fails(world: World, group: Group, member: Member) -> bool:
    for arn in group.target_groups:
        pool = world.targets.pool(arn)
        for key, target in pool.targets.items():
            if key[0] == member.id and world.targets.state(pool, target)[0] == "unhealthy":
                return True
    return False


def _replace(world: World, group: Group, member: Member) -> None:
    """Terminate the unhealthy member; what is missing then is launched as ever."""
    why = ailment(world, group, member) or USER
    cause = f"At {world.scaling.stamp()} an instance was taken out of service in response to {why}."
    group.healing = True
    world.scaling.terminate(group, member, cause, force=why == EC2)
    world.scaling.nudge(group)


def _balance(world: World, group: Group) -> None:
    """AZRebalance: first one more in the emptier zone, then one less in the fullest.

    "Auto Scaling launches new instances before attempting to terminate the old ones"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-availability-zone-balanced.html,
    rebalancing activities). Nothing is balanced while anything else is going on.
    """
    steady = all(member.state == "InService" for member in group.members.values())
    if not steady or group.status or len(group.members) != group.desired or group.extra:
        return
    if not (group.on("AZRebalance") and group.on("Launch")):
        return
    zone = lopsided(group.zones, group.live())
    if zone is None or world.clock.now() < group.retry_at:
        return
    cause = f"At {world.scaling.stamp()} an instance was launched to aid in balancing the group's zones."
    try:
        group.extra = world.scaling.launch(group, zone, cause).id
    except AwsError:
        group.retry_at = world.clock.now() + world.laws.retry
