"""Making plans for fleets whose channels have moved, as part of a controller's process."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from attrs import evolve

from immutable.catalog.state import Catalog
from immutable.errors import FleetBusy, ImmutableError, JournalError
from immutable.following.due import Due, due, reason_of
from immutable.images.looking import Connecting
from immutable.journal import Journal
from immutable.model import Clock, Plan, SystemClock
from immutable.model.catalog import PlanOffered
from immutable.model.serial import dump_plan

__all__ = ["Follower"]

_log = logging.getLogger(__name__)


class Follower:
    """Looks for fleets whose channels have moved.

    Crash-only: what has been done is found in the journal, by the reason of a rollout or by an
    offer. Of several, one is quicker; the others find the fleet busy. What it does is logged by the
    logger ``immutable.following.follower``.

    Args:
        journal: Where catalog and rollouts are; open.
        connect: How to get hold of a fleet, such as `immutable.images.connecting` returns.
        poll: Seconds between two looks.
        clock: The wall clock.
    """

    def __init__(
        self,
        journal: Journal,
        connect: Connecting,
        *,
        poll: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._journal = journal
        self._connect = connect
        self._poll = poll
        self._clock = clock or SystemClock()
        self._said: dict[str, str] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except JournalError as error:
                _log.warning("can't look for channels that have moved: %s", error)
            except ImmutableError as error:
                _log.warning("channels can't be followed: %s", error)
            await asyncio.sleep(self._poll)

    async def look(self) -> None:
        """Make the plans that are due now.

        Raises:
            JournalError: The journal can't be read or written.
        """
        catalog = await self._journal.catalog()
        entries = {fleet: await self._journal.entries(fleet=fleet) for fleet in catalog.followers}
        # On a thread: time zones are files.
        for each in await asyncio.to_thread(due, catalog, entries, self._clock.now()):
            try:
                await self._plan(each)
            except JournalError:
                raise
            except ImmutableError as error:
                self._complain(each, str(error))

    def _complain(self, wanted: Due, why: str) -> None:
        """Say why a fleet can't follow; not again before the reason is another one."""
        if self._said.get(wanted.fleet) != why:
            self._said[wanted.fleet] = why
            _log.warning("%s can't follow %s: %s", wanted.fleet, wanted.following.channel, why)

    async def _plan(self, wanted: Due) -> None:
        following, why = wanted.following, reason_of(wanted.following.channel, wanted.number)
        async with self._connect(wanted.fleet) as fleet:
            made = await fleet.plan(wanted.artifact, following.strategy, limits=following.limits)
            plan = evolve(made, notes=(*made.notes, why))
            if not wanted.begin:
                await self._offer(wanted, plan)
                return
            try:
                await fleet.submit(plan, reason=why)
            except FleetBusy:
                return  # Somebody was quicker.
            _log.info("%s %s: rollout to %s", wanted.fleet, why, wanted.artifact)

    async def _offer(self, wanted: Due, plan: Plan) -> None:
        channel, text = wanted.following.channel, dump_plan(plan)
        record = PlanOffered(wanted.fleet, channel, wanted.number, text)
        made = await self._journal.change_catalog(partial(_offered, record))
        if made:
            _log.info("%s is offered a plan: it %s", wanted.fleet, plan.notes[-1])


def _offered(record: PlanOffered, catalog: Catalog, _: float) -> tuple[PlanOffered, ...]:
    """Return what offering a plan writes down; nothing if somebody was quicker."""
    there = catalog.offers.get(record.fleet)
    found = None if there is None else (there.channel, there.number)
    return () if found == (record.channel, record.number) else (record,)
