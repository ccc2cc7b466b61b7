"""A long-running process that drives whatever rollouts nobody drives.

Any number of controllers share the work through one journal. One that dies is missed when its
leases end, and the others take over; one that is stopped hands over at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial

from immutable.backend import Backend
from immutable.connecting import opened_backend
from immutable.engine.beginning import Turn
from immutable.engine.driver import drive
from immutable.engine.keeper import Keeper
from immutable.engine.places import Place, driven_by, places
from immutable.errors import ImmutableError, InvalidValue, JournalError, LeaseLost
from immutable.journal import Journal, Lease
from immutable.model import Clock, FleetURL, Rate, Result, SystemClock
from immutable.model.records import Found, Started

__all__ = ["Controller"]

_log = logging.getLogger(__name__)

_SHORTEST_REST, _LONGEST_REST = 5.0, 300.0


class Controller:
    """Drives rollouts of many fleets.

    It takes on what was handed over by ``Fleet.submit``, and what another process began and did not
    end. What it does is logged by the logger ``immutable.controller``.

    Args:
        journal: Where to look for work; open. Its ``ttl`` is how long the others wait for a
            controller that is not heard of.
        most: How many rollouts to drive at once.
        launches: How fast the rollouts of each place may launch instances, all together, such as
            the part of an account's limit that is for them. They share it fairly, and a fifth of
            the burst is kept for ways back, which never wait. None for what the backend declares.
        surge: How many servers the rollouts of each place may have above what their fleets want,
            all together. One that needs more is refused; ways back don't wait, and count. None for
            as many as their limits allow.
        poll: Seconds between two looks for work.
        connect: Opens the backend of an address, and closes it at the end; by default the installed
            one.
        clock: The wall clock.

    Raises:
        InvalidValue: The surge is less than 1.

    Attributes:
        name: The controller's name, as it stands in the journal.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        most: int = 500,
        launches: Rate | None = None,
        surge: int | None = None,
        poll: float = 0.5,
        connect: Callable[[FleetURL], AbstractAsyncContextManager[Backend]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if surge is not None and surge < 1:
            raise InvalidValue("surge", surge, "nothing could be replaced", "allow 1 at least")
        self._journal = journal
        self._keeper = Keeper(journal)
        self._most = most
        self._poll = poll
        self._clock = clock or SystemClock()
        self._launches = launches
        self._surge = surge
        self._backends = _Backends(connect or partial(opened_backend, clock=self._clock))
        self._driving: set[str] = set()
        self._places: dict[str, Place] = {}
        self._rests: dict[str, _Rest] = {}
        self.name = self._keeper.name

    async def run(self) -> None:
        """Drive rollouts until cancelled; then stop each at a safe point and hand it over."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._take_on(tasks)
                    await asyncio.sleep(self._poll)
        finally:
            await self._backends.close()

    async def _take_on(self, tasks: asyncio.TaskGroup) -> None:
        room = self._most - len(self._driving)
        if room <= 0:
            return
        now = asyncio.get_running_loop().time()
        # What is driven here too: one that was lost is claimed again only when it was let go of.
        but = self._driving | {name for name, rest in self._rests.items() if rest.until > now}
        try:
            # A dying process would leave what it has claimed; so only as much as it can begin.
            leases = await self._journal.claim_some(self.name, room, but=but)
        except JournalError as error:
            _log.warning("can't look for work: %s", error)
            return
        await self._expect(leases)
        for lease in leases:
            task = tasks.create_task(self._drive(lease), name=f"rollout {lease.rollout}")
            self._driving.add(lease.rollout)
            task.add_done_callback(partial(self._done, lease))

    async def _expect(self, leases: Sequence[Lease]) -> None:
        """Count what those had who drove the rollouts before, until it is seen what it is."""
        for lease in leases if self._surge is not None else ():
            with suppress(JournalError):  # Who drives it will see.
                (entry,) = await self._journal.entries(rollout=lease.rollout)
                place = self._places[lease.rollout] = places().of(entry.fleet)
                place.tell(self._launches, self._surge)
                events = await self._journal.events(lease.rollout)
                begun = any(isinstance(event.record, (Found, Started)) for event in events)
                if begun and place.surge is not None:
                    place.surge.expect(driven_by(lease), entry.plan.bounds.surge)

    def _done(self, lease: Lease, _: asyncio.Task[None]) -> None:
        self._driving.remove(lease.rollout)
        if lease.rollout in self._places:
            self._places.pop(lease.rollout).forget(driven_by(lease))

    async def _drive(self, lease: Lease) -> None:
        try:
            result = await self._carry_on(lease)
        except LeaseLost as error:
            _log.warning("%s", error)
        except ImmutableError as error:
            # Somebody else may be able to; this one tries again after a while.
            await self._journal.release(lease)
            now = asyncio.get_running_loop().time()
            rest = self._rests[lease.rollout] = _Rest.after(self._rests.get(lease.rollout), now)
            _log.warning("rollout %s rests here for %g s: %s", lease.rollout, rest.seconds, error)
        else:
            self._rests.pop(lease.rollout, None)
            _log.info(
                "rollout %s of %s has ended: %s", lease.rollout, result.fleet, result.status.value
            )

    async def _carry_on(self, lease: Lease) -> Result:
        (entry,) = await self._journal.entries(rollout=lease.rollout)
        _log.info("rollout %s of %s is driven here", entry.rollout, entry.fleet)
        url = FleetURL.parse(entry.fleet)
        backend = await self._backends.get(url)
        place = places().of(entry.fleet)
        place.tell(self._launches, self._surge)
        place.declare(backend.capabilities.launches)
        turn = Turn(entry, lease)
        return await drive(backend, url.name, turn, self._keeper, self._clock, place)


class _Rest:
    """Until when a rollout that could not be driven here is left to others."""

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds = seconds
        self.until = now + seconds

    @classmethod
    def after(cls, last: _Rest | None, now: float) -> _Rest:
        """Return the rest after another failure: twice as long as the last."""
        return cls(min(_LONGEST_REST, 2 * last.seconds) if last else _SHORTEST_REST, now)


class _Backends:
    """Open backends, one for all fleets of a location."""

    def __init__(self, connect: Callable[[FleetURL], AbstractAsyncContextManager[Backend]]) -> None:
        self._connect = connect
        self._open: dict[object, Backend] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def get(self, url: FleetURL) -> Backend:
        place = (url.scheme, url.location, url.options)
        async with self._opening:
            if place not in self._open:
                self._open[place] = await self._stack.enter_async_context(self._connect(url))
        return self._open[place]

    async def close(self) -> None:
        await self._stack.aclose()
