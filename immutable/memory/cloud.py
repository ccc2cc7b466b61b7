"""A simulated cloud: all that a test can set and ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from immutable.backend import (
    Clock,
    FleetState,
    Gone,
    Group,
    Hold,
    InstanceState,
    Reading,
    Volume,
)
from immutable.memory import looking, owning
from immutable.memory.feeding import note_groups
from immutable.memory.inspecting import Alterations
from immutable.memory.laws import Laws
from immutable.memory.machines import Machines
from immutable.memory.parts import (
    Scaler,
    SimulatedFleet,
    SimulatedGroup,
    SimulatedSlot,
    is_live,
)
from immutable.memory.room import NoRoom, Quota
from immutable.memory.scaling import SETTING

__all__ = ["Cloud", "SimulatedFleet", "SimulatedGroup"]

State = InstanceState


class Cloud(Machines):
    """All that a test can set and ask of the simulated cloud.

    Args:
        clock: Whose time the cloud runs by.
        zones: Its failure domains.
        laws: How long things take.
        seed: Equal seeds give equal clouds.

    Attributes:
        zones: Its failure domains.
        images: The artifacts that exist; None for every name.
        calls: How often each method of the backend was called.
        weighed: Called with a fleet after every change of its table of weights.
        kept: The slots of fleets that are deleted, by the fleet's name.
        altered: What others have made of its servers.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        zones: tuple[str, ...] = ("a", "b", "c"),
        laws: Laws | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(clock, zones, laws or Laws(), seed)
        self.zones = zones
        self.images: set[str] | None = None
        self.calls: Counter[str] = Counter()
        self.weighed: list[Callable[[SimulatedFleet], None]] = []
        self.kept: dict[str, dict[str, SimulatedSlot]] = {}
        self.altered = Alterations()

    # -- what a test sets ----------------------------------------------------------------------

    @property
    def capacity(self) -> dict[str, int]:
        """How many servers a zone holds; no bound for zones that aren't named."""
        return self.room.capacity

    @capacity.setter
    def capacity(self, bounds: dict[str, int]) -> None:
        self.room.capacity = bounds

    @property
    def quota(self) -> Quota:
        """How many servers the account may have, in all and by zone."""
        return self.room.quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        self.room.quota = quota

    def autoscale(
        self,
        name: str,
        scaler: Scaler | None,
        *,
        minimum: int = 1,
        maximum: int | None = None,
    ) -> None:
        """Let a fleet's size be set by itself, from now on; None ends that.

        The largest group gets the bounds and shows a setting that says so. A `release` moves it
        to the group that stays, and the scaler goes with it.

        Args:
            name: The fleet.
            scaler: Decides on the size: `Tracking`, `Schedule`, or your own.
            minimum: The least size.
            maximum: The largest.
        """
        self.advance()
        fleet = self.fleet(name)
        fleet.scaler = scaler
        for group in fleet.groups.values():
            rest = {key: text for key, text in group.shown.settings.items() if key != SETTING}
            group.shown = evolve(group.shown, settings=rest)
        if scaler is not None:
            group = max(fleet.groups.values(), key=lambda each: each.shown.size)
            settings = {**group.shown.settings, SETTING: str(scaler)}
            group.shown = evolve(group.shown, settings=settings, minimum=minimum, maximum=maximum)
            self.after(scaler.every, lambda: self._scale(fleet, scaler))
        self._remember(fleet)

    def _scale(self, fleet: SimulatedFleet, scaler: Scaler) -> None:
        if fleet.scaler is not scaler or self.fleets.get(fleet.name) is not fleet:
            return
        for number, group in tuple(fleet.groups.items()):
            if SETTING in group.shown.settings:
                size = max(group.shown.minimum, scaler.size(fleet, group, self.at))
                if group.shown.maximum is not None:
                    size = min(size, group.shown.maximum)
                if size != group.shown.size:
                    self.resize(fleet.name, number, size)
        self.after(scaler.every, lambda: self._scale(fleet, scaler))

    # -- groups --------------------------------------------------------------------------------

    def fleet(self, name: str) -> SimulatedFleet:
        """Return a fleet.

        Raises:
            Gone: There is none of that name.
        """
        try:
            return self.fleets[name]
        except KeyError:
            raise Gone(f"no fleet {name}") from None

    def group(self, name: str, revision: int) -> SimulatedGroup:
        """Return the group of a revision.

        Raises:
            Gone: There is none.
        """
        try:
            return self.fleet(name).groups[revision]
        except KeyError:
            raise Gone(f"fleet {name} has no group of r{revision}") from None

    def add_fleet(
        self, name: str, group: Group, *, size: int = 0, volumes: tuple[Volume, ...] = ()
    ) -> SimulatedFleet:
        """Make a fleet of one group and let it launch *size* servers, with *volumes* or without."""
        self.advance()
        fleet = self.fleets[name] = SimulatedFleet(
            name, last_revision=group.number, volumes=volumes, slots=self.kept.pop(name, {})
        )
        fleet.groups[group.number] = SimulatedGroup(group)
        self.resize(name, group.number, size)
        return fleet

    def settled_fleet(
        self, name: str, group: Group, size: int, volumes: tuple[Volume, ...] = ()
    ) -> None:
        """Make a fleet of *group* whose servers have long been READY."""
        laws, self.laws = self.laws, Laws(boot=lambda _: 0.0)
        pace, self.rates.launches = self.rates.launches, None
        self.add_fleet(name, group, size=size, volumes=volumes)
        self.laws, self.rates.launches = laws, pace
        self.advance()
        self.fleets[name].reset_marks()

    def change(self, name: str, revision: int, **facts: Any) -> None:
        """Change what is shown of a group, as anybody but a rollout would."""
        group = self.group(name, revision)
        group.shown = evolve(group.shown, **facts)
        self._remember(self.fleet(name))

    def resize(self, name: str, revision: int, size: int) -> NoRoom | None:
        """Set a group's size as an autoscaler would: too many go, the oldest first.

        Protected ones don't. While the group is held nothing is scaled in.

        Returns:
            Why there was no room for all, if so.
        """
        self.advance()
        fleet, group = self.fleet(name), self.group(name, revision)
        if group.shown.hold is not None:
            size = max(size, group.shown.size)
        live = [s.seen for s in fleet.servers.values() if s.group is group and is_live(s.seen)]
        may_go = [each.id for each in live if not each.protected]
        victims = may_go[: max(0, len(live) - size)]
        size = max(size, len(live) - len(victims))
        group.shown = evolve(group.shown, size=size)
        for victim in victims:
            self.drain(fleet, victim, drain_timeout=0.0)
        return self.heal(fleet, group)

    def kill(self, name: str, instance: str) -> None:
        """Let a server die at once; its group heals."""
        self._die(self.fleet(name), instance)

    def protect(self, name: str, instance: str, protected: bool = True) -> None:
        """Set or lift the protection of a server."""
        fleet = self.fleet(name)
        server = fleet.servers[instance]
        self._change(fleet, server, evolve(server.seen, protected=protected))

    # -- what is seen --------------------------------------------------------------------------

    def _remember(self, fleet: SimulatedFleet) -> None:
        """Keep how a fleet looks now, if somebody may look at it late; tell those who wait."""
        self.feed.notice(fleet.name)
        if self.faults.stale:
            fleet.history.append(self._whole(fleet))

    def remember(self) -> None:
        """Let stale observers see, later, how things are now."""
        for fleet in self.fleets.values():
            self._remember(fleet)
        self.feed.notice()  # Of deleted ones, too.

    def _groups(self, fleet: SimulatedFleet) -> tuple[Group, ...]:
        return tuple(self._told(fleet.groups[number].shown) for number in sorted(fleet.groups))

    def _told(self, shown: Group) -> Group:
        return owning.told(shown, self.at)

    def _whole(self, fleet: SimulatedFleet) -> FleetState:
        if self.feed.on:
            note_groups(fleet)
        return looking.whole(fleet, self._groups(fleet), self.at)

    def look(self, name: str, since: int | None) -> FleetState:
        """Return what an observer sees of a fleet, only the changes since a cursor if it can.

        With `Faults.stale` it is the fleet as it was at a random time within the staleness, stamped
        as now; so is what changed.
        """
        self.advance()
        fleet, lag = self.fleet(name), self.faults.stale
        if self.feed.on:
            note_groups(fleet)
        if not lag:
            return looking.changes(fleet, self._groups(fleet), self.at, since)
        moment = self.at - self.faults.random.uniform(0, lag)
        return looking.as_it_was(fleet, self._whole(fleet), moment, self.at - lag, since)

    def traffic(self, name: str) -> Reading:
        """Return what went through a fleet."""
        fleet = self.fleet(name)
        self.ask(fleet)
        return fleet.clients.reading()

    def ask(self, fleet: SimulatedFleet) -> None:
        """Let a fleet's clients ask it until now."""
        servers: dict[int, dict[str, int]] = {number: {} for number in fleet.groups}
        if fleet.clients.by_zone:
            servers |= {
                number: {zone: count for zone, count in zones.items() if count}
                for number, zones in fleet.serving.items()
            }
        elif fleet.clients.rate:
            for server in fleet.servers.values():
                if server.seen.state is State.READY:
                    servers.setdefault(server.seen.revision, {})[server.seen.id] = 1
        groups = {number: group.shown for number, group in fleet.groups.items()}
        fleet.clients.ask(
            self.at,
            servers,
            {number: group.weight for number, group in groups.items()},
            {n: self._behaviour(group.revision.image.artifact) for n, group in groups.items()},
            self.random,
        )

    def weigh(self, fleet: SimulatedFleet, weights: Mapping[int, float]) -> None:
        """Set all weights of a fleet at once; until now its clients went by those before."""
        self.ask(fleet)
        for number, group in fleet.groups.items():
            group.shown = evolve(group.shown, weight=float(weights[number]))
        for told in self.weighed:
            told(fleet)

    # -- ownership -----------------------------------------------------------------------------

    def own(self, group: SimulatedGroup, hold: Hold) -> None:
        """Let a rollout hold a group; what it finds changed by an earlier hold stays saved."""
        self.check(group, hold.rollout, hold.fence)
        group.shown = owning.held(group.shown, hold)

    def release(self, fleet: SimulatedFleet, group: SimulatedGroup) -> None:
        """End a group's hold; bounds and settings of the fleet end up on it."""
        for other in fleet.groups.values():
            if other is not group and other.shown.settings:
                group.shown = evolve(group.shown, settings=other.shown.settings)
                other.shown = evolve(other.shown, settings={})
        shown = [each.shown for each in fleet.groups.values()]
        group.shown = owning.released(group.shown, shown)

    def check(self, group: SimulatedGroup, rollout: str, fence: int) -> None:
        """Refuse a call of anybody but the holder of a group.

        Raises:
            Conflict: Another rollout holds it, or a later lease of the same one does.
        """
        owning.check(group.shown, rollout, fence, self.at)
