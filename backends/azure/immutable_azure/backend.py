"""The contract on Azure: each method in a few lines; the modules beside do the work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self

from immutable.backend import (
    Backend,
    Capabilities,
    Clock,
    Context,
    FleetState,
    FleetURL,
    Image,
    Inspection,
    Plan,
    Pool,
    Problem,
    Retiring,
    Revision,
    SystemClock,
)
from immutable.toolkit.drains import Drains
from immutable_azure.address import Place
from immutable_azure.adopting import adopt_fleet, create_fleet, delete_fleet
from immutable_azure.calls import READ_TIMEOUT, Calls
from immutable_azure.creating import create_revision
from immutable_azure.hands import Hands
from immutable_azure.holding import hold, release
from immutable_azure.images import resolve
from immutable_azure.inspecting import inspect
from immutable_azure.looking import Eyes
from immutable_azure.preflight import preflight
from immutable_azure.removing import delete_revision
from immutable_azure.retiring import retire
from immutable_azure.sizing import grow, settle
from immutable_azure.switching import route
from immutable_azure.withdrawing import restore_image, withdraw_image

__all__ = ["CAPABILITIES", "AzureBackend"]

CAPABILITIES = Capabilities(
    create_fleet=True,
    weighted_traffic=True,
    weight_step=100.0,
    heals=False,
    poll=10.0,
    staleness=30.0,
    late_effect=180.0,
    boot=120.0,
    drain=3600.0,
    terminate=90.0,
)
"""What a subscription usually is like; ``README.md`` says where each figure comes from."""


class AzureBackend(Backend):
    """Fleets on Azure: ``azure://SUBSCRIPTION/RESOURCE_GROUP/web``.

    A revision is a virtual machine scale set, Uniform or Flexible as the one before it. Options of
    the URL: ``endpoint``, ``ca_bundle`` and ``tenant``.

    Args:
        subscription_id: The subscription's id.
        resource_group: The resource group's name.
        credential: An asynchronous credential; None for azure-identity's usual search.
        endpoint: Where to send requests instead of to the public cloud.
        ca_bundle: A file with the certificates to trust instead of the usual ones.
        tenant: The tenant whose identities are asked for.
        clock: Our wall clock.
        capabilities: What the subscription is like, where that differs from the usual.
        timeout: Seconds that an answer of Azure may take.
        interval: Seconds between looks at an operation that doesn't say when to look.

    Attributes:
        calls: The door to Azure; its ``made`` counts requests.

    Raises:
        InvalidValue: A part of the place makes no sense.
    """

    contract = 1
    identifying: ClassVar[tuple[str, ...]] = ("endpoint",)
    capabilities = CAPABILITIES

    def __init__(
        self,
        subscription_id: str,
        resource_group: str,
        *,
        credential: Any = None,
        endpoint: str | None = None,
        ca_bundle: str | None = None,
        tenant: str | None = None,
        clock: Clock | None = None,
        capabilities: Capabilities = CAPABILITIES,
        timeout: float = READ_TIMEOUT,
        interval: float = 1.0,
    ) -> None:
        self.place = Place(subscription_id, resource_group, endpoint, ca_bundle, tenant)
        self.capabilities = capabilities
        self.calls = Calls(self.place, clock or SystemClock(), credential, timeout, interval)
        self._eyes = Eyes(self.calls, capabilities.staleness)
        self._drains = Drains()

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return the backend of a resource group; imports and connects to nothing."""
        place = Place.of(url)
        return cls(
            place.subscription,
            place.group,
            endpoint=place.endpoint,
            ca_bundle=place.ca_bundle,
            tenant=place.tenant,
            clock=clock,
        )

    async def open(self) -> None:
        """Import Azure's clients, prove the credentials and the way."""
        await self._eyes.sets()

    async def close(self) -> None:
        """Let go of connections."""
        await self.calls.close()

    def notes(self, fleet: str) -> tuple[str, ...]:
        """Return where it is, and what a share of the traffic means there."""
        traffic = "shares of traffic by instances, all of it switched by pools"
        return (f"resource group {self.place.group}, {traffic}",)

    @asynccontextmanager
    async def _deed(self, fleet: str, *, marks: bool = False) -> AsyncIterator[Hands]:
        """Take turns in changing a fleet, and say truly whether something was changed.

        Args:
            fleet: The fleet.
            marks: Whether a conflict stays one after a number was marked as given out, which binds
                nobody but this rollout.
        """
        hands = Hands(self.calls, self._eyes)
        async with self.calls.turns.of(fleet):
            with hands.deed.told_truly(lambda _: marks):
                yield hands

    # -- looking -------------------------------------------------------------------------------

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets, adopted ones and ours."""
        return await self._eyes.fleets()

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is: always everything."""
        return await self._eyes.look(fleet)

    async def inspect(self, fleet: str) -> Inspection:
        """Compare every member with its set's model and image."""
        return await inspect(self._eyes, fleet)

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Return what would stop a plan: images, permissions, quotas, sizes, settings."""
        return await preflight(Hands(self.calls, self._eyes), fleet, plan)

    async def resolve(self, reference: str) -> Image:
        """Return the image of a gallery, a managed image, or one of the marketplace, pinned."""
        return await resolve(self.calls, reference)

    # -- changing ------------------------------------------------------------------------------

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Make the scale set of a revision, empty and held."""
        async with self._deed(fleet, marks=True) as hands:
            await create_revision(hands, fleet, revision, pool, until, ctx)

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Set the capacity, if that raises it."""
        async with self._deed(fleet) as hands:
            return await grow(hands, fleet, revision, size, expected, ctx)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Lower the capacity to the live members."""
        async with self._deed(fleet) as hands:
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
        """Mark members, take them out of the traffic, and delete them when they have drained."""
        async with self._deed(fleet) as hands:
            return await retire(hands, self._drains, fleet, revision, ids, drain_timeout, ctx)

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Let all rules of the load balancer send to the pool of the revision with 100 %."""
        async with self._deed(fleet) as hands:
            await route(hands, await self._eyes.look(fleet), fleet, weights, ctx)

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Delete an empty set; an adopted one stays at size 0."""
        async with self._deed(fleet) as hands:
            await delete_revision(hands, fleet, revision, ctx)

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the holder on the set, and stop what removes or replaces members."""
        async with self._deed(fleet) as hands:
            await hold(hands, fleet, revision, until, ctx)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """Bring the autoscale setting here, restore what the hold changed, end it."""
        async with self._deed(fleet) as hands:
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
        """Take the scale set of that name as revision 1; only its tags change."""
        async with self._deed(fleet) as hands:
            await adopt_fleet(hands, fleet, delete_when_replaced)

    # -- images --------------------------------------------------------------------------------

    async def withdraw_image(self, artifact: str, *, launchable: bool) -> bool:
        """Exclude a gallery image version from the latest, and end its life."""
        async with self._deed(artifact) as hands:
            return await withdraw_image(hands, artifact, launchable=launchable)

    async def restore_image(self, artifact: str) -> bool:
        """Let a version that was withdrawn be as before."""
        async with self._deed(artifact) as hands:
            return await restore_image(hands, artifact)
