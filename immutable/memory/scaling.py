"""Automatic scaling that acts by itself: it tracks a load, or keeps to a schedule.

It belongs to one group of a fleet, the one that shows its settings, and moves with them when a
rollout releases another group (docs/contract.md, H7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from attrs import field, frozen

from immutable.backend import InstanceState
from immutable.errors import InvalidValue
from immutable.memory.parts import SimulatedFleet, SimulatedGroup

__all__ = ["SETTING", "Schedule", "Tracking"]

SETTING = "autoscaling"
"""The name of a group's setting that says that, and how, it is scaled."""


@frozen
class Tracking:
    """Keeps the load of each READY server near a target, by making its group larger or smaller.

    The load needs load / target servers; of two groups, this one's part is its share of the traffic
    where there are weights, else its part of those that are READY. Who is still booting counts
    neither way: a fleet that can't launch is not asked for ever more. It scales in only below nine
    tenths of the target, and not while the group is held.

    Attributes:
        load: The load of the whole fleet at a time of the cloud's clock, in any unit; such as
            requests a second.
        target: How much of it one server is to bear.
        every: After how many seconds it looks again.
    """

    load: Callable[[float], float]
    target: float = field()
    every: float = 60.0

    @target.validator
    def _positive(self, _: object, value: float) -> None:
        if value <= 0:
            raise InvalidValue("target", value, "not above 0")

    # 4 of 10 READY servers are in this group, load 1,200, target 100: 12 are needed, and 4 tenths
    # of that, 4.8, are 5.
    def size(self, fleet: SimulatedFleet, group: SimulatedGroup, at: float) -> int:
        """Return the size that the group is to have at a time."""
        size, load = group.shown.size, self.load(at)
        servers = fleet.servers.values()
        ready = sum(s.group is group and s.seen.state is InstanceState.READY for s in servers)
        if ready == 0:
            return size
        weight = group.shown.weight
        needed = load / self.target * (ready / fleet.ready if weight is None else weight / 100)
        wanted = ceil(round(needed, 9))
        if wanted < size and needed >= 0.9 * ready:
            return size
        return max(1, wanted) if group.shown.hold is None else max(size, wanted)

    def __str__(self) -> str:
        return f"{self.target:g} a server"


@frozen
class Schedule:
    """Sets a size at each of some times, whatever there is then. While held it does nothing.

    A scaler towards a size of its own would refill every member that a rollout retires
    (docs/contract.md, H3).

    Attributes:
        sizes: Pairs of a time of the cloud's clock and the size from then on, in order.
        every: After how many seconds it looks again.
    """

    sizes: Sequence[tuple[float, int]]
    every: float = 60.0

    def size(self, fleet: SimulatedFleet, group: SimulatedGroup, at: float) -> int:
        """Return the size that the group is to have at a time."""
        due = [size for when, size in self.sizes if when <= at]
        return due[-1] if due and group.shown.hold is None else group.shown.size

    def __str__(self) -> str:
        return "by schedule"
