"""The contract on AWS: each method in a few lines; the modules beside do the work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Self

from attrs import evolve

from immutable.backend import (
    Backend,
    BackendError,
    Capabilities,
    Clock,
    Context,
    Denied,
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
    Rate,
    Retiring,
    Revision,
    Slot,
    SystemClock,
    Volume,
)
from immutable.toolkit.address import EVERY, Shares
from immutable.toolkit.drains import Drains
from immutable_aws.address import Place
from immutable_aws.adopting import adopt_fleet, create_fleet, delete_fleet
from immutable_aws.baking import baked, remove_bake
from immutable_aws.calls import READ_TIMEOUT, Calls
from immutable_aws.creating import create_revision
from immutable_aws.hands import Hands
from immutable_aws.holding import hold, release
from immutable_aws.images import resolve
from immutable_aws.inspecting import inspect
from immutable_aws.keeping import (
    create_stateful_fleet,
    kept_slots,
    remove_slots,
    snapshot,
)
from immutable_aws.looking import Eyes
from immutable_aws.preflight import preflight
from immutable_aws.reading import Described
from immutable_aws.removing import delete_revision
from immutable_aws.retiring import drain_delay, retire
from immutable_aws.routing import dividing, route
from immutable_aws.sizing import grow, settle
from immutable_aws.targets import serving_target_group
from immutable_aws.traffic import STEP
from immutable_aws.withdrawing import restore_image, withdraw_image

if TYPE_CHECKING:
    from immutable.builders import Traces

__all__ = ["CAPABILITIES", "AwsBackend"]

CAPABILITIES = Capabilities(
    create_fleet=True,
    volumes=True,
    snapshots=True,
    weighted_traffic=True,
    weight_step=STEP,
    poll=3.0,
    staleness=20.0,
    late_effect=90.0,
    boot=90.0,
    drain=300.0,
    terminate=60.0,
    launches=Rate(burst=1000, per_second=2),
    limits=Limits(drain_timeout=300),
)
"""What an AWS account usually is like; ``README.md`` says where each figure comes from."""


class AwsBackend(Backend):
    """Fleets on AWS: ``aws://eu-west-1/web``.

    A revision is an Auto Scaling group and a launch template. Options of the URL: ``profile``,
    ``role`` (to assume), ``endpoint``, ``account`` (that the credentials must belong to) and
    ``traffic`` (``auto``, ``weights``, ``instances``).

    Args:
        place: Region and credentials.
        clock: Our wall clock.
        fleet: The fleet whose load balancer says whether traffic can be weighted.
        capabilities: What the account is like, where that differs from the usual.
        timeout: Seconds that an answer of AWS may take.

    Attributes:
        calls: The door to AWS; its ``made`` counts requests.
    """

    contract = 1
    identifying: ClassVar[tuple[str, ...]] = ("account", "endpoint")
    capabilities = CAPABILITIES

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock | None = None,
        fleet: str = "",
        capabilities: Capabilities = CAPABILITIES,
        timeout: float = READ_TIMEOUT,
    ) -> None:
        weighted = capabilities.weighted_traffic and place.traffic is not Shares.INSTANCES
        self.capabilities = evolve(capabilities, weighted_traffic=weighted)
        self.place = place
        self.calls = Calls(place, clock or SystemClock(), timeout)
        self._fleet = fleet
        self._eyes = Eyes(self.calls, capabilities.staleness, capabilities.poll)
        self._drains = Drains()

    @classmethod
    def from_url(cls, url: FleetURL, *, clock: Clock) -> Self:
        """Return the backend of a region; imports and connects to nothing."""
        return cls(Place.of(url), clock=clock, fleet="" if url.name == EVERY else url.name)

    async def open(self) -> None:
        """Import boto3, prove the credentials and the way, and look what the traffic allows."""
        await self.calls.ask(
            "autoscaling", "DescribeAutoScalingGroups", MaxRecords=1, IncludeInstances=False
        )
        await self._check_account()
        group = await self._serving()
        if group is None:
            return  # It isn't there yet, or there are two: the usual.
        await self._fit_drains(group)
        if self.place.traffic is Shares.AUTO and self.capabilities.weighted_traffic:
            weighted = await self._can_weigh(group)
            self.capabilities = evolve(self.capabilities, weighted_traffic=weighted)

    async def _check_account(self) -> None:
        wanted = self.place.account
        if wanted is None:
            return
        answer = await self.calls.ask("sts", "GetCallerIdentity")
        if answer["Account"] != wanted:
            raise Denied(f"the credentials are of account {answer['Account']}, not of {wanted}")

    async def _serving(self) -> Described | None:
        """Return the one group of the fleet that the address names, adopted or not yet so."""
        if not self._fleet:
            return None
        try:
            groups = await self._eyes.groups(self._fleet)
        except Gone:
            return await self._eyes.named(self._fleet)
        return groups[0] if len(groups) == 1 else None

    async def _fit_drains(self, group: Described) -> None:
        """Let drains take what the load balancer gives them, where nobody says otherwise."""
        delays = [await drain_delay(self.calls, arn) for arn in group.target_groups]
        shortest = min(delays, default=0.0)
        limits = evolve(self.capabilities.limits, drain_timeout=shortest)
        self.capabilities = evolve(self.capabilities, drain=max((*delays, 1.0)), limits=limits)

    async def _can_weigh(self, group: Described) -> bool:
        """Return whether the fleet's load balancer can divide its traffic."""
        try:
            await dividing(self.calls, await serving_target_group(self.calls, group))
        except BackendError:
            return False
        return True

    async def close(self) -> None:
        """Let go of threads and connections."""
        self.calls.close()

    def notes(self, fleet: str) -> tuple[str, ...]:
        """Return by what a candidate gets its share of the traffic."""
        way = "weights of the load balancer" if self.capabilities.weighted_traffic else "instances"
        return (f"{self.place.region}, shares of traffic by {way}",)

    def _hands(self) -> Hands:
        return Hands(self.calls, self._eyes)

    @asynccontextmanager
    async def _deed(self, fleet: str, *, marks: bool = False) -> AsyncIterator[Hands]:
        """Take turns in changing a fleet, and say truly whether something was changed.

        Args:
            fleet: The fleet.
            marks: Whether a conflict stays one after a number was marked as given out, which binds
                nobody but this rollout.
        """
        hands = self._hands()
        async with self.calls.turns.of(fleet):
            with hands.deed.told_truly(lambda _: marks):
                yield hands

    # -- looking -------------------------------------------------------------------------------

    async def fleets(self) -> tuple[str, ...]:
        """Return the names of the fleets, adopted ones and ours."""
        return await self._eyes.fleets()

    async def observe(self, fleet: str, *, since: int | None = None) -> FleetState:
        """Return what there is: always everything."""
        return await self._eyes.look(fleet, since)

    async def inspect(self, fleet: str) -> Inspection:
        """Compare every member with its group's launch template and image."""
        return await inspect(self.calls, self._eyes, fleet)

    async def preflight(self, fleet: str, plan: Plan) -> tuple[Problem, ...]:
        """Return what would stop a plan: images, permissions, quotas, addresses, settings."""
        return await preflight(self._hands(), fleet, plan)

    async def resolve(self, reference: str) -> Image:
        """Return the AMI of an id, of a parameter, or of a name in this account."""
        return await resolve(self.calls, reference)

    # -- changing ------------------------------------------------------------------------------

    async def create_revision(
        self, fleet: str, revision: Revision, pool: Pool, until: float, ctx: Context
    ) -> None:
        """Make launch template and group, empty and held."""
        async with self._deed(fleet, marks=True) as hands:
            await create_revision(hands, fleet, revision, pool, until, ctx)

    async def grow(
        self, fleet: str, revision: int, size: int, *, expected: int, ctx: Context
    ) -> int:
        """Set the desired capacity, if that raises it."""
        async with self._deed(fleet) as hands:
            return await grow(hands, fleet, revision, size, expected, ctx)

    async def settle(self, fleet: str, revision: int, ctx: Context) -> int:
        """Lower the desired capacity to the live members."""
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
        """Let the group drain and end these members, and not replace them."""
        async with self._deed(fleet) as hands:
            return await retire(hands, self._drains, fleet, revision, ids, drain_timeout, ctx)

    async def route(self, fleet: str, weights: Mapping[int, float], ctx: Context) -> None:
        """Write the whole table into each rule of the load balancer that divides the traffic."""
        if not self.capabilities.weighted_traffic:
            raise Invalid(f"the traffic of {fleet} is divided by instances, not by weights")
        async with self._deed(fleet) as hands:
            await route(hands, fleet, weights, await self._eyes.look(fleet), ctx)

    async def delete_revision(self, fleet: str, revision: int, ctx: Context) -> None:
        """Delete the group and what was made for it; an adopted one stays at size 0."""
        async with self._deed(fleet) as hands:
            await delete_revision(hands, fleet, revision, ctx)

    async def hold(self, fleet: str, revision: int, until: float, ctx: Context) -> None:
        """Write the holder on the group, and stop what removes or replaces members."""
        async with self._deed(fleet) as hands:
            await hold(hands, fleet, revision, until, ctx)

    async def release(self, fleet: str, revision: int, ctx: Context) -> None:
        """Bring policies and schedules here, restore what the hold changed, end it."""
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
        """Take the group of that name as revision 1; only its tags change."""
        async with self._deed(fleet) as hands:
            await adopt_fleet(hands, fleet, delete_when_replaced)

    # -- volumes -------------------------------------------------------------------------------

    async def create_stateful_fleet(
        self, fleet: str, revision: Revision, volumes: tuple[Volume, ...]
    ) -> None:
        """Make an empty fleet in one zone, whose members wait for a slot's volumes."""
        async with self._deed(fleet) as hands:
            await create_stateful_fleet(hands, fleet, revision, volumes)

    async def snapshot(self, fleet: str, slot: str, ctx: Context) -> str:
        """Take a snapshot of each volume of a slot that nobody has."""
        async with self._deed(fleet) as hands:
            return await snapshot(hands, fleet, slot, ctx)

    async def kept_slots(self, fleet: str) -> tuple[Slot, ...]:
        """Return the slots of a fleet, or of one that was deleted."""
        return await kept_slots(self._hands(), fleet)

    async def remove_slots(self, fleet: str, names: tuple[str, ...]) -> None:
        """Delete volumes and snapshots that a deleted fleet has left."""
        async with self._deed(fleet) as hands:
            await remove_slots(hands, fleet, names)

    # -- images --------------------------------------------------------------------------------

    async def withdraw_image(self, artifact: str, *, launchable: bool) -> bool:
        """Deprecate an AMI from the next minute on, or disable it."""
        async with self._deed(artifact) as hands:
            return await withdraw_image(hands, artifact, launchable=launchable)

    async def restore_image(self, artifact: str) -> bool:
        """Enable an AMI that was disabled, and cancel its deprecation."""
        async with self._deed(artifact) as hands:
            return await restore_image(hands, artifact)

    async def baked(self, build: str) -> tuple[tuple[str, str], ...]:
        """Return region and id of each image that a build has finished here."""
        return await baked(self.calls, build)

    async def remove_bake(self, traces: Traces) -> tuple[str, ...]:
        """Remove what a build has left here, but for finished images."""
        return await remove_bake(self.calls, traces)
