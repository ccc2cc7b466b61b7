"""Automatic scaling that acts by itself: it tracks a load, or keeps to a schedule.

It belongs to one group of a fleet, the one that shows its settings, and moves with them when a
rollout releases another group (docs/contract.md, H7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.memory.parts import SimulatedFleet, SimulatedGroup

__all__ = ["SETTING", "Scaler", "Schedule", "Tracking"]

SETTING = "autoscaling"
"""The name of a group's setting that says that, and how, it is scaled."""


class Scaler(Protocol):
    """Decides on the size of a group."""

    @property
    def every(self) -> float:
        """After how many seconds it looks again."""
        ...

    def size(self, fleet: SimulatedFleet, group: SimulatedGroup, at: float) -> int:
        """Return the size that the group is to have at a time."""
        ...


@frozen
class Tracking:
    """Keeps the load of each READY server near a target, by making its group larger or smaller.

    The new size is the old one times load over target, rounded up: a fleet of two groups is scaled
    in proportion. It scales in only when that leaves each server with less than nine tenths of the
    target. While the group is held it scales out only.

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

    # 4 of 10 READY servers are in this group, load 1,200, target 100: 12 are needed for 10, so the
    # group of 4 is to have 4 * 12 / 10 = 4.8, that is 5.
    def size(self, fleet: SimulatedFleet, group: SimulatedGroup, at: float) -> int:
        """Return the size that the group is to have at a time."""
        size = group.shown.size
        if fleet.ready == 0 or size == 0:
            return size
        wanted = ceil(round(size * self.load(at) / (self.target * fleet.ready), 9))
        if wanted < size and self.load(at) >= 0.9 * self.target * fleet.ready:
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
