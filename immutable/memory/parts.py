"""What a simulated cloud consists of: fleets, groups, servers; changed in place by the cloud."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Protocol

from attrs import define, field

from immutable.backend import FleetState, Group, Instance, InstanceState, Slot, Volume
from immutable.memory.clients import Clients
from immutable.memory.room import NoRoom

__all__ = [
    "Scaler",
    "SimulatedFleet",
    "SimulatedGroup",
    "SimulatedServer",
    "SimulatedSlot",
    "is_live",
]

_LIVE = (InstanceState.STARTING, InstanceState.READY, InstanceState.UNREADY)


@define(eq=False)
class SimulatedServer:
    """One server; changed in place, shown to the outside as a frozen `Instance`."""

    seen: Instance
    group: SimulatedGroup


@define(eq=False)
class SimulatedGroup:
    """One group as the cloud keeps it.

    Attributes:
        shown: What an observer sees of it.
        live: How many members aren't leaving.
        deletable: Whether an adopted group may be deleted.
        short: Why the last launch failed, if it did.
        next_try: When launches are tried again, if they are.
        zones: Members that aren't leaving, by zone.
    """

    shown: Group
    live: int = 0
    deletable: bool = False
    short: NoRoom | None = None
    next_try: float = -inf
    zones: Counter[str] = field(factory=Counter)


@define(eq=False)
class SimulatedSlot:
    """One slot of a stateful fleet as the cloud keeps it.

    Attributes:
        name: Its name within the fleet.
        zone: Where its volumes are; who holds it starts there.
        volumes: The identity of each volume, by name.
        holder: Who has it; empty when nobody has.
        saved: The snapshot that shows it as it is, if there is one.
        snapshots: How many were taken so far.
        data: What its volumes hold, by name.
        kept: What they held, by the snapshot that shows it.
    """

    name: str
    zone: str
    volumes: dict[str, str]
    holder: str = ""
    saved: str = ""
    snapshots: int = 0
    data: dict[str, str] = field(factory=dict)
    kept: dict[str, dict[str, str]] = field(factory=dict)


class Scaler(Protocol):
    """Decides on the size of a group."""

    @property
    def every(self) -> float:
        """After how many seconds it looks again."""
        ...

    def size(self, fleet: SimulatedFleet, group: SimulatedGroup, at: float) -> int:
        """Return the size that the group is to have at a time."""
        ...


@define(eq=False)
class SimulatedFleet:
    """One fleet as the cloud keeps it.

    Attributes:
        name: Its name.
        groups: Its groups by revision number.
        servers: Its servers by identifier.
        last_revision: The highest number given out.
        marked_by: The rollout that it was given to.
        retired: Adopted groups that a rollout has left behind at size 0.
        ready: How many servers are READY.
        serving: Those, by revision and zone.
        lowest_ready: The fewest that ever were, since it was last set.
        highest_total: The most that ever existed, since it was last set.
        clients: Who asks it; nobody at first.
        scaler: What sets its size by itself; nothing at first.
        volumes: What each of its slots has; empty for a fleet without state.
        slots: Its slots by name.
        log: Every change of an instance, oldest first; None where a group or slot has changed.
        dropped: How many changes are not in the log any more.
        facts: Groups and slots as they were when their change was last put into the log.
    """

    name: str
    groups: dict[int, SimulatedGroup] = field(factory=dict)
    servers: dict[str, SimulatedServer] = field(factory=dict)
    last_revision: int = 0
    marked_by: str | None = None
    retired: list[Group] = field(factory=list)
    ready: int = 0
    serving: dict[int, Counter[str]] = field(factory=dict)
    lowest_ready: int = 0
    highest_total: int = 0
    log: list[Instance | None] = field(factory=list)
    dropped: int = 0
    history: list[FleetState] = field(factory=list)
    clients: Clients = field(factory=Clients)
    scaler: Scaler | None = None
    volumes: tuple[Volume, ...] = ()
    slots: dict[str, SimulatedSlot] = field(factory=dict)
    facts: tuple[tuple[Group, ...], tuple[Slot, ...]] = ((), ())

    def reset_marks(self) -> None:
        """Start `lowest_ready` and `highest_total` afresh."""
        self.lowest_ready, self.highest_total = self.ready, len(self.servers)


def is_live(instance: Instance) -> bool:
    """Whether a server exists and isn't leaving."""
    return instance.state in _LIVE
