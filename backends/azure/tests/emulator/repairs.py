"""Automatic repairs: unhealthy members are replaced, some at a time, after their grace period.

"Automatic instance repairs"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-automatic-instance-repairs):
at most 5 % at a time and at least one; protected members are left alone; `Replace` deletes the member
and makes another one, whose id is new.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .choosing import protected
from .errors import NotEmulated
from .machines import Machine, health, watcher
from .pools import KIND, POOL
from .sets import ScaleSet

if TYPE_CHECKING:
    from .world import World


class Repairs:
    """Looks at sets that have a policy."""

    def __init__(self, world: World) -> None:
        self.world = world

    def look(self) -> None:
        """Repair what has to be, in all sets; again after the patrol."""
        for group in list(self.world.sets.values()):
            if group.repairs == "Running" and not group.deleting:
                self._repair(group)
        self.world.clock.after(self.world.laws.patrol, self.look)

    def _repair(self, group: ScaleSet) -> None:
        members = group.live()
        busy = [m for m in group.members.values() if m.leaves or m.provisioning != "Succeeded"]
        room = max(1, len(members) * 5 // 100) - len(busy)
        for member in [m for m in members if self._sick(group, m)][: max(0, room)]:
            action = str(group.properties["automaticRepairsPolicy"].get("repairAction", "Replace"))
            if action.lower() == "replace":
                self.world.removal.remove(member, lambda _: self._refill(group))
            elif action.lower() in {"reimage", "restart"}:
                self.world.lives.restart(member, lambda _: None)
            else:
                raise NotEmulated(f"the repair action {action}")

    def _refill(self, group: ScaleSet) -> None:
        """Replace who was removed: not in the middle of an operation on the set, but after it."""
        if group.deleting:
            return
        if self.world.operations.on(group.id):
            self.world.clock.after(self.world.laws.patrol, self._refill, group)
        else:
            self.world.scaling.fit(group)

    def _sick(self, group: ScaleSet, member: Machine) -> bool:
        """Unhealthy or unknown after the grace period, and not protected."""
        if member.provisioning != "Succeeded" or protected(member) or member.ran_at is None:
            return False
        told = group.properties["automaticRepairsPolicy"].get("gracePeriod", "PT10M")
        grace = minutes(told) * 60 * self.world.laws.scale
        if self.world.clock.now() < member.ran_at + grace:
            return False
        if watcher(member) is not None:
            state = health(member, self.world.clock.now(), self.world.laws.scale)
            return state in {"unhealthy", "unknown"}
        return self._probed(member) and not member.answering

    def _probed(self, member: Machine) -> bool:
        """Whether a probe of a load balancer looks at it."""
        for _, pools in self.world.network.ports(member):
            for pool in pools:
                balancer = self.world.store.find(pool.rsplit(f"/{POOL}/", 1)[0])
                if (
                    balancer is not None
                    and balancer.kind == KIND
                    and balancer.properties.get("probes")
                ):
                    return True
        return False


def minutes(duration: str) -> float:
    """Of an ISO 8601 duration of hours, minutes and seconds: `PT1H30M` is 90."""
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", duration)
    if not found:
        raise NotEmulated(f"the duration {duration!r}")
    hours, some, seconds = (float(each or 0) for each in found.groups())
    return hours * 60 + some + seconds / 60
