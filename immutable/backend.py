"""The contract between the SDK and a cloud, for authors of backends.

A backend is a class below `Backend`, found under its URL scheme in the entry-point group
``immutable.backends``. ``docs/contract.md`` states every rule that the conformance suite checks.

Rules that hold for every method:

* It is a coroutine and never blocks the event loop; a blocking cloud SDK runs on an executor
  that the backend owns, and is imported on first use, there.
* It waits with ``asyncio.sleep`` only and returns in seconds, whatever it started.
* It raises `BackendError` subclasses and nothing else, the cloud SDK's error as ``__cause__``.
* A mutating method gets a `Context`. It is level-set: repeated with the same arguments it
  leaves the same state. It refuses with `Conflict` when the group is held by another rollout,
  or under a higher fence, as far as the cloud can tell.
* It does not retry: the engine repeats what is `Throttled` or `Transient`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from attrs import frozen

from immutable.abilities import (
    MetricSource,
    SupportsAdopt,
    SupportsChanges,
    SupportsCreate,
    SupportsDrift,
    SupportsImages,
    SupportsRestore,
    SupportsTraffic,
    SupportsVolumes,
    SupportsWithdrawal,
)
from immutable.errors import (
    BackendError,
    CapacityShortage,
    Conflict,
    Denied,
    Gone,
    Invalid,
    Problem,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.model import (
    Assurance,
    Capabilities,
    Clock,
    Context,
    FleetState,
    FleetURL,
    FrozenMap,
    Group,
    Hold,
    Image,
    ImageState,
    Instance,
    InstanceState,
    Limits,
    Origin,
    Plan,
    Pool,
    Rate,
    Reading,
    Revision,
    RuntimeConfig,
    Secret,
    SecretRef,
    Slot,
    SystemClock,
    Traffic,
    Trouble,
    TroubleKind,
    Volume,
)
from immutable.model.drift import DriftCode, DriftReason, Evidence, Inspected, Inspection, Stray
from immutable.model.serial import from_json, to_json
from immutable.plugins import CONTRACT
from immutable.secrets.resolving import SecretResolver

__all__ = [
    "CONTRACT",
    "Assurance",
    "Backend",
    "BackendError",
    "Capabilities",
    "CapacityShortage",
    "Clock",
    "Conflict",
    "Context",
    "Denied",
    "DriftCode",
    "DriftReason",
    "Evidence",
    "FleetState",
    "FleetURL",
    "FrozenMap",
    "Gone",
    "Group",
    "Hold",
    "Image",
    "ImageState",
    "Inspected",
    "Inspection",
    "Instance",
    "InstanceState",
    "Invalid",
    "Limits",
    "MetricSource",
    "Origin",
    "Plan",
    "Pool",
    "Problem",
    "QuotaExceeded",
    "Rate",
    "Reading",
    "Retiring",
    "Revision",
    "RuntimeConfig",
    "Secret",
    "SecretRef",
    "SecretResolver",
    "Slot",
    "Stray",
    "SupportsAdopt",
    "SupportsChanges",
    "SupportsCreate",
    "SupportsDrift",
    "SupportsImages",
    "SupportsRestore",
    "SupportsTraffic",
    "SupportsVolumes",
    "SupportsWithdrawal",
    "SystemClock",
    "Throttled",
    "Traffic",
    "Transient",
    "Trouble",
    "TroubleKind",
    "Volume",
    "from_json",
    "to_json",
]


@frozen
class Retiring:
    """What a call of ``retire`` left.

    Attributes:
        size: The group's size.
        again: Seconds after which to call again with those that aren't gone; None when the rest
            happens by itself.
    """

    size: int
    again: float | None = None


class Backend(ABC):
    """One cloud, or one place in it, that fleets live on.

    Attributes:
        contract: The version of the contract that the class was written for, as a number:
            ``contract = 1``.
        capabilities: What it can do.
        identifying: The URL options that tell two fleets of one name apart.
        checks_secrets: Schemes of secrets that only instances can see, and that ``preflight`` and
            ``create_fleet`` look for themselves, since those are on the same machine.
    """

    contract: ClassVar[int]
    capabilities: Capabilities
    identifying: ClassVar[tuple[str, ...]] = ()
    checks_secrets: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return a backend for the place that *url* names. Imports and connects to nothing.

        Raises:
            InvalidValue: The URL's location or options make no sense.
        """

    @abstractmethod
    async def open(self) -> None:
        """Import, connect and authenticate. Called once, before anything else.

        Raises:
            Denied: The credentials don't work.
            Transient: It can't be reached.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections and threads. Called once, also after a failed `open`."""

    def notes(self, fleet: str) -> tuple[str, ...]:
        """Return what a user should know of how a fleet runs here, such as weak isolation.

        Said after an `observe`; by default nothing.
        """
        del fleet
        return ()

    @abstractmethod
    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets that can be seen, sorted."""

    @abstractmethod
    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is of a fleet.

        The number of calls grows with pages, not with instances. What is seen is at most
        ``capabilities.staleness`` seconds old. Every group has its true size, and an instance is
        READY only if it serves its own revision: readiness is probed by the cloud or by the
        backend, never assumed.

        Args:
            fleet: The fleet's name.
            since: The cursor of an earlier observation: only the instances that changed since
                then need to be listed, and ``complete`` is then False. A backend that always
                tells everything ignores it.

        Raises:
            Gone: No such fleet.
        """

    @abstractmethod
    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Return everything that would stop *plan*: permissions, quota, capacity, a missing image.

        Changes nothing. All problems at once, each with a way out.
        """

    @abstractmethod
    async def resolve(self, reference: str) -> Image:
        """Return the image that *reference* names, pinned: aliases are resolved here, once.

        Raises:
            Invalid: There is none, or instances can't be started from it; says what is there.
        """

    @abstractmethod
    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Make the empty group of a new revision, held by ``ctx.rollout`` until a time.

        No later call is needed for the hold: it is there from the group's birth.

        First the revision's number is marked as given out on the fleet, then the group is made
        under a name that only one creator can use, tagged with fleet, revision, rollout and
        plan. In `Pool.OWN` it starts at weight 0. What the revision doesn't say (networks,
        health checks, tags, …) is copied from the group that serves the fleet.

        Repeated with the same rollout: no change.

        Raises:
            Conflict: The group exists and belongs to another rollout, named as ``owner``.
        """

    @abstractmethod
    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Raise the size of a group to *size*. Never lowers it: a larger size stays.

        Returns:
            The size that the group has now.

        Raises:
            Conflict: The size is neither *expected* nor *size*, where the cloud can tell.
            Invalid: *size* is above the group's maximum.
            CapacityShortage: There is no room, now or as a result of an earlier launch.
            QuotaExceeded: The account's limit is reached.
        """

    @abstractmethod
    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Lower the size of a group to the members that it has. Never ends one.

        Returns:
            The size that the group has now.
        """

    @abstractmethod
    async def retire(
        self,
        fleet: str,
        revision: int,
        ids: tuple[str, ...],
        *,
        drain_timeout: float,
        ctx: Context,
    ) -> Retiring:
        """Start or advance the end of exactly these members: drain, then terminate.

        The size is lowered at once by the members that are new to this, before they
        drain, so that the cloud doesn't replace them. A draining member gets no new requests and is
        terminated when it has none in flight, or after *drain_timeout* seconds. Ownership is
        read again right before each termination.

        Members that are gone, or unknown, are no error.

        Returns:
            The size that the group has now, and when to call again.
        """

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Set the whole table of weights at once; for backends with ``weighted_traffic``.

        When this returns, new requests are divided so, those on connections that are already
        open included, as far as the cloud can; how far is said in the backend's documentation.
        Groups that share a pool can't be told apart: a candidate with a weight was made in
        `Pool.OWN`. Repeated with the same weights: no change.

        Args:
            fleet: The fleet's name.
            weights: The percentage of each group of the fleet, by revision number; 100 together.
            ctx: On whose behalf.

        Raises:
            Conflict: A group is held by another rollout, or under a higher fence.
            Invalid: The backend can't do it, or not exactly.
        """
        del weights, ctx
        raise Invalid(f"the backend of {fleet} has no weighted traffic")

    @abstractmethod
    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Remove an empty group from the fleet, for good.

        A group of ours is deleted. An adopted one is kept at size 0, without a hold, tagged as
        retired and no longer part of the fleet, unless the fleet was adopted with
        ``on_replace="delete"``.

        Raises:
            Conflict: It has members.
            Gone: It isn't there: done.
        """

    @abstractmethod
    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Keep everybody else from removing or replacing members until a time.

        Scale-in, rebalancing and replacement by schedule stop; scale-out stays possible. What
        was changed is written into the cloud's own tags with the owner and *until*, so that
        anybody can restore it without the journal. Repeated: *until* moves.

        Args:
            fleet: The fleet's name.
            revision: Whose group.
            until: When the hold ends by itself, by the backend's clock.
            ctx: On whose behalf.

        Raises:
            Conflict: Another rollout holds it, named as ``owner``.
        """

    @abstractmethod
    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """End the hold of a group and leave the fleet's scaling settings on this one.

        Settings that are on another group of the fleet are attached here, checked, and taken
        off there, in this order; then everything that the hold changed is restored.
        """
