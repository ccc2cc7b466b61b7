"""What a simulated cloud consists of: fleets, groups, servers; changed in place by the cloud."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

from immutable.backend import FleetState, Group, Instance
from immutable.memory.clients import Clients

__all__ = ["SimulatedFleet", "SimulatedGroup", "SimulatedServer"]


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
        short: The zone without room that stopped the last launch, if one did.
        zones: Members that aren't leaving, by zone.
    """

    shown: Group
    live: int = 0
    deletable: bool = False
    short: str | None = None
    zones: Counter[str] = field(factory=Counter)


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
        lowest_ready: The fewest that ever were, since it was last set.
        highest_total: The most that ever existed, since it was last set.
        clients: Who asks it; nobody at first.
    """

    name: str
    groups: dict[int, SimulatedGroup] = field(factory=dict)
    servers: dict[str, SimulatedServer] = field(factory=dict)
    last_revision: int = 0
    marked_by: str | None = None
    retired: list[Group] = field(factory=list)
    ready: int = 0
    lowest_ready: int = 0
    highest_total: int = 0
    log: list[Instance] = field(factory=list)
    dropped: int = 0
    history: list[FleetState] = field(factory=list)
    clients: Clients = field(factory=Clients)

    def reset_marks(self) -> None:
        """Start `lowest_ready` and `highest_total` afresh."""
        self.lowest_ready, self.highest_total = self.ready, len(self.servers)
