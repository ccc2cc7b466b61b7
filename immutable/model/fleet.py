"""What was seen of a fleet: instances, their groups, and the whole at one time."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from immutable.model.frozenmap import FrozenMap
from immutable.model.frozenmap import settings as frozen_settings
from immutable.model.image import Revision
from immutable.model.volumes import Slot, Volume

__all__ = [
    "FleetState",
    "Group",
    "Hold",
    "Instance",
    "InstanceState",
    "Origin",
    "Pool",
    "Trouble",
    "TroubleKind",
]


class InstanceState(StrEnum):
    """Where an instance is in its life."""

    STARTING = "starting"
    """Launched, and not READY so far."""
    READY = "ready"
    """Passes its health check and serves."""
    UNREADY = "unready"
    """Was READY and isn't now."""
    DRAINING = "draining"
    """Gets no new requests, or is terminating; still exists and is still paid for."""
    GONE = "gone"
    """Does not exist any more."""


class Origin(StrEnum):
    """Who made a group."""

    OURS = "ours"
    ADOPTED = "adopted"


class Pool(StrEnum):
    """How a group gets traffic."""

    SHARED = "shared"
    """Members join the fleet's one traffic pool once READY."""
    OWN = "own"
    """The group has a pool of its own, with a weight."""


def _state(value: InstanceState | str) -> InstanceState:
    # The engine compares states by identity, so a backend's "ready" has to become READY.
    return value if type(value) is InstanceState else InstanceState(value)


@frozen
class Instance:
    """One server.

    Attributes:
        id: The backend's identifier, unique for ever within the fleet.
        revision: The number of the revision that it was started from; 0 when unknown.
        state: Where it is in its life.
        zone: Its failure domain; empty where there are none.
        launched_at: When it was launched, by the backend's clock.
        ready_since: Since when it has been READY without a break; None when it isn't.
        address: Where its health can be asked for.
        protected: Whether its owner protects it from termination.
        slot: The slot of a stateful fleet that it holds, until it is gone; empty elsewhere.
    """

    id: str
    revision: int
    state: InstanceState = field(converter=_state)
    zone: str = ""
    launched_at: float = 0.0
    ready_since: float | None = None
    address: str = ""
    protected: bool = False
    slot: str = ""


@frozen
class Hold:
    """Keeps everybody else from removing or replacing a group's members for a while.

    It is written on the cloud itself, so it is what is left to go by when a journal is lost.

    Attributes:
        rollout: The rollout that it belongs to.
        fence: The fence of the lease under which it was last renewed.
        until: When it ends by itself, by the backend's clock.
        plan: The digest of the rollout's plan; empty where the backend doesn't tell.
        size: The group's size when the rollout first took hold of it; None where the backend
            doesn't tell.
        minimum: What the release restores the group's minimum to; None where the backend doesn't
            tell.
    """

    rollout: str
    fence: int
    until: float
    plan: str = ""
    size: int | None = None
    minimum: int | None = None


class TroubleKind(StrEnum):
    """What a launch that failed behind the scenes calls for."""

    SHORTAGE = "shortage"
    """No room, or no quota; it may pass."""
    REFUSED = "refused"
    """Not allowed, or it makes no sense; it will not pass."""


@frozen
class Trouble:
    """Why a group doesn't get the members that it was asked to have.

    Attributes:
        kind: Whether it may pass.
        message: What the cloud said, naming the resource; never a secret.
        zone: Where, when it is one zone's.
    """

    kind: TroubleKind = field(converter=TroubleKind)
    message: str
    zone: str = ""


@frozen
class Group:
    """The instances of one revision, as one group of the cloud.

    Attributes:
        revision: What its members start from.
        size: How many members the cloud is asked to keep.
        origin: Whether it was made by a rollout or was there before.
        pool: How it gets traffic.
        weight: Its percentage of the fleet's traffic; None while all groups share one pool.
        minimum: The least that automatic scaling may make of it.
        maximum: The most that automatic scaling may make of it; None for no bound.
        hold: The hold on it, if any.
        lapsed: A hold whose time is over and whose changes nobody has undone; binds nobody.
        rollout: The rollout that created it; empty for an adopted one.
        plan: The digest of that rollout's plan.
        trouble: Why its last launch failed, while that is the latest news of it.
        settings: What else must be as before after a rollout back (scaling policies, suspended
            processes, …), in the backend's own words; compared, never interpreted.
    """

    revision: Revision
    size: int
    origin: Origin = Origin.OURS
    pool: Pool = Pool.SHARED
    weight: float | None = None
    minimum: int = 0
    maximum: int | None = None
    hold: Hold | None = None
    lapsed: Hold | None = None
    rollout: str = ""
    plan: str = ""
    trouble: Trouble | None = None
    settings: FrozenMap[str, str] = field(factory=FrozenMap, converter=frozen_settings)

    @property
    def number(self) -> int:
        """The number of its revision."""
        return self.revision.number

    @property
    def mark(self) -> Hold | None:
        """The hold on it, or the one whose changes nobody has undone: what tells whose it was."""
        return self.hold or self.lapsed


@frozen
class FleetState:
    """One observation of a fleet.

    Attributes:
        fleet: The fleet's name on its backend.
        at: When it was true, by the backend's clock: the clock of every stamp in it.
        groups: One for each revision that has a group.
        instances: Those that exist; in a partial observation only those that changed, and as
            GONE those that vanished.
        last_revision: The highest revision number ever given out.
        complete: Whether an instance that isn't listed does not exist.
        cursor: Passed to the next ``observe`` to get only what changed since; None when the
            backend always tells everything.
        volumes: What each slot of a stateful fleet has; empty for a fleet without state.
        slots: Its slots, all of them also in a partial observation.
    """

    fleet: str
    at: float
    groups: tuple[Group, ...]
    instances: tuple[Instance, ...] = ()
    last_revision: int = 0
    complete: bool = True
    cursor: int | None = None
    volumes: tuple[Volume, ...] = ()
    slots: tuple[Slot, ...] = ()

    def group(self, number: int) -> Group | None:
        """Return the group of revision *number*, or None."""
        return next((group for group in self.groups if group.number == number), None)

    def members(self, number: int) -> tuple[Instance, ...]:
        """Return the instances of revision *number*."""
        return tuple(each for each in self.instances if each.revision == number)

    @property
    def ready(self) -> int:
        """How many instances are READY."""
        return sum(each.state is InstanceState.READY for each in self.instances)
