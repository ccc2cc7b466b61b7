"""Rollouts that run in this process: beginning them, carrying them on, handing them over."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from immutable.connecting import Connection
from immutable.engine.beginning import Turn, begin, new_entry, new_rollout_id
from immutable.engine.driver import drive
from immutable.engine.keeper import Keeper
from immutable.engine.recovery import Ways, recover
from immutable.model import Limits, Plan, Result
from immutable.rollout import Rollout

__all__ = ["Runner"]


class Runner:
    """Runs the rollouts of one fleet, as one controller.

    Args:
        connection: The fleet, and what it needs.
    """

    def __init__(self, connection: Connection) -> None:
        self._at = connection
        self._fleet = connection.url.name
        self._keeper = Keeper(connection.journal)
        self._running: list[Rollout] = []

    def handle(
        self, rollout: str, run: Callable[[Rollout], Awaitable[Result]] | None = None
    ) -> Rollout:
        """Return the handle on a rollout, which *run* carries out here if it is given."""
        at = self._at
        return Rollout(rollout, at.journal, run, actor=at.actor, recover=self.recover)

    def apply(self, planned: Callable[[], Awaitable[Plan]], reason: str) -> Rollout:
        """Return a rollout of what is planned once it is awaited or followed."""

        async def run(rollout: Rollout) -> Result:
            at, plan = self._at, await planned()
            turn = await begin(
                at.backend,
                self._fleet,
                at.journal,
                at.clock,
                plan,
                rollout=rollout.id,
                controller=self._keeper.name,
                actor=at.actor,
                reason=reason,
            )
            return await self._drive(rollout, turn)

        return self._keep(self.handle(new_rollout_id(self._at.clock), run))

    def recover(
        self,
        *,
        plan: Plan | None = None,
        to_stable: bool = False,
        limits: Limits | None = None,
        reason: str = "",
    ) -> Rollout:
        """Return the unfinished rollout, carried on here once awaited or followed."""

        async def run(rollout: Rollout) -> Result:
            at = self._at
            ways = Ways(plan, to_stable, limits, at.actor, reason)
            turn = await recover(at.backend, self._fleet, at.address, self._keeper, at.clock, ways)
            return await self._drive(rollout, turn)

        return self._keep(self.handle("", run))

    async def submit(self, plan: Plan, reason: str) -> Rollout:
        """Enter a rollout for whichever controller takes it on.

        Raises:
            FleetBusy: Another one runs on the fleet.
        """
        at = self._at
        name = new_rollout_id(at.clock)
        entry = new_entry(plan, at.clock, rollout=name, actor=at.actor, reason=reason)
        await at.journal.submit(entry)
        return self.handle(name)

    async def stop(self) -> None:
        """Stop all at a safe point; they can be recovered."""
        for rollout in self._running:
            await rollout.stop()

    def _keep(self, rollout: Rollout) -> Rollout:
        self._running.append(rollout)
        return rollout

    async def _drive(self, rollout: Rollout, turn: Turn) -> Result:
        at = self._at
        rollout.begun(turn.entry.rollout)
        place = at.places.of(at.address)
        place.declare(at.backend.capabilities.launches)
        return await drive(at.backend, self._fleet, turn, self._keeper, at.clock, place)
