"""What users hold in their hands: a fleet, and all that can be done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from immutable.backend import Backend, SupportsAdopt, SupportsCreate, SupportsVolumes
from immutable.errors import Conflict, FleetNotFound, Gone, InvalidValue
from immutable.journal import Journal
from immutable.model import (
    Clock,
    Duration,
    ImageLike,
    Limits,
    Plan,
    Result,
    Revision,
    RuntimeConfig,
    Stateful,
    Strategy,
    Volume,
)
from immutable.model.frozenmap import settings
from immutable.model.quantities import Count
from immutable.rollout import Rollout
from immutable.view import ROLLING, FleetView

if TYPE_CHECKING:
    from immutable.planning.sweeping import Leftover

__all__ = ["Fleet", "ImageLike"]


class Fleet(FleetView):
    """A named set of interchangeable instances on one backend.

    Made by `connect`, `create` or `adopt`, each an asynchronous context manager:

    >>> import asyncio, immutable
    >>> async def main():
    ...     async with immutable.Fleet.create("memory://docs", "v1", 3, journal=":memory:") as web:
    ...         result = await web.replace("v2")
    ...         return result.status.value, (await web.state()).ready
    >>> from immutable.testing import run
    >>> run(main())
    ('succeeded', 3)

    Attributes:
        address: The fleet's address, as it stands in records.
        name: Its name on its backend.
        actor: On whose behalf it is changed, as claimed.
        backend: Where it lives.
    """

    # -- getting hold of one -------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def create(
        cls,
        url: str,
        image: ImageLike,
        size: int,
        *,
        template: dict[str, str] | None = None,
        config: RuntimeConfig | None = None,
        volumes: Iterable[Volume] = (),
        limits: Limits | None = None,
        backend: Backend | None = None,
        journal: Journal | str | Path | None = None,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        """Make a fleet of *size* instances of *image* and get hold of it.

        Args:
            url: Its address: ``backend://location/name``.
            image: What its instances start from.
            size: How many there shall be.
            template: How they are launched, in the backend's own words.
            config: What they are told at start.
            volumes: What each of them has that outlives it; none for a fleet without state.
            limits: How long they may take to boot; default the backend's.
            backend: As for `connect`.
            journal: As for `connect`.
            actor: As for `connect`.
            clock: As for `connect`.

        Raises:
            InvalidValue: There is such a fleet, or the backend can't make one.
            PlanRefused: The image is revoked, or a policy set for that address refuses it.
            RolloutFailed: The instances did not become READY; the fleet is there with those
                that did.
        """
        async with cls._connected(url, backend, journal, actor, clock) as fleet:
            revision = Revision(
                1, await fleet.image(image), config or RuntimeConfig(), settings(template)
            )
            planner = fleet._planner  # noqa: SLF001  # Our own class.
            revision, notes = await planner.check_first(revision, size)
            try:
                await _make(fleet, revision, tuple(volumes))
            except Conflict as error:
                raise InvalidValue("url", url, str(error), "connect to it, or delete it") from error
            await fleet.scale(size, limits=limits, reason="; ".join(("created", *notes)))
            yield fleet

    @classmethod
    @asynccontextmanager
    async def adopt(
        cls,
        url: str,
        *,
        on_replace: str = "keep",
        backend: Backend | None = None,
        journal: Journal | str | Path | None = None,
        actor: str | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[Self]:
        """Take a group that was there before as a fleet, untouched, and get hold of it.

        Args:
            url: The group's address: ``backend://location/name``.
            on_replace: What becomes of it once it is replaced: ``"keep"`` leaves it, tagged, at
                size 0; ``"delete"`` deletes it.
            backend: As for `connect`.
            journal: As for `connect`.
            actor: As for `connect`.
            clock: As for `connect`.

        Raises:
            FleetNotFound: There is no such group.
            InvalidValue: The backend can't adopt.
            Invalid: The group can't be managed; says why and the way out.
        """
        if on_replace not in ("keep", "delete"):
            raise InvalidValue("on_replace", on_replace, "unknown", 'pass "keep" or "delete"')
        async with cls._connected(url, backend, journal, actor, clock) as fleet:
            taker = fleet.backend
            if not isinstance(taker, SupportsAdopt):
                raise InvalidValue("url", url, "this backend can't adopt groups")
            try:
                await taker.adopt_fleet(fleet.name, delete_when_replaced=on_replace == "delete")
            except Gone as error:
                raise FleetNotFound(fleet.address) from error
            yield fleet

    # -- changing ------------------------------------------------------------------------------

    def apply(self, plan: Plan, *, signed: str = "", reason: str = "") -> Rollout:
        """Return a rollout of *plan*, which runs here once awaited or followed.

        Args:
            plan: The plan.
            signed: Approvals of it, as the text that ``immutable approve`` writes; kept on record.
            reason: Why.

        Awaiting it raises, besides how it ended:
            PlanRefused: It can't be done any more; with every problem that was found.
            PlanStale: The fleet is no longer what the plan was made for.
            FleetBusy: Another rollout runs on it.
        """
        return self._runner.apply(partial(self._planner.ready, plan, signed), reason)

    async def submit(self, plan: Plan, *, signed: str = "", reason: str = "") -> Rollout:
        """Hand *plan* over to the controllers that share this journal, and return the rollout.

        It is carried out by an ``immutable controller``, which looks at the fleet first: when it is
        no longer what the plan was made for, the rollout ends as failed, and nothing was touched.
        Without any controller it waits; ``recover`` carries it out here.

        Args:
            plan: The plan.
            signed: As for `apply`.
            reason: Why.

        Raises:
            PlanRefused: It can't be done any more; with every problem that was found.
            FleetBusy: Another rollout runs on the fleet.
        """
        return await self._runner.submit(await self._planner.ready(plan, signed), reason)

    def replace(
        self,
        image: ImageLike | None = None,
        strategy: Strategy = ROLLING,
        *,
        limits: Limits | None = None,
        config: RuntimeConfig | None = None,
        stateful: Stateful | None = None,
        supersede: bool = False,
        reason: str = "",
    ) -> Rollout:
        """Return a rollout to another image or configuration: `plan` and `apply` in one.

        Args:
            image: As for `plan`.
            strategy: As for `plan`.
            limits: As for `plan`.
            config: As for `plan`.
            stateful: As for `plan`.
            supersede: Whether a rollout that runs is taken back first, instead of being a
                reason to refuse; the plan says which one was.
            reason: Why.
        """

        async def planned() -> Plan:
            if not supersede:
                return await self.plan(
                    image, strategy, limits=limits, config=config, stateful=stateful
                )
            return await self._planner.superseding(image, strategy, limits, config, stateful)

        return self._runner.apply(planned, reason)

    def rollback(
        self, *, to: int | None = None, limits: Limits | None = None, reason: str = ""
    ) -> Rollout:
        """Return a rollout back to an earlier revision: a new one.

        While stable is kept (``keep_stable``), and after a cancelled rollout, a group of that
        revision is still there, and is gone back to: with weights by one switch. Otherwise
        it is a rolling replacement without a probe.

        Args:
            to: The number of that revision; default the one before the present.
            limits: How far to go; default the backend's.
            reason: Why.

        Awaiting it raises, besides how it ended:
            InvalidValue: The journal knows of no such revision.
        """
        back = partial(self._planner.going_back, to, limits)
        return self._runner.apply(back, reason or "rollback")

    def repair(
        self,
        *,
        max_age: Duration | None = None,
        budget: Count | None = None,
        limits: Limits | None = None,
        reason: str = "",
    ) -> Rollout:
        """Return a rollout that replaces drifted instances: `plan_repair` and `apply` in one.

        Nothing is mended in place. When new instances don't become READY it stops, with the fleet's
        size as it was, and names what it has not replaced.

        Args:
            max_age: As for `plan_repair`.
            budget: As for `plan_repair`.
            limits: As for `plan_repair`.
            reason: Why.
        """
        planned = partial(self.plan_repair, max_age=max_age, budget=budget, limits=limits)
        return self._runner.apply(planned, reason or "repair")

    def recover(
        self,
        *,
        plan: Plan | None = None,
        to_stable: bool = False,
        limits: Limits | None = None,
        reason: str = "",
    ) -> Rollout:
        """Return the fleet's unfinished rollout, carried on here once awaited or followed.

        Where the journal knows of none, but the groups show one that was begun under another
        journal, say how to carry it on: with its plan, or back to stable. Its first controller must
        be gone: whether it is, nobody can tell for certain; one that lives is shut out by the
        fleet itself as far as the backend can compare leases, and stops when it sees that.

        Args:
            plan: The plan that it carries out, where the journal doesn't know it.
            to_stable: Whether to return to stable, as `Rollout.abort` does.
            limits: How far to go on the way back when the plan is lost; default the backend's.
            reason: Why.

        Awaiting it raises, besides how it ended:
            NothingToRecover: There is none.
            FleetBusy: Its controller is alive.
            OrphanedRollout: The journal doesn't know it; says what can be done.
            PlanRefused: *plan* is not the one that it carries out, or no stable can be told.
            Conflict: It can't return to stable: the point of no return is behind.
        """
        return self._runner.recover(plan=plan, to_stable=to_stable, limits=limits, reason=reason)

    async def scale(self, size: int, *, limits: Limits | None = None, reason: str = "") -> Result:
        """Bring the fleet to *size* instances; chosen ones drain and go when it shrinks.

        Raises:
            InvalidValue: *size* is negative.
            RolloutFailed: It has another size; says which.
            FleetBusy: A rollout runs on it.
        """
        return await self._runner.apply(partial(self._planner.resizing, size, limits), reason)

    async def sweep(self, *, dry_run: bool = False) -> tuple[Leftover, ...]:
        """Undo what rollouts have left and nobody is there to undo; return all that was found.

        That is holds, and groups that were left empty. They are undone when their rollout has
        ended, or when their time is over and nobody is at work on the fleet. Works without the
        journal under which they were made; ends no server, and does not choose between two
        revisions that both have some: that is for `recover` or `rollback`.

        Args:
            dry_run: Whether to touch nothing.

        Raises:
            BackendError: The fleet can't be seen.
            JournalError: The journal can't be read.
        """
        from immutable.engine.sweeping import sweep

        return await sweep(self.backend, self.name, self.address, self._journal, dry_run=dry_run)

    async def delete(self) -> None:
        """Bring the fleet to 0 instances and remove it with all that was made for it.

        Raises:
            InvalidValue: The backend can't delete fleets.
        """
        if not isinstance(self.backend, SupportsCreate):
            raise InvalidValue("fleet", self.address, "this backend can't delete fleets")
        await self.scale(0, reason="deleted")
        await self.backend.delete_fleet(self.name)


async def _make(fleet: Fleet, revision: Revision, volumes: tuple[Volume, ...]) -> None:
    """Make an empty fleet, whose slots have *volumes* if there are any."""
    maker = fleet.backend
    if not isinstance(maker, SupportsCreate):
        raise InvalidValue("url", fleet.address, "this backend can't make fleets", "adopt a group")
    if not volumes:
        await maker.create_fleet(fleet.name, revision)
        return
    names = [each.name for each in volumes]
    if len(set(names)) < len(names):
        raise InvalidValue("volumes", ", ".join(names), "two have one name", "rename one")
    if not isinstance(maker, SupportsVolumes):
        raise InvalidValue(
            "volumes", ", ".join(names), "this backend has no volumes", "leave them out"
        )
    await maker.create_stateful_fleet(fleet.name, revision, volumes)
