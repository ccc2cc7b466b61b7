"""Health checks: how often, how many in a row, and what they find.

"Health checks overview" (https://cloud.google.com/load-balancing/docs/health-check-concepts): a
backend is healthy after `healthyThreshold` successes in a row, unhealthy after
`unhealthyThreshold` failures in a row; new ones begin unhealthy. A thing that was not probed yet
is missing from the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from .calls import Call, answers
from .errors import invalid, required
from .kinds import USUAL, Kind, base, changed, idle, inserted, merged, register
from .lives import Vm
from .store import Resource

if TYPE_CHECKING:
    from .world import World

DEFAULTS = {"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2}


def _users(world: World, check: Resource) -> list[str]:
    using = [s.path for s in world.store.of("backendServices") if check.link in s.data.get("healthChecks", [])]  # fmt: skip
    return using + [g.resource.path for g in world.groups.all.values() if g.healer == check.link]


register(
    Kind("healthChecks", "health_check", ("healthChecks", "regionHealthChecks"), base, _users),
    *USUAL,
)


@answers("healthChecks.insert", "regionHealthChecks.insert")
def insert(world: World, call: Call) -> Any:
    """Make a health check, with Google's defaults."""
    data = DEFAULTS | call.body
    kind = data.get("type")
    if not kind:
        raise required("resource.type")
    _check(data)
    return inserted(world, call, "healthChecks", data)


def _check(data: dict[str, Any]) -> None:
    if data["timeoutSec"] > data["checkIntervalSec"]:
        why = "The timeout must be at most the interval."
        raise invalid("resource.timeoutSec", data["timeoutSec"], why)


@answers("healthChecks.patch", "regionHealthChecks.patch")
def patch(world: World, call: Call) -> Any:
    """Change a health check."""
    check = world.store.get("healthChecks", call.scope, call.target)
    idle(check)
    data = merged(check.data, call.body)
    _check(data)

    def change() -> None:
        check.data = data

    return changed(world, call, check, change)


@define
class Probe:
    """What one health check thinks of one VM.

    Args:
        healthy: as it was at `since`; None for not known yet.
        since: when the VM last changed its answer, or was first looked at.
    """

    healthy: bool | None
    since: float


@define(eq=False)
class Probing:
    """All health checks of all VMs."""

    world: World
    probes: dict[tuple[int, str], Probe] = field(factory=dict)

    def interval(self, check: Resource) -> float:
        """Seconds between two probes here."""
        return float(check.data["checkIntervalSec"]) * self.world.laws.check

    def probed(self, vm: Vm, check: Resource) -> bool:
        """Whether a VM was probed at all: before, load balancers say nothing about it."""
        if vm.running is None:
            return vm.status in {"TERMINATED", "STOPPING"}
        if streak := self.world.bodies.watch(vm, check):
            return streak.last is not None
        return self.world.clock.now() >= vm.running + self.interval(check)

    def state(self, vm: Vm, check: Resource) -> bool | None:
        """Whether a VM is healthy; None until enough probes in a row have said the same."""
        if vm.running is None:
            return False if vm.status in {"TERMINATED", "STOPPING"} else None
        if streak := self.world.bodies.watch(vm, check):
            return streak.healthy
        probe = self.probes.setdefault((vm.id, check.link), Probe(None, vm.running))
        succeeds, since = vm.answering
        now = self.world.clock.now()
        probes = int((now - max(since, probe.since)) / self.interval(check))
        needed = check.data["healthyThreshold" if succeeds else "unhealthyThreshold"]
        return succeeds if probes >= needed else probe.healthy

    def settle(self, vm: Vm) -> None:
        """A VM is about to change its answer: keep what was thought of it till now."""
        now = self.world.clock.now()
        for (owner, link), probe in self.probes.items():
            check = self.check(link) if owner == vm.id else None
            if check is not None:
                probe.healthy, probe.since = self.state(vm, check), now

    def forget(self, vm: Vm) -> None:
        """It is gone."""
        for key in [key for key in self.probes if key[0] == vm.id]:
            del self.probes[key]

    def check(self, link: str) -> Resource | None:
        """The health check of a link, if it is there."""
        return next((c for c in self.world.store.of("healthChecks") if c.link == link), None)
