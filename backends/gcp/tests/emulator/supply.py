"""How much there is: a zone's machines, a region's quotas.

"Resource availability errors" and "Allocation quotas"
(https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability,
https://cloud.google.com/compute/resource-usage): a stockout is ZONE_RESOURCE_POOL_EXHAUSTED, a
quota QUOTA_EXCEEDED, both in the operation or in the managed instance's last attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from .errors import OperationFailed
from .places import MACHINES

if TYPE_CHECKING:
    from .world import World


@define(eq=False)
class Supply:
    """What can still be had.

    Args:
        capacity: VMs that a zone can hold in all.
        limits: quotas of the region, by metric.
    """

    world: World
    capacity: dict[str, int] = field(factory=dict)
    limits: dict[str, float] = field(factory=lambda: {"INSTANCES": 2400.0, "CPUS": 4800.0})

    def usage(self, metric: str) -> float:
        """How much of a quota is used: a VM counts until it is gone."""
        machines = [vm.machine for vm in self.world.lives.all.values()]
        return float(len(machines) if metric == "INSTANCES" else sum(MACHINES[m][0] for m in machines))  # fmt: skip

    def region_quotas(self) -> list[dict[str, Any]]:
        """As `regions.get` tells them."""
        return [
            {"metric": metric, "limit": limit, "usage": self.usage(metric)}
            for metric, limit in self.limits.items()
        ]

    def take(self, zone: str, machine: str) -> None:
        """See that one more VM can be had.

        Raises:
            OperationFailed: it can't.
        """
        more = {"INSTANCES": 1.0, "CPUS": float(MACHINES[machine][0])}
        for metric, limit in self.limits.items():
            if self.usage(metric) + more.get(metric, 0.0) > limit:
                said = f"Quota '{metric}' exceeded.  Limit: {limit} in region {self.world.region}."
                raise OperationFailed("QUOTA_EXCEEDED", said, 403)
        here = sum(1 for vm in self.world.lives.all.values() if vm.zone == zone)
        if here >= self.capacity.get(zone, here + 1):
            path = f"projects/{self.world.store.project}/zones/{zone}"
            said = (
                f"The zone '{path}' does not have enough resources available to fulfill the"
                " request.  Try a different zone, or try again later."
            )
            raise OperationFailed("ZONE_RESOURCE_POOL_EXHAUSTED", said, 503)

    def fits(self, zone: str) -> bool:
        """Whether a zone has room, as targetShape BALANCED and ANY look at it."""
        here = sum(1 for vm in self.world.lives.all.values() if vm.zone == zone)
        return here < self.capacity.get(zone, here + 1)
