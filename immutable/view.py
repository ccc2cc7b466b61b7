"""A fleet as it can be looked at: how it is, how it was, and what a change of it would do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from immutable.backend import Backend
from immutable.connecting import Connection, connected
from immutable.errors import InvalidValue
from immutable.journal import Entry, Journal
from immutable.model import (
    Clock,
    Duration,
    FleetState,
    Image,
    ImageLike,
    Limits,
    Plan,
    RuntimeConfig,
    Stateful,
    Strategy,
)
from immutable.model.quantities import Count, seconds
from immutable.rollout import Rollout
from immutable.strategies import Rolling

if TYPE_CHECKING:
    from immutable.model.drift import DriftReport
    from immutable.model.preview import Preview
    from immutable.simulation import Rehearsal, Rehearsing

__all__ = ["ROLLING", "FleetView"]

ROLLING = Rolling()


class FleetView:
    """What `Fleet` has that changes nothing: connecting, looking, planning, rehearsing.

    Attributes:
        address: The fleet's address, as it stands in records.
        name: Its name on its backend.
        actor: On whose behalf it is changed, as claimed.
        backend: Where it lives.
    """

    def __init__(self, connection: Connection) -> None:
        self.address = connection.address
        self.name = connection.url.name
        self.actor = connection.actor
        self.backend = connection.backend
        self._journal = connection.journal
        # Imported when first needed, as is all that only a fleet in use needs: `import immutable`
        # is to be quick.
        from immutable.planner import Planner
        from immutable.runner import Runner

        self._runner = Runner(connection)
        self._planner = Planner(connection, self._runner.handle)

    def __repr__(self) -> str:
        return f"<Fleet {self.address}>"

    # -- getting hold of one -------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        backend: Backend | None = None,
        journal: Journal | str | Path | None = None,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        """Get hold of a fleet that exists.

        Args:
            url: Its address: ``backend://location/name``.
            backend: An open backend to use instead of the one that the URL names.
            journal: Where rollouts are written down: a file, ``":memory:"``, or an open
                `Journal`. Default: ``IMMUTABLE_JOURNAL``, else the user's state directory.
            actor: On whose behalf the fleet is changed. Default: ``IMMUTABLE_ACTOR``, else the
                user of the CI system or of this machine.
            clock: The wall clock; for tests on virtual time.

        Raises:
            FleetNotFound: There is none at that address; names those that are.
            InvalidValue: The URL makes no sense.
            RegistryError: No backend for it is installed.
            JournalError: The journal can't be opened.
            BackendError: The backend can't be reached, or refuses.
        """
        async with cls._connected(url, backend, journal, actor, clock) as fleet:
            await fleet.state()
            yield fleet

    @classmethod
    @asynccontextmanager
    async def _connected(
        cls,
        url: str,
        backend: Backend | None,
        journal: Journal | str | Path | None,
        actor: str | None,
        clock: Clock | None,
    ) -> AsyncIterator[Self]:
        async with connected(url, backend, journal, actor, clock) as connection:
            fleet = cls(connection)
            try:
                yield fleet
            finally:
                await fleet.stop()

    async def stop(self) -> None:
        """Stop what runs here at a safe point; it can be recovered. Done when the block ends."""
        await self._runner.stop()

    # -- looking -------------------------------------------------------------------------------

    async def state(self) -> FleetState:
        """Return what there is of the fleet now.

        Raises:
            FleetNotFound: It is gone.
        """
        return await self._planner.state()

    async def image(self, image: ImageLike) -> Image:
        """Return the image that words mean here, pinned.

        Raises:
            Invalid: There is none, or instances can't be started from it.
        """
        return await self._planner.image(image)

    async def drift(self, *, max_age: Duration | None = None) -> DriftReport:
        """Return how far each instance is what its revision says, and what can't be seen.

        Nothing is taken for equal because it could not be seen: that is unknown. Touches nothing.

        Args:
            max_age: How old an instance may become, in seconds or as a ``datetime.timedelta``;
                default any age.

        Raises:
            FleetNotFound: It is gone.
            InvalidValue: *max_age* is no duration.
            BackendError: The fleet can't be looked at.
        """
        return await self._planner.drift(_oldest(max_age))

    async def plan_repair(
        self,
        *,
        max_age: Duration | None = None,
        budget: Count | None = None,
        limits: Limits | None = None,
    ) -> Plan:
        """Return a plan that replaces drifted instances by new ones of the same revision.

        What is unknown stays, and what is no member. `apply` carries the plan out.

        Args:
            max_age: How old an instance may become; older ones are replaced too.
            budget: How many are replaced at most, as a number or as a percentage of the fleet such
                as ``"10%"``, which is rounded up; default all. What is wrong goes before what is
                only old, and the oldest first.
            limits: How far to go; default the backend's.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            InvalidValue: *max_age* or *budget* makes no sense.
            PlanRefused: It can't be done; with every problem that was found.
        """
        return await self._planner.repair(_oldest(max_age), budget, limits)

    async def rollout(self, rollout: str | None = None) -> Rollout:
        """Return a rollout of this fleet: the one named, else the newest.

        Raises:
            InvalidValue: There is none.
        """
        entries = await self._journal.entries(fleet=self.address, rollout=rollout)
        if not entries:
            raise InvalidValue("rollout", rollout, f"{self.address} had none such")
        return self._runner.handle(entries[-1].rollout)

    async def history(self) -> tuple[Entry, ...]:
        """Return the fleet's rollouts as the journal lists them, the oldest first."""
        return tuple(await self._journal.entries(fleet=self.address))

    async def plan(
        self,
        image: ImageLike | None = None,
        strategy: Strategy = ROLLING,
        *,
        limits: Limits | None = None,
        config: RuntimeConfig | None = None,
        stateful: Stateful | None = None,
    ) -> Plan:
        """Return what a replacement would do. Touches nothing.

        Args:
            image: The image to go to; None for the one that the fleet runs.
            strategy: The way to go; default `Rolling`.
            limits: How far to go; default the backend's.
            config: What the instances are told; None for what they are told now.
            stateful: How the data of a fleet with volumes is treated: whether it is saved first,
                and whether the new revision changes it for good.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            PlanRefused: It can't be done; with every problem that was found.
        """
        return await self._planner.replacement(image, strategy, limits, config, stateful)

    async def preview(
        self,
        image: ImageLike | Plan | None = None,
        strategy: Strategy = ROLLING,
        *,
        limits: Limits | None = None,
        config: RuntimeConfig | None = None,
        stateful: Stateful | None = None,
    ) -> Preview:
        """Return what a replacement would come to: `plan`, with all that its approver may ask.

        What it changes, where each step leads, how long it will take and what it costs, what the
        fleet's policy says. What stops it is told and not raised. Touches nothing.

        Args:
            image: As for `plan`; or a plan that was made before, which is looked at as it is.
            strategy: As for `plan`.
            limits: As for `plan`.
            config: As for `plan`.
            stateful: As for `plan`.

        Raises:
            FleetBusy: A rollout runs on the fleet.
            PlanRefused: There is no such plan: the fleet isn't whole, or the strategy can't be
                carried out on it.
        """
        from immutable.model.preview import Preview
        from immutable.model.serial import digest
        from immutable.planning.previewing import changes, rates, steps_ahead
        from immutable.simulation.forecasting import forecast

        if isinstance(image, Plan):
            plan, found = image, await self._planner.findings(image)
        else:
            found, plan = await self._planner.previewed(image, strategy, limits, config, stateful)
        state, able = await self.state(), self.backend.capabilities
        ahead, unforeseen = await forecast(able, self._journal, plan, state)
        return Preview(
            plan,
            digest(plan),
            changes(plan.stable, plan.candidate),
            steps_ahead(plan),
            ahead,
            unforeseen,
            rates(plan, able),
            tuple(str(each) for each in state.volumes),
            found.rulings,
            found.problems,
        )

    async def rehearse(
        self,
        image: ImageLike | None = None,
        strategy: Strategy = ROLLING,
        *,
        limits: Limits | None = None,
        **how: Unpack[Rehearsing],
    ) -> Rehearsal:
        """Return how `replace` would go, from many trials on a simulated twin. Touches nothing.

        Arguments, and what it raises, are those of `plan`; the others are in `Rehearsing`.
        """
        from immutable.simulation.rehearse import rehearse

        plan = await self.plan(image, strategy, limits=limits)
        return await rehearse(self.backend, self._journal, self.name, plan, **how)


def _oldest(max_age: Duration | None) -> float | None:
    return None if max_age is None else seconds(max_age, name="max_age")
