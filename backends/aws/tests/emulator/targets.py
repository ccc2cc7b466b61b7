"""Targets of target groups: registered, checked, healthy or not, draining, gone.

Follows "Health checks for Application Load Balancer target groups"
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html)
and "Edit target group attributes", deregistration delay
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html).
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from tests.emulators.clock import Clock

from . import door
from .errors import AwsError
from .laws import Laws
from .lives import Life, Lives

REASONS = {
    "Elb.InitialHealthChecking": "Initial health checks in progress",
    "Elb.RegistrationInProgress": "Target registration is in progress",
    "Target.Timeout": "Request timed out",
    "Target.FailedHealthChecks": "Health checks failed",
    "Target.ResponseCodeMismatch": "Health checks failed with these codes: [500]",
    "Target.NotRegistered": "Target is not registered to the target group",
    "Target.NotInUse": "Target group is not configured to receive traffic from the load balancer",
    "Target.InvalidState": "Target is in the stopped state",
    "Target.DeregistrationInProgress": "Target deregistration is in progress",
}
ZONE_OFF = "Target is in an Availability Zone that is not enabled for the load balancer"


@define(eq=False)
class Target:
    """One entry of a target group: an instance (or address) and a port."""

    id: str
    port: int
    since: float
    healthy: bool | None = None
    leaves: float | None = None


@define(eq=False)
class Pool:
    """The targets of one target group, and since when a listener uses it."""

    group: Any
    targets: dict[tuple[str, int], Target] = field(factory=dict)
    used: float | None = None
    zones: set[str] = field(factory=set)


@define(eq=False)
class Targets:
    """All target groups' targets."""

    clock: Clock
    laws: Laws
    lives: Lives
    region: str
    pools: dict[str, Pool] = field(factory=dict)

    def pool(self, arn: str) -> Pool:
        """The pool of a target group.

        Raises:
            AwsError: `TargetGroupNotFound`.
        """
        group = door.elbv2(self.region).target_groups.get(arn)
        if group is None:
            self.pools.pop(arn, None)
            said = f"Target groups '{arn}' not found"
            raise AwsError("TargetGroupNotFound", said)
        return self.pools.setdefault(arn, Pool(group))

    def delay(self, pool: Pool) -> float:
        """The deregistration delay, in seconds as they pass here."""
        told = float(pool.group.attributes["deregistration_delay.timeout_seconds"])
        return told * self.laws.scale

    def register(self, arn: str, wanted: list[tuple[str, int | None]]) -> None:
        """Register targets; one that drains is taken back.

        RegisterTargets: an instance must be running
        (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html).
        """
        pool = self.pool(arn)
        if pool.group.target_type == "instance":
            self._runs([instance_id for instance_id, _ in wanted])
        for instance_id, port in wanted:
            key = (instance_id, int(port or pool.group.port))
            known = pool.targets.get(key)
            if known is None or known.leaves is not None:
                pool.targets[key] = Target(*key, since=self.clock.now())

    def _runs(self, ids: list[str]) -> None:
        if unknown := [each for each in ids if each not in self.lives.all]:
            said = f"The following targets are not valid: '{', '.join(unknown)}'"
            raise AwsError("InvalidTarget", said)
        if idle := [each for each in ids if self.lives.all[each].state != "running"]:
            raise AwsError(
                "InvalidTarget",
                "The following targets are not in a running state and cannot be registered: "
                f"'{', '.join(idle)}'",
            )

    def deregister(self, arn: str, ids: list[str], port: int | None = None) -> float:
        """Let targets drain; the seconds that it takes. Who isn't there is no error.

        "The status of a deregistering target is draining … until the deregistration delay
        elapses"; a group that no listener uses has nothing to drain.
        """
        pool = self.pool(arn)
        delay = self.delay(pool) if pool.used is not None else 0.0
        for key in [k for k in pool.targets if k[0] in ids and port in {None, k[1]}]:
            target = pool.targets[key]
            if target.leaves is None:
                target.leaves = self.clock.now() + delay
                self.clock.after(delay, self._drained, pool, key, target)
        return delay

    def _drained(self, pool: Pool, key: tuple[str, int], target: Target) -> None:
        if pool.targets.get(key) is target:
            del pool.targets[key]

    def leave(self, life: Life) -> None:
        """An instance that is terminated is deregistered everywhere."""
        for arn in [a for a, p in self.pools.items() if any(k[0] == life.id for k in p.targets)]:
            if arn in door.elbv2(self.region).target_groups:
                self.deregister(arn, [life.id])

    def refresh(self) -> None:
        """Look again which target groups are used by which load balancers, through any listener.

        `TargetHealth`: "Target.NotInUse - The target group is not used by any load balancer"
        (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html).
        """
        elb = door.elbv2(self.region)
        used: dict[str, dict[str, Any]] = {}
        self.pools = {arn: p for arn, p in self.pools.items() if arn in elb.target_groups}
        for balancer in elb.load_balancers.values():
            for listener in balancer.listeners.values():
                for rule in listener.rules.values():
                    for arn in forwarded(rule.actions):
                        used.setdefault(arn, {})[balancer.arn] = balancer
        for arn, group in elb.target_groups.items():
            pool = self.pool(arn)
            balancers = used.get(arn, {})
            group.load_balancer_arns[:] = list(balancers)
            pool.zones = {s.availability_zone for b in balancers.values() for s in b.subnets}
            if not balancers:
                pool.used = None
            elif pool.used is None:
                pool.used = self.clock.now()

    def settle(self, life: Life) -> None:
        """Bring the health of an instance's targets up to date, before it changes."""
        for pool in self.pools.values():
            for key, target in pool.targets.items():
                if key[0] == life.id:
                    self.state(pool, target)

    def state(self, pool: Pool, target: Target) -> tuple[str, str | None]:
        """State and reason of a target, now."""
        now = self.clock.now()
        if target.leaves is not None:
            return "draining", "Target.DeregistrationInProgress"
        if pool.used is None:
            return "unused", "Target.NotInUse"
        life = self.lives.all.get(target.id)
        if life is None:
            return "unhealthy", "Target.Timeout"
        if life.zone not in pool.zones:
            return "unused", "Target.NotInUse"
        if life.state != "running":
            return "unused", "Target.InvalidState"
        return self._checked(pool, target, life, max(target.since, pool.used), now)

    def _checked(
        self, pool: Pool, target: Target, life: Life, start: float, now: float
    ) -> tuple[str, str | None]:
        """By health checks: one success makes a new target healthy, thresholds count from then on."""
        good, turned = life.answering
        since = max(start, turned)
        if good:
            needed = 1 if target.healthy is None else int(pool.group.healthy_threshold_count)
        else:
            needed = int(pool.group.unhealthy_threshold_count)
        if target.healthy is not good and now >= since + needed * self.laws.check:
            target.healthy = good
        if target.healthy is None:
            return "initial", "Elb.InitialHealthChecking"
        return ("healthy", None) if target.healthy else ("unhealthy", life.reason)

    def serving(self, instance_id: str) -> list[str]:
        """Names of the target groups in which an instance is registered and not draining."""
        return sorted(
            pool.group.name
            for pool in self.pools.values()
            for key, target in pool.targets.items()
            if key[0] == instance_id and target.leaves is None
        )


def forwarded(actions: list[Any]) -> dict[str, int]:
    """The target groups that a rule's actions forward to, with their weights."""
    table: dict[str, int] = {}
    for action in actions:
        data = getattr(action, "data", action)
        if data.get("Type") != "forward":
            continue
        for each in data.get("ForwardConfig", {}).get("TargetGroups", []):
            table[each["TargetGroupArn"]] = int(each.get("Weight", 1))
        if data.get("TargetGroupArn") and data["TargetGroupArn"] not in table:
            table[data["TargetGroupArn"]] = 1
    return table
