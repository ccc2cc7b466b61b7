"""What a rollout writes down: the truth from which any process can carry it on.

Each record says what happened and, where something was decided, the arithmetic. A record is
written before what it announces is done, and never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from immutable.model.actions import Action
from immutable.model.admission import Ruling
from immutable.model.builds import BuildAsked, BuildNoted, Built
from immutable.model.catalog import (
    CatalogOpened,
    CatalogRecord,
    ChannelAssigned,
    GlassBroken,
    PlanApproved,
    PolicySet,
    Restored,
    Retired,
    Revoked,
    VersionAdded,
    Withdrawn,
)
from immutable.model.fleet import Group
from immutable.model.frozenmap import FrozenMap, by_number
from immutable.model.gates import Verdict
from immutable.model.orders import Order, Ordered
from immutable.model.plan import Plan
from immutable.model.result import Status
from immutable.model.volumes import Slot

__all__ = [
    "Advanced",
    "Asked",
    "BuildAsked",
    "BuildNoted",
    "Built",
    "CatalogOpened",
    "ChannelAssigned",
    "Claimed",
    "Committed",
    "Done",
    "Ended",
    "Entered",
    "Event",
    "Failed",
    "Found",
    "GlassBroken",
    "Intended",
    "Judged",
    "Order",
    "Ordered",
    "Outcome",
    "Paused",
    "PlanApproved",
    "PolicySet",
    "Proved",
    "Queued",
    "Record",
    "Resized",
    "Restored",
    "Resynced",
    "Retired",
    "Revoked",
    "Ruled",
    "Sealed",
    "Started",
    "Turned",
    "VersionAdded",
    "Withdrawn",
]


class Outcome(StrEnum):
    """What became of an intended action."""

    DONE = "done"
    UNKNOWN = "unknown"
    """No answer: it may have taken effect, or may yet."""
    CONFLICT = "conflict"
    SHORTAGE = "shortage"
    REFUSED = "refused"


@frozen
class Asked:
    """Somebody asked for the rollout: the record with number 0.

    Attributes:
        fleet: The fleet's address.
        plan: What is to be carried out.
        actor: On whose behalf, as claimed.
        reason: Why, in the actor's words.
    """

    fleet: str
    plan: Plan
    actor: str = ""
    reason: str = ""


@frozen
class Started:
    """The fleet as it was before the first action, and the sizes that bind the rollout.

    Attributes:
        plan: The digest of the plan.
        groups: The fleet's groups.
        wanted: Its size, N.
        ready: How many of its instances were READY.
        at: When that was seen, by the backend's clock.
        slots: The slots of a stateful fleet, with the identities of their volumes.
    """

    plan: str
    groups: tuple[Group, ...]
    wanted: int
    ready: int
    at: float = 0.0
    slots: tuple[Slot, ...] = ()


@frozen
class Found:
    """The rollout was begun under another journal, and found by the marks on its groups.

    What that journal knew and the marks don't say begins anew. Calls of its last controller may be
    under way still: nothing but the holds is touched until they must have taken effect.

    Attributes:
        step: The number of the step from which it is carried on.
        created: Whether the candidate's group was there.
        at: When that was seen, by the backend's clock.
    """

    step: int
    created: bool
    at: float


@frozen
class Claimed:
    """A controller drives the rollout from here on.

    Attributes:
        controller: Who.
        fence: The number of its lease; every later lease has a higher one.
    """

    controller: str
    fence: int


@frozen
class Intended:
    """An action is about to be done.

    Attributes:
        token: Its idempotency token, derived from the rollout, the lease, the direction, the
            step, the action and the attempt; sent with the call.
        action: The action.
        why: The arithmetic behind it.
    """

    token: str
    action: Action
    why: str = ""


@frozen
class Done:
    """An intended action got its answer, or got none.

    Attributes:
        token: The action's token.
        outcome: The answer.
        detail: What the backend said.
        size: The size that the action left its group at, where it changes sizes.
        owner: Who owns the thing, when another rollout does.
    """

    token: str
    outcome: Outcome = Outcome.DONE
    detail: str = ""
    size: int | None = None
    owner: str = ""


@frozen
class Advanced:
    """Advancing a retirement that had begun changed its group's size.

    Attributes:
        revision: Whose group.
        size: The size that it was left at.
    """

    revision: int
    size: int


@frozen
class Resized:
    """Somebody else changed a group's size; the wanted size follows.

    Attributes:
        revision: Whose group.
        expected: The size that our last action left.
        found: The size that it has.
        wanted: The fleet's wanted size from here on.
    """

    revision: int
    expected: int
    found: int
    wanted: int


def _sizes(value: Mapping[int, int]) -> FrozenMap[int, int]:
    return by_number(value)


@frozen
class Resynced:
    """After a call without an answer: sizes as found, nobody's doing in particular.

    Attributes:
        sizes: The size of each group, by revision number.
        spared: Instances that were to retire and serve still: they were not sent, after all.
    """

    sizes: FrozenMap[int, int] = field(converter=_sizes)
    spared: tuple[str, ...] = ()


@frozen
class Failed:
    """Candidate instances that died or never became READY.

    Attributes:
        ids: Which.
        why: What was wrong with them.
    """

    ids: tuple[str, ...]
    why: str


@frozen
class Proved:
    """The first candidate instance has proven the image; the window opens.

    Attributes:
        id: Which instance.
    """

    id: str


@frozen
class Entered:
    """A step begins; those before it are reached.

    Attributes:
        step: Its number in the plan, from 0.
        at: When, by the backend's clock.
        waited: Seconds of the step before that no deadline counts: a bake's, or a pause's.
    """

    step: int
    at: float = 0.0
    waited: float = 0.0


@frozen
class Judged:
    """A gate changed its mind, or learned something.

    Attributes:
        gate: Its number among the plan's gates, from 0.
        verdict: What it says now.
        detail: Why, with its figures.
        evidence: What it has to remember, in its own form.
    """

    gate: int
    verdict: Verdict
    detail: str = ""
    evidence: str = ""


@frozen
class Paused:
    """The rollout waits for somebody, by a gate's verdict.

    Attributes:
        reason: Which gate, and why.
        at: When, by the backend's clock.
    """

    reason: str
    at: float = 0.0


@frozen
class Queued:
    """No launch is made for now: other rollouts of the place have what they all share.

    Attributes:
        why: How many wait, and for what.
    """

    why: str


@frozen
class Sealed:
    """The data can't go back from here on: the first instance is launched that changes it for good.

    From here on a failure stops the rollout instead of returning to stable.

    Attributes:
        at: When, by the backend's clock.
    """

    at: float = 0.0


@frozen
class Ruled:
    """The fleet's policy was asked whether the candidate may be launched, right before it is.

    Attributes:
        rulings: What each of its rules said.
        bypass: Who had the policy bypassed, until when and why; empty if nobody.
        admitted: Whether it is launched.
    """

    rulings: tuple[Ruling, ...]
    bypass: str = ""
    admitted: bool = True


@frozen
class Committed:
    """The point of no return: the way back is a new rollout from here on.

    Attributes:
        at: When, by the backend's clock.
    """

    at: float = 0.0


@frozen
class Turned:
    """The rollout goes back to stable.

    Attributes:
        reason: Why.
    """

    reason: str


@frozen
class Ended:
    """The rollout is over.

    Attributes:
        status: How it ended.
        reason: Why it ended so.
        left: What is left where, or differs from the start.
        seconds: How long it took.
        boots: How many seconds the candidate's servers took from launch to READY, sorted; of many
            some, at even distances. What a rehearsal goes by.
        goings: The same from being sent to retire to being gone, of any server.
    """

    status: Status
    reason: str = ""
    left: tuple[str, ...] = ()
    seconds: float = 0.0
    boots: tuple[float, ...] = ()
    goings: tuple[float, ...] = ()


Record = (
    Asked
    | BuildAsked
    | BuildNoted
    | Built
    | CatalogOpened
    | CatalogRecord
    | Started
    | Found
    | Claimed
    | Intended
    | Done
    | Advanced
    | Resized
    | Resynced
    | Failed
    | Proved
    | Entered
    | Judged
    | Paused
    | Queued
    | Ruled
    | Ordered
    | Sealed
    | Committed
    | Turned
    | Ended
)
"""One thing that a rollout, the build of an image, or the catalog of images wrote down."""


@frozen
class Event:
    """A record in its place.

    Attributes:
        rollout: The rollout's identifier.
        seq: Its number within the rollout, 1, 2, 3 … without a gap.
        at: When it was written, by the writer's clock.
        record: What happened.
    """

    rollout: str
    seq: int
    at: float
    record: Record
