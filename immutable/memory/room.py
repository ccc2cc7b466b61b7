"""Where a simulated cloud has room: its own capacity, and the quotas that it grants an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import define, field, frozen

from immutable.backend import BackendError, CapacityShortage, QuotaExceeded

__all__ = ["NoRoom", "Quota", "Room"]

_ENDLESS = 1 << 60


@define
class Quota:
    """How many servers an account may have; those that are leaving count.

    Attributes:
        total: In all zones and fleets together; None for no bound.
        zones: By zone; no bound for those that aren't named.
    """

    total: int | None = None
    zones: dict[str, int] = field(factory=dict)


@frozen
class NoRoom:
    """Why a server could not be launched.

    Attributes:
        message: In words.
        zone: The zone that is full; None when it is the whole account.
        quota: Whether the account's limit is the reason, rather than the cloud's.
    """

    message: str
    zone: str | None
    quota: bool

    def error(self) -> BackendError:
        """Return the error of a call that meets it."""
        if self.quota:
            return QuotaExceeded(self.message)
        return CapacityShortage(self.message, zone=self.zone)


@define(eq=False)
class Room:
    """What is full, and what has room.

    Attributes:
        zones: The cloud's zones.
        capacity: How many servers a zone holds; no bound for those that aren't named.
        quota: How many the account may have.
        used: How many servers there are, by zone.
    """

    zones: tuple[str, ...]
    capacity: dict[str, int] = field(factory=dict)
    quota: Quota = field(factory=Quota)
    used: Counter[str] = field(factory=Counter)

    def zone(self, members: Counter[str]) -> str | NoRoom:
        """Return the zone for the next server of a group, or why there is none.

        Among the zones with room it is the one where the group has fewest.

        Args:
            members: The group's members by zone.
        """
        if self.quota.total is not None and self.used.total() >= self.quota.total:
            return NoRoom(f"the quota of {self.quota.total} servers is used up", None, quota=True)
        zones: Sequence[str] = self.zones
        if self.capacity or self.quota.zones:
            zones = [zone for zone in zones if self.used[zone] < self._bound(zone)]
        if zones:
            return min(zones, key=members.__getitem__)
        return self._full(min(self.zones, key=members.__getitem__))

    def within(self, zone: str) -> str | NoRoom:
        """Return *zone*, where the volumes of a slot are, or why there is no room in it."""
        if self.quota.total is not None and self.used.total() >= self.quota.total:
            return NoRoom(f"the quota of {self.quota.total} servers is used up", None, quota=True)
        return zone if self.used[zone] < self._bound(zone) else self._full(zone)

    def _full(self, zone: str) -> NoRoom:
        if self.used[zone] >= self.capacity.get(zone, _ENDLESS):
            return NoRoom(f"no room in zone {zone}", zone, quota=False)
        granted = self.quota.zones[zone]
        return NoRoom(f"the quota of {granted} servers in zone {zone} is used up", zone, quota=True)

    def most(self, own: Counter[str]) -> int | None:
        """Return how many servers a fleet could have beside all others; None for no bound.

        Args:
            own: Its servers by zone, which are no others.
        """
        others = self.used - own
        bounds = [self._bound(zone) - others[zone] for zone in self.zones]
        most = sum(max(0, bound) for bound in bounds)
        if self.quota.total is not None:
            most = min(most, self.quota.total - others.total())
        return max(0, most) if most < _ENDLESS // 2 else None

    def _bound(self, zone: str) -> int:
        return min(self.capacity.get(zone, _ENDLESS), self.quota.zones.get(zone, _ENDLESS))
