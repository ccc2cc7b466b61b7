"""The contract on Compute Engine: each method in a few lines; the modules beside do the work."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self

from attrs import evolve

from immutable.backend import (
    Backend,
    BackendError,
    Capabilities,
    Clock,
    Context,
    FleetState,
    FleetURL,
    Gone,
    Image,
    Inspection,
    Invalid,
    Limits,
    Plan,
    Pool,
    Problem,
    Retiring,
    Revision,
    SystemClock,
)
from immutable.errors import InvalidValue
from immutable.toolkit.address import EVERY, Shares
from immutable.toolkit.drains import Drains
from immutable_gcp.address import Place, check_name
from immutable_gcp.adopting import adopt_fleet, create_fleet, delete_fleet
from immutable_gcp.calls import TIMEOUT, Calls
from immutable_gcp.creating import create_revision
from immutable_gcp.hands import Hands
from immutable_gcp.holding import hold, release
from immutable_gcp.images import resolve
from immutable_gcp.inspecting import inspect
from immutable_gcp.looking import Eyes
from immutable_gcp.preflight import preflight
from immutable_gcp.reading import Described
from immutable_gcp.removing import delete_revision
from immutable_gcp.retiring import drain_delay, retire
from immutable_gcp.routing import dividing, route, serving_service
from immutable_gcp.sizing import grow, settle
from immutable_gcp.tables import STEP
from immutable_gcp.withdrawing import restore_image, withdraw_image

__all__ = ["CAPABILITIES", "GcpBackend"]

CAPABILITIES = Capabilities(
    create_fleet=True,
    weighted_traffic=True,
    weight_step=STEP,
    poll=5.0,
    staleness=10.0,
    late_effect=120.0,
    boot=60.0,
    drain=60.0,
    terminate=90.0,
    limits=Limits(drain_timeout=300),
)
"""What a project usually is like; ``README.md`` says where each figure comes from."""


class GcpBackend(Backend):
    """Fleets on Google Compute Engine: ``gcp://PROJECT/europe-west1/web``.

    A revision is a managed instance group and an instance template. Options of the URL:
    ``endpoint`` and ``credentials=anonymous`` (for emulators), and ``traffic`` (``auto``,
    ``weights``, ``instances``).

    Args:
        project: The project's id.
        location: A zone or a region.
        credentials: Of google-auth; None finds Application Default Credentials.
        api_endpoint: Where to send requests instead of to Google, with ``http://`` or ``https://``.
        traffic: How a candidate gets a share of the traffic.
        anonymous: Whether to send requests without credentials.
        clock: Our wall clock.
        fleet: The fleet whose load balancer says whether traffic can be weighted.
        capabilities: What the project is like, where that differs from the usual.
        timeout: Seconds that an answer of Google may take.

    Attributes:
        calls: The door to Compute Engine; its ``made`` counts requests.
    """

    contract = 1
    identifying: ClassVar[tuple[str, ...]] = ("endpoint",)
    capabilities = CAPABILITIES

    def __init__(
        self,
        project: str,
        location: str,
        *,
        credentials: Any = None,
        api_endpoint: str | None = None,
        traffic: Shares = Shares.AUTO,
        anonymous: bool = False,
        clock: Clock | None = None,
        fleet: str = "",
        capabilities: Capabilities = CAPABILITIES,
        timeout: float = TIMEOUT,
    ) -> None:
        self.place = Place(project, location, api_endpoint, anonymous, traffic)
        weighted = capabilities.weighted_traffic and traffic is not Shares.INSTANCES
        self.capabilities = evolve(capabilities, weighted_traffic=weighted)
        self.calls = Calls(self.place, clock or SystemClock(), credentials, timeout)
        self._fleet = fleet
        self._eyes = Eyes(self.calls, capabilities.staleness, capabilities.poll)
        self._drains = Drains()

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return the backend of a place; imports and connects to nothing."""
        place = Place.of(url)
        return cls(
            place.project,
            place.location,
            api_endpoint=place.endpoint,
            traffic=place.traffic,
            anonymous=place.anonymous,
            clock=clock,
            fleet="" if url.name == EVERY else url.name,
        )

    async def open(self) -> None:
        """Import the client, prove credentials and the way, and look what the traffic allows."""
        groups = await self._eyes.all()
        group = self._serving(groups)
        if group is None:
            return  # It isn't there yet, or there are two: the usual.
        drain = await drain_delay(self._hands(""), group)
        limits = evolve(self.capabilities.limits, drain_timeout=drain)
        self.capabilities = evolve(self.capabilities, drain=max(drain, 1.0), limits=limits)
        if self.place.traffic is Shares.AUTO and self.capabilities.weighted_traffic:
            weighted = await self._can_weigh(group)
            self.capabilities = evolve(self.capabilities, weighted_traffic=weighted)

    def _serving(self, groups: list[Described]) -> Described | None:
        """Return the one group of the fleet that the address names, adopted or not yet so."""
        if not self._fleet:
            return None
        ours = [group for group in groups if group.marks.fleet == self._fleet]
        named = [group for group in groups if group.name == self._fleet]
        found = ours or named
        return found[0] if len(found) == 1 else None

    async def _can_weigh(self, group: Described) -> bool:
        """Return whether the fleet's load balancer can divide its traffic."""
        try:
            await dividing(self._eyes.pools, await serving_service(self._eyes.pools, group))
        except BackendError:
            return False
        return True

    async def close(self) -> None:
        """Let go of threads and connections."""
        self.calls.close()

    def notes(self, fleet: str) -> tuple[str, ...]:
        """Return by what a candidate gets its share of the traffic."""
        way = "weights of the load balancer" if self.capabilities.weighted_traffic else "instances"
        return (f"{self.place.project}/{self.place.location}, shares of traffic by {way}",)

    def _hands(self, fleet: str, token: str = "") -> Hands:
        # Calls without a context are made once each: nothing needs to know them again.
        return Hands(self.calls, self._eyes, fleet, token or uuid.uuid4().hex)

    @asynccontextmanager
    async def _deed(
        self, fleet: str, ctx: Context | None = None, *, marks: bool = False
    ) -> AsyncIterator[Hands]:
        """Take turns in changing a fleet, and say truly whether something was changed.

        Args:
            fleet: The fleet.
            ctx: On whose behalf.
            marks: Whether a conflict with an owner stays one after a number was marked as given
                out, which binds nobody but this rollout.
        """
        try:
            check_name(fleet)
        except InvalidValue as error:
            kind = Invalid if ctx is None else Gone
            raise kind(f"there can be no fleet {fleet} here: {error}") from error
        hands = self._hands(fleet, ctx.token if ctx is not None else "")
        async with self.calls.turns.of(fleet):
            with hands.deed.told_truly(lambda conflict: marks and conflict.owner is not None):
                yield hands

    # -- looking -------------------------------------------------------------------------------

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets, adopted ones and ours."""
        return await self._eyes.fleets()

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is: always everything."""
        return await self._eyes.look(fleet)

    async def inspect(self, fleet: str) -> Inspection:
        """Compare every member with its group's template."""
        return await inspect(self.calls, self._eyes, fleet)

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Return what would stop a plan: images, permissions, quotas, settings, names."""
        return await preflight(self._hands(fleet), fleet, plan)

    async def resolve(self, reference: str) -> Image:
        """Return the image of a name, a number, a family, or a link, pinned by its number."""
        return await resolve(self.calls, reference)

    # -- changing ------------------------------------------------------------------------------

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Make template and group, empty and held, and let the load balancer know of it."""
        async with self._deed(fleet, ctx, marks=True) as hands:
            await create_revision(hands, fleet, revision, pool, until, ctx)

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Set the target size, if that raises it."""
        async with self._deed(fleet, ctx) as hands:
            return await grow(hands, fleet, revision, size, expected, ctx)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Delete, by name, members that have no VM."""
        async with self._deed(fleet, ctx) as hands:
            return await settle(hands, fleet, revision, ctx)

    async def retire(
        self,
        fleet: str,
        revision: int,
        ids: tuple[str, ...],
        *,
        drain_timeout: float,
        ctx: Context,
    ) -> Retiring:
        """Let the group drain and end these members, and not replace them."""
        async with self._deed(fleet, ctx) as hands:
            return await retire(hands, self._drains, fleet, revision, ids, drain_timeout, ctx)

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Write the whole table into each URL map that divides the traffic."""
        async with self._deed(fleet, ctx) as hands:
            await route(hands, fleet, weights, await self._eyes.look(fleet), ctx)

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Delete the group and what was made for it; an adopted one stays at size 0."""
        async with self._deed(fleet, ctx) as hands:
            await delete_revision(hands, fleet, revision, ctx)

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the holder on the group, and stop what removes or replaces members."""
        async with self._deed(fleet, ctx) as hands:
            await hold(hands, fleet, revision, until, ctx)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """Bring the autoscaler here, restore what the hold changed, end it."""
        async with self._deed(fleet, ctx) as hands:
            await release(hands, fleet, revision, ctx)

    # -- making and removing fleets ------------------------------------------------------------

    async def create_fleet(self, fleet: str, revision: Revision) -> None:
        """Make an empty fleet from its template."""
        async with self._deed(fleet) as hands:
            await create_fleet(hands, fleet, revision)

    async def delete_fleet(self, fleet: str) -> None:
        """Remove an empty fleet."""
        async with self._deed(fleet) as hands:
            await delete_fleet(hands, fleet)

    async def adopt_fleet(self, fleet: str, *, delete_when_replaced: bool) -> None:
        """Take the group of that name as revision 1; only its description changes."""
        async with self._deed(fleet) as hands:
            await adopt_fleet(hands, fleet, delete_when_replaced)

    # -- images --------------------------------------------------------------------------------

    @asynccontextmanager
    async def _withdrawing(self, artifact: str) -> AsyncIterator[Hands]:
        """Take turns in changing an image, and say truly whether something was changed."""
        hands = self._hands(artifact)
        async with self.calls.turns.of(artifact):
            with hands.deed.told_truly():
                yield hands

    async def withdraw_image(self, artifact: str, *, launchable: bool) -> bool:
        """Make an image DEPRECATED, or OBSOLETE."""
        async with self._withdrawing(artifact) as hands:
            return await withdraw_image(hands, artifact, launchable=launchable)

    async def restore_image(self, artifact: str) -> bool:
        """Clear the deprecation of an image."""
        async with self._withdrawing(artifact) as hands:
            return await restore_image(hands, artifact)
