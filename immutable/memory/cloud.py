"""A simulated cloud: groups that heal themselves, servers that boot, drain and die.

Everything happens by a heap of timed events that is worked off whenever somebody looks, so that a
cloud of 100,000 servers needs no task and no timer.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from random import Random
from typing import Any

from attrs import evolve

from immutable.backend import (
    Clock,
    Conflict,
    FleetState,
    Gone,
    Group,
    Hold,
    Instance,
    InstanceState,
    Reading,
    Trouble,
    TroubleKind,
)
from immutable.memory.faults import Faults
from immutable.memory.laws import Behaviour, Laws
from immutable.memory.parts import SimulatedFleet, SimulatedGroup, SimulatedServer

__all__ = ["Cloud", "SimulatedFleet", "SimulatedGroup"]

_LOG_LENGTH = 20_000
_RETRY = 20.0
_ENDLESS = 1 << 60

State = InstanceState


class Cloud:
    """All that a test can set and ask of the simulated cloud.

    Args:
        clock: Whose time the cloud runs by.
        zones: Its failure domains.
        laws: How long things take.
        seed: Equal seeds give equal clouds.

    Attributes:
        behaviours: How the servers of an image behave, by artifact; ordinary when absent.
        images: The artifacts that exist; None for every name.
        capacity: How many servers a zone holds; no bound for zones that aren't named.
        faults: What goes wrong.
        heals: Whether groups are kept at their size; else the size falls with a member that dies.
        calls: How often each method of the backend was called.
        watchers: Called with fleet and instance after every change of an instance.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        zones: tuple[str, ...] = ("a", "b", "c"),
        laws: Laws | None = None,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.zones = zones
        self.laws = laws or Laws()
        self.random = Random(seed)
        self.faults = Faults(Random(seed + 1))
        self.behaviours: dict[str, Behaviour] = {}
        self.images: set[str] | None = None
        self.capacity: dict[str, int] = {}
        self.fleets: dict[str, SimulatedFleet] = {}
        self.heals = True
        self.calls: Counter[str] = Counter()
        self.watchers: list[Callable[[SimulatedFleet, Instance], None]] = []
        self.at = clock.now()
        self._used: Counter[str] = Counter()
        self._ids = count(1)
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    # -- time ----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        now = self.clock.now()
        while self._events and self._events[0][0] <= now:
            self.at, _, event = heapq.heappop(self._events)
            event()
        self.at = now

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let *event* happen *seconds* from now."""
        heapq.heappush(self._events, (self.at + seconds, next(self._order), event))

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

    def add_fleet(self, name: str, group: Group, *, size: int = 0) -> SimulatedFleet:
        """Make a fleet of one group and let it launch *size* servers."""
        self.advance()
        fleet = self.fleets[name] = SimulatedFleet(name, last_revision=group.number)
        fleet.groups[group.number] = SimulatedGroup(group)
        self.resize(name, group.number, size)
        return fleet

    def settled_fleet(self, name: str, group: Group, size: int) -> None:
        """Make a fleet of *group* whose servers have long been READY."""
        laws, self.laws = self.laws, Laws(boot=lambda _: 0.0)
        self.add_fleet(name, group, size=size)
        self.laws = laws
        self.advance()
        self.fleets[name].reset_marks()

    def change(self, name: str, revision: int, **facts: Any) -> None:
        """Change what is shown of a group, as anybody but a rollout would."""
        group = self.group(name, revision)
        group.shown = evolve(group.shown, **facts)
        self._remember(self.fleet(name))

    def resize(self, name: str, revision: int, size: int) -> str | None:
        """Set a group's size as an autoscaler would: too many go, the oldest first.

        While the group is held nothing is scaled in.

        Returns:
            The zone that had no room for all, if so.
        """
        self.advance()
        fleet, group = self.fleet(name), self.group(name, revision)
        if group.shown.hold is not None:
            size = max(size, group.shown.size)
        group.shown = evolve(group.shown, size=size)
        live = [s.seen.id for s in fleet.servers.values() if s.group is group and _is_live(s.seen)]
        for name_ in live[: max(0, len(live) - size)]:
            self.drain(fleet, name_, drain_timeout=0.0)
        return self.heal(fleet, group)

    def heal(self, fleet: SimulatedFleet, group: SimulatedGroup) -> str | None:
        """Launch what a group is short of; returns the zone without room, if that stopped it."""
        short = None
        while group.live < group.shown.size and short is None:
            short = self._launch(fleet, group)
        group.short = short
        if short is not None:
            self.after(_RETRY, lambda: self._retry(fleet, group))
        if short is not None or group.shown.trouble is not None:
            message = f"no room in zone {short}"
            trouble = Trouble(TroubleKind.SHORTAGE, message, short) if short is not None else None
            group.shown = evolve(group.shown, trouble=trouble)
        self._remember(fleet)
        return short

    def _retry(self, fleet: SimulatedFleet, group: SimulatedGroup) -> None:
        if fleet.groups.get(group.shown.number) is group and group.short is not None:
            self.heal(fleet, group)

    def _launch(self, fleet: SimulatedFleet, group: SimulatedGroup) -> str | None:
        """Launch one server; returns the zone that had no room, if none had."""
        behaviour = self._behaviour(group.shown.revision.image.artifact)
        zones: Sequence[str] = self.zones
        if self.capacity:
            zones = [z for z in zones if self._used[z] < self.capacity.get(z, _ENDLESS)]
        if not zones or not behaviour.launchable:
            return min(self.zones, key=group.zones.__getitem__)
        zone = min(zones, key=group.zones.__getitem__)
        instance = Instance(
            id=f"i-{next(self._ids):06d}",
            revision=group.shown.number,
            state=State.STARTING,
            zone=zone,
            launched_at=self.at,
        )
        fleet.servers[instance.id] = SimulatedServer(instance, group)
        group.live += 1
        group.zones[instance.zone] += 1
        self._used[instance.zone] += 1
        fleet.highest_total = max(fleet.highest_total, len(fleet.servers))
        self._show(fleet, instance)
        self._live_out(fleet, instance.id, behaviour)
        return None

    def _live_out(self, fleet: SimulatedFleet, name: str, behaviour: Behaviour) -> None:
        if behaviour.ready:
            boot = (behaviour.boot or self.laws.boot)(self.random)
            self.after(boot, lambda: self.set_state(fleet, name, State.READY, State.STARTING))
        if behaviour.dies_after is not None:
            self.after(behaviour.dies_after(self.random), lambda: self.kill(fleet.name, name))

    # -- servers -------------------------------------------------------------------------------

    def set_state(
        self, fleet: SimulatedFleet, name: str, state: State, only_from: State | None = None
    ) -> None:
        """Let a server become READY or UNREADY."""
        server = fleet.servers.get(name)
        if server is None or not _is_live(server.seen) or server.seen.state is state:
            return
        if only_from is not None and server.seen.state is not only_from:
            return
        self._change(fleet, server, self._become(server.seen, state))

    def protect(self, name: str, instance: str, protected: bool = True) -> None:
        """Set or lift the protection of a server."""
        fleet = self.fleet(name)
        server = fleet.servers[instance]
        self._change(fleet, server, evolve(server.seen, protected=protected))

    def drain(self, fleet: SimulatedFleet, name: str, *, drain_timeout: float) -> None:
        """Let a server drain, then terminate, then be gone."""
        server = fleet.servers[name]
        self._leave(server)
        self._change(fleet, server, self._become(server.seen, State.DRAINING))
        drained = min(self.laws.drain(self.random), drain_timeout)
        self.after(drained + self.laws.terminate(self.random), lambda: self._bury(fleet, name))

    def kill(self, name: str, instance: str) -> None:
        """Let a server die at once; its group heals."""
        fleet = self.fleet(name)
        server = fleet.servers.get(instance)
        if server is None or server.seen.state is State.DRAINING:
            return
        self._leave(server)
        self._bury(fleet, instance)
        if not self.heals:
            shown = server.group.shown
            server.group.shown = evolve(shown, size=max(0, shown.size - 1))
        self.heal(fleet, server.group)

    def _leave(self, server: SimulatedServer) -> None:
        server.group.live -= 1
        server.group.zones[server.seen.zone] -= 1

    def _bury(self, fleet: SimulatedFleet, name: str) -> None:
        server = fleet.servers.pop(name)
        self._used[server.seen.zone] -= 1
        fleet.ready -= server.seen.state is State.READY
        fleet.lowest_ready = min(fleet.lowest_ready, fleet.ready)
        self._show(fleet, self._become(server.seen, State.GONE))

    def _become(self, old: Instance, state: State) -> Instance:
        # Built by hand: this is half of what the cloud does, and `evolve` takes twice as long.
        return Instance(
            old.id,
            old.revision,
            state,
            old.zone,
            old.launched_at,
            self.at if state is State.READY else None,
            old.address,
            old.protected,
        )

    def _change(self, fleet: SimulatedFleet, server: SimulatedServer, new: Instance) -> None:
        fleet.ready += (new.state is State.READY) - (server.seen.state is State.READY)
        fleet.lowest_ready = min(fleet.lowest_ready, fleet.ready)
        server.seen = new
        self._show(fleet, new)

    # -- what is seen --------------------------------------------------------------------------

    def _show(self, fleet: SimulatedFleet, instance: Instance) -> None:
        fleet.log.append(instance)
        if self.faults.stale:
            self._remember(fleet)
        for watcher in self.watchers:
            watcher(fleet, instance)

    def _remember(self, fleet: SimulatedFleet) -> None:
        if self.faults.stale:
            fleet.history.append(self._whole(fleet))

    def remember(self) -> None:
        """Let stale observers see, later, how things are now."""
        for fleet in self.fleets.values():
            self._remember(fleet)

    def _groups(self, fleet: SimulatedFleet) -> tuple[Group, ...]:
        return tuple(self._told(fleet.groups[number].shown) for number in sorted(fleet.groups))

    def _told(self, shown: Group) -> Group:
        """Return a group as observers see it: a hold that is over binds nobody."""
        hold = shown.hold
        if hold is None or hold.until > self.at:
            return shown
        minimum = min(hold.minimum or 0, shown.size)
        return evolve(shown, hold=None, lapsed=hold, minimum=minimum)

    def _whole(self, fleet: SimulatedFleet) -> FleetState:
        return FleetState(
            fleet=fleet.name,
            at=self.at,
            groups=self._groups(fleet),
            instances=tuple(server.seen for server in fleet.servers.values()),
            last_revision=fleet.last_revision,
            cursor=fleet.dropped + len(fleet.log),
        )

    def look(self, name: str, since: int | None) -> FleetState:
        """Return what an observer sees of a fleet, only the changes since a cursor if it can."""
        self.advance()
        fleet = self.fleet(name)
        if self.faults.stale:
            return self._stale_look(fleet)
        if since is None or not fleet.dropped <= since <= fleet.dropped + len(fleet.log):
            return self._whole(fleet)
        changed = {each.id: each for each in fleet.log[since - fleet.dropped :]}
        if len(fleet.log) > _LOG_LENGTH:
            del fleet.log[: since - fleet.dropped]
            fleet.dropped = since
        return FleetState(
            fleet=fleet.name,
            at=self.at,
            groups=self._groups(fleet),
            instances=tuple(changed.values()),
            last_revision=fleet.last_revision,
            complete=False,
            cursor=fleet.dropped + len(fleet.log),
        )

    def _stale_look(self, fleet: SimulatedFleet) -> FleetState:
        """Return the fleet as it was at a random time within the staleness, stamped as now."""
        moment = self.at - self.faults.random.uniform(0, self.faults.stale)
        past = [state for state in fleet.history if state.at <= moment]
        # What was true all through the staleness is the newest of what is older.
        old = [state for state in fleet.history if state.at <= self.at - self.faults.stale]
        fleet.history = [*old[-1:], *fleet.history[len(old) :]] or [self._whole(fleet)]
        return evolve(past[-1] if past else fleet.history[0], at=self.at)

    def traffic(self, name: str) -> Reading:
        """Return what went through a fleet."""
        fleet = self.fleet(name)
        self.ask(fleet)
        return fleet.clients.reading()

    def ask(self, fleet: SimulatedFleet) -> None:
        """Let a fleet's clients ask it until now."""
        servers: dict[int, list[Instance]] = {number: [] for number in fleet.groups}
        if fleet.clients.rate:
            for server in fleet.servers.values():
                if server.seen.state is State.READY:
                    servers.setdefault(server.seen.revision, []).append(server.seen)
        groups = {number: group.shown for number, group in fleet.groups.items()}
        fleet.clients.ask(
            self.at,
            servers,
            {number: group.weight for number, group in groups.items()},
            {n: self._behaviour(group.revision.image.artifact) for n, group in groups.items()},
            self.random,
        )

    def _behaviour(self, artifact: str) -> Behaviour:
        return self.behaviours.get(artifact, Behaviour())

    # -- ownership -----------------------------------------------------------------------------

    def own(self, group: SimulatedGroup, hold: Hold) -> None:
        """Let a rollout hold a group; what it finds changed by an earlier hold stays saved."""
        self.check(group, hold.rollout, hold.fence)
        shown, old = group.shown, group.shown.hold
        size = old.size if old is not None and old.rollout == hold.rollout else shown.size
        minimum = old.minimum if old is not None else shown.minimum
        group.shown = evolve(shown, hold=evolve(hold, size=size, minimum=minimum))

    def release(self, fleet: SimulatedFleet, group: SimulatedGroup) -> None:
        """End a group's hold; bounds and settings of the fleet end up on it."""
        for other in fleet.groups.values():
            if other is not group and other.shown.settings:
                group.shown = evolve(group.shown, settings=other.shown.settings)
                other.shown = evolve(other.shown, settings={})
        holds = [each.shown.hold for each in fleet.groups.values()]
        saved = [hold.minimum for hold in holds if hold is not None and hold.minimum]
        least = max(saved, default=group.shown.minimum)
        group.shown = evolve(group.shown, hold=None, minimum=min(least, group.shown.size))

    def check(self, group: SimulatedGroup, rollout: str, fence: int) -> None:
        """Refuse a call of anybody but the holder of a group.

        Raises:
            Conflict: Another rollout holds it, or a later lease of the same one does.
        """
        hold = group.shown.hold
        if hold is None or hold.until <= self.at:
            return
        if hold.rollout != rollout:
            raise Conflict(f"held by rollout {hold.rollout}", owner=hold.rollout)
        if hold.fence > fence:
            raise Conflict(f"lease {fence} is older than {hold.fence}", owner=hold.rollout)


def _is_live(instance: Instance) -> bool:
    return instance.state in (State.STARTING, State.READY, State.UNREADY)
