"""What a trial costs: counted exactly, at every change of the simulated fleet."""

from __future__ import annotations

from attrs import frozen

from immutable.backend import Instance
from immutable.memory import Cloud
from immutable.memory.parts import SimulatedFleet

__all__ = ["Meter", "Point"]

_POINTS = 1500


@frozen
class Point:
    """The fleet at one moment of a trial.

    Attributes:
        at: Seconds since the start.
        stable: READY servers of stable.
        candidate: READY servers of the candidate.
        existing: All servers that exist, in whatever state.
        share: The candidate's share of the traffic, 0 to 1.
    """

    at: float
    stable: int
    candidate: int
    existing: int
    share: float


class Meter:
    """Adds up what a fleet costs, and how low it gets, from change to change.

    Args:
        cloud: Where the fleet is.
        fleet: The fleet.
        candidate: The number of the revision that it goes to.
        keeps: Whether to keep the course, for a picture.

    Attributes:
        rest: The size at rest, above which capacity is extra.
        extra: Instance-seconds above it.
        served: Seconds times the candidate's share of the traffic.
        lowest: The fewest READY servers.
        course: The fleet over time.
    """

    def __init__(
        self, cloud: Cloud, fleet: SimulatedFleet, candidate: int, *, keeps: bool = False
    ) -> None:
        self.rest = sum(group.shown.size for group in fleet.groups.values())
        self.extra = 0.0
        self.served = 0.0
        self.lowest = fleet.ready
        self.course: list[Point] = []
        self._cloud = cloud
        self._fleet = fleet
        self._candidate = candidate
        self._keeps = keeps
        self._began = self._at = cloud.at
        self._existing, self._share = len(fleet.servers), 0.0
        self.tick()
        cloud.watchers.append(self._changed)
        cloud.weighed.append(self._changed)

    def _changed(self, fleet: SimulatedFleet, _: Instance | None = None) -> None:
        if fleet is self._fleet:
            self.tick()

    def tick(self) -> None:
        """Count until now, and take up how things are now."""
        fleet, now = self._fleet, self._cloud.at
        seconds, self._at = now - self._at, now
        self.extra += max(0, self._existing - self.rest) * seconds
        self.served += self._share * seconds
        self._existing, self._share = len(fleet.servers), self._share_now()
        self.lowest = min(self.lowest, fleet.ready)
        if self._keeps:
            self._keep(now - self._began)

    def _share_now(self) -> float:
        fleet = self._fleet
        ready = self._ready()
        if not ready:
            return 0.0
        group = fleet.groups.get(self._candidate)
        if group is not None and group.shown.weight is not None:
            return group.shown.weight / 100
        return ready / fleet.ready

    def _ready(self) -> int:
        zones = self._fleet.serving.get(self._candidate)
        return zones.total() if zones is not None else 0

    def _keep(self, at: float) -> None:
        ready = self._ready()
        point = Point(at, self._fleet.ready - ready, ready, self._existing, self._share)
        if self.course and self.course[-1].at == at:
            self.course.pop()
        self.course.append(point)

    def points(self) -> tuple[Point, ...]:
        """Return the course, of a long one some points only, the last always."""
        every = max(1, len(self.course) // _POINTS)
        return (*self.course[:-1:every], *self.course[-1:])
