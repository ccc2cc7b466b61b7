"""Servers that are launched, boot, serve, drain and die, and groups that are kept at their size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

from attrs import evolve

from immutable.backend import Clock, Instance, InstanceState, Trouble, TroubleKind
from immutable.memory.faults import Faults
from immutable.memory.feeding import Feed
from immutable.memory.laws import Behaviour, Law, Laws
from immutable.memory.parts import SimulatedFleet, SimulatedGroup, SimulatedServer, is_live
from immutable.memory.rates import Rates
from immutable.memory.room import NoRoom, Room
from immutable.memory.timeline import Timeline
from immutable.memory.volumes import free_slot, let_go, make_slots, take

__all__ = ["Machines"]

_RETRY = 20.0
_ORDINARY = Behaviour()

State = InstanceState


class Machines(Timeline):
    """The part of a simulated cloud that has servers.

    Args:
        clock: Whose time the cloud runs by.
        zones: Its failure domains.
        laws: How long things take.
        seed: Equal seeds give equal clouds.

    Attributes:
        laws: How long things take.
        random: Where chances come from.
        behaviours: How the servers of an image behave, by artifact; ordinary when absent.
        withdrawn: Whether images that were withdrawn can still be launched, by artifact.
        room: What is full, and what has room.
        rates: How many calls, launches and terminations it bears; no limits at first.
        used: How many servers there are, by zone; those that are leaving count.
        faults: What goes wrong.
        fleets: The fleets, by name.
        heals: Whether groups are kept at their size; else the size falls with a member that dies.
        watchers: Called with fleet and instance after every change of an instance.
        names: Where the names of new servers come from.
        feed: Who is told of changes; nobody at first.
    """

    def __init__(self, clock: Clock, zones: tuple[str, ...], laws: Laws, seed: int) -> None:
        super().__init__(clock)
        self.laws = laws
        self.random = Random(seed)
        self.behaviours: dict[str, Behaviour] = {}
        self.withdrawn: dict[str, bool] = {}
        self.room = Room(zones)
        self.used = self.room.used
        self.rates = Rates()
        self.faults = Faults(Random(seed + 1))
        self.fleets: dict[str, SimulatedFleet] = {}
        self.heals = True
        self.watchers: list[Callable[[SimulatedFleet, Instance], None]] = []
        self.names: Iterator[str] = (f"i-{number:06d}" for number in count(1))
        self.feed = Feed(self, self.fleets)
        self.sooner = self.feed.hurry
        self._fate = Random(seed + 2)  # A hazard changes no other chance.
        self._hazard: Law | None = None

    @property
    def hazard(self) -> Law | None:
        """After how many seconds any server dies, whatever its image; None when none does.

        Those that are there when it is set have as long to live as those that are launched then.
        """
        return self._hazard

    @hazard.setter
    def hazard(self, law: Law | None) -> None:
        self.advance()
        self._hazard = law
        if law is not None:
            for fleet in self.fleets.values():
                for name in fleet.servers:
                    self._endanger(fleet, name, law)

    # -- launching -----------------------------------------------------------------------------

    def heal(self, fleet: SimulatedFleet, group: SimulatedGroup) -> NoRoom | None:
        """Launch what a group is short of; returns why not all, if there was no room."""
        make_slots(fleet, sum(each.shown.size for each in fleet.groups.values()), self.room.zones)
        short, pause = None, 0.0
        while group.live < group.shown.size and short is None:
            if self.rates.launches is not None:
                pause = self.rates.launch(self.at)
                if pause:
                    break
            short = self._launch(fleet, group)
        group.short = short
        if short is not None or pause:
            self._try_again(fleet, group, pause or _RETRY)
        if short is not None or group.shown.trouble is not None:
            told = None
            if short is not None:
                told = Trouble(TroubleKind.SHORTAGE, short.message, short.zone or "")
            group.shown = evolve(group.shown, trouble=told)
        self._remember(fleet)
        return short

    def _try_again(self, fleet: SimulatedFleet, group: SimulatedGroup, seconds: float) -> None:
        due = self.at + seconds
        if self.at < group.next_try <= due:
            return
        group.next_try = due

        def again() -> None:
            there = self.fleets.get(fleet.name) is fleet
            if there and group.next_try == due and group in fleet.groups.values():
                self.heal(fleet, group)

        self.after(seconds, again)

    def _launch(self, fleet: SimulatedFleet, group: SimulatedGroup) -> NoRoom | None:
        """Launch one server; returns why there was no room for it, if so."""
        artifact = group.shown.revision.image.artifact
        behaviour = self._behaviour(artifact)
        slot = free_slot(fleet)
        if slot is None and fleet.volumes:
            return NoRoom(f"no slot of {fleet.name} is free", None, quota=False)
        zone = self.room.zone(group.zones) if slot is None else self.room.within(slot.zone)
        if isinstance(zone, NoRoom):
            return zone
        if not (behaviour.launchable and self.withdrawn.get(artifact, True)):
            return NoRoom(f"image {artifact} can't be launched in zone {zone}", zone, quota=False)
        instance = Instance(
            id=next(self.names),
            revision=group.shown.number,
            state=State.STARTING,
            zone=zone,
            launched_at=self.at,
            slot="" if slot is None else slot.name,
        )
        if slot is not None:
            take(slot, instance.id)
        fleet.servers[instance.id] = SimulatedServer(instance, group)
        group.live += 1
        group.zones[instance.zone] += 1
        self.used[instance.zone] += 1
        fleet.highest_total = max(fleet.highest_total, len(fleet.servers))
        self._show(fleet, instance)
        self._live_out(fleet, instance.id, behaviour)
        return None

    def _live_out(self, fleet: SimulatedFleet, name: str, behaviour: Behaviour) -> None:
        if behaviour.ready:
            boot = (behaviour.boot or self.laws.boot)(self.random)
            self.after(boot, lambda: self.set_state(fleet, name, State.READY, State.STARTING))
        if behaviour.dies_after is not None:
            self.after(behaviour.dies_after(self.random), lambda: self._die(fleet, name))
        if self._hazard is not None:
            self._endanger(fleet, name, self._hazard)

    def _endanger(self, fleet: SimulatedFleet, name: str, law: Law) -> None:
        def strike() -> None:
            if self._hazard is law:
                self._die(fleet, name)

        self.after(law(self._fate), strike)

    def _behaviour(self, artifact: str) -> Behaviour:
        return self.behaviours.get(artifact, _ORDINARY)

    # -- what becomes of a server --------------------------------------------------------------

    def set_state(
        self, fleet: SimulatedFleet, name: str, state: State, only_from: State | None = None
    ) -> None:
        """Let a server become READY or UNREADY."""
        server = fleet.servers.get(name)
        if server is None or not is_live(server.seen) or server.seen.state is state:
            return
        if only_from is not None and server.seen.state is not only_from:
            return
        self._change(fleet, server, self._become(server.seen, state))

    def drain(self, fleet: SimulatedFleet, name: str, *, drain_timeout: float) -> None:
        """Let a server drain, then terminate, then be gone."""
        server = fleet.servers[name]
        self._leave(server)
        self._change(fleet, server, self._become(server.seen, State.DRAINING))
        drained = min(self.laws.drain(self.random), drain_timeout)
        terminated = self.laws.terminate(self.random)
        if self.rates.terminations is None:
            self.after(drained + terminated, lambda: self._bury(fleet, name))
        else:
            self.after(drained, lambda: self._terminate(fleet, name, terminated))

    def _terminate(self, fleet: SimulatedFleet, name: str, seconds: float) -> None:
        """Let a server that has drained end in its turn."""
        turn = self.rates.termination(self.at)
        self.after(turn + seconds, lambda: self._bury(fleet, name))

    def _die(self, fleet: SimulatedFleet, name: str) -> None:
        """Let a server die at once, unless it is leaving or gone; its group heals."""
        server = fleet.servers.get(name)
        if server is None or server.seen.state is State.DRAINING:
            return
        self._leave(server)
        self._bury(fleet, name)
        if not self.heals:
            shown = server.group.shown
            server.group.shown = evolve(shown, size=max(0, shown.size - 1))
        self.heal(fleet, server.group)

    def _leave(self, server: SimulatedServer) -> None:
        server.group.live -= 1
        server.group.zones[server.seen.zone] -= 1

    def _bury(self, fleet: SimulatedFleet, name: str) -> None:
        server = fleet.servers.pop(name)
        let_go(fleet, name)
        self.used[server.seen.zone] -= 1
        self._count(fleet, server.seen, State.GONE)
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
            old.slot,
        )

    def _change(self, fleet: SimulatedFleet, server: SimulatedServer, new: Instance) -> None:
        self._count(fleet, server.seen, new.state)
        fleet.lowest_ready = min(fleet.lowest_ready, fleet.ready)
        server.seen = new
        self._show(fleet, new)

    def _count(self, fleet: SimulatedFleet, old: Instance, new: State) -> None:
        by = (new is State.READY) - (old.state is State.READY)
        if by:
            fleet.ready += by
            fleet.serving.setdefault(old.revision, Counter())[old.zone] += by

    # -- who is told ---------------------------------------------------------------------------

    def _show(self, fleet: SimulatedFleet, instance: Instance) -> None:
        fleet.log.append(instance)
        if self.faults.stale:
            self._remember(fleet)
        self.feed.notice(fleet.name)
        for watcher in self.watchers:
            watcher(fleet, instance)

    def _remember(self, fleet: SimulatedFleet) -> None:
        """Keep how a fleet looks now, for those who look at it late; here, nobody does."""
