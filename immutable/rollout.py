"""The handle on one rollout: await it, or follow it event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator

from immutable.engine.ledger import Ledger, fold
from immutable.errors import JournalError
from immutable.journal import Entry, Journal
from immutable.model import Clock, Event, Result, RolloutStatus, Status
from immutable.model.records import Ended

__all__ = ["Rollout"]

_POLL = 0.5


class Rollout:
    """One execution of a plan.

    ``await rollout`` gives its `Result`, or raises `RolledBack`, `RolloutFailed` or
    `RolloutCancelled` carrying it. ``async for event in rollout.events()`` follows it.

    A rollout that was made by ``apply``, ``replace``, ``rollback`` or ``recover`` runs in this
    process from when it is first awaited or followed. Cancelling what awaits it stops it at a
    safe point; ``recover`` carries it on.

    Attributes:
        id: Its identifier; empty until a recovery has found the rollout.
    """

    def __init__(
        self,
        rollout: str,
        journal: Journal,
        clock: Clock,
        run: Callable[[Rollout], Awaitable[Result]] | None = None,
    ) -> None:
        self.id = rollout
        self._journal = journal
        self._clock = clock
        self._run = run
        self._task: asyncio.Task[Result] | None = None
        self._known = asyncio.Event()
        if run is None:
            self._known.set()

    def __repr__(self) -> str:
        return f"<Rollout {self.id or 'not begun'}>"

    def __await__(self) -> Generator[object, None, Result]:
        return self._outcome().__await__()

    async def _outcome(self) -> Result:
        task = self._start()
        result = await task if task is not None else await self._follow_to_end()
        return result.raise_for_status()

    def _start(self) -> asyncio.Task[Result] | None:
        """Begin to drive the rollout here, unless that has begun or it runs elsewhere."""
        if self._run is not None and self._task is None:
            self._task = asyncio.ensure_future(self._drive(self._run))
        return self._task

    async def _drive(self, run: Callable[[Rollout], Awaitable[Result]]) -> Result:
        try:
            return await run(self)
        finally:
            self._known.set()

    def begun(self, rollout: str) -> None:
        """Let followers know that the rollout is in the journal, under this identifier."""
        self.id = rollout
        self._known.set()

    async def stop(self) -> None:
        """Stop driving the rollout here, at a safe point; another process can recover it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def events(self, *, after: int = 0) -> AsyncIterator[Event]:
        """Yield what happened so far, then what happens, until the rollout has ended.

        How it ended is the last event, not an exception.

        Args:
            after: Leave out events up to this number.

        Raises:
            JournalError: The journal can't be read, or the rollout stopped here without an end.
            BackendError: The fleet could not be seen any more; the rollout can be recovered.
        """
        task = self._start()
        await self._known.wait()
        ended = False
        while not ended:
            stopped = task is not None and task.done()
            for event in await self._journal.events(self.id, after=after):
                after = event.seq
                ended = isinstance(event.record, Ended)
                yield event
            if ended:
                return
            if stopped and task is not None:
                task.result()
                return
            await self._journal.wait(self.id, _POLL)

    async def _follow_to_end(self) -> Result:
        async for event in self.events():
            if isinstance(event.record, Ended):
                return await self._result(event)
        raise JournalError(f"rollout {self.id} is unknown to the journal")

    async def _result(self, event: Event) -> Result:
        entry, ledger = await self._read()
        record = event.record
        assert isinstance(record, Ended), "the last event says how it ended"
        return Result(
            rollout=self.id,
            fleet=entry.fleet,
            status=record.status,
            stable=entry.plan.stable.number,
            candidate=entry.plan.candidate.number,
            wanted=ledger.wanted,
            seconds=record.seconds,
            reason=record.reason,
            left=record.left,
        )

    async def _read(self) -> tuple[Entry, Ledger]:
        entries = await self._journal.entries(rollout=self.id)
        if not entries:
            raise JournalError(f"rollout {self.id} is unknown to the journal")
        ledger = Ledger()
        for event in await self._journal.events(self.id):
            ledger = fold(event.record, ledger)
        return entries[0], ledger

    async def status(self) -> RolloutStatus:
        """Return where the rollout stands.

        Raises:
            JournalError: The journal can't be read, or does not know it.
        """
        if not self.id:
            await self._known.wait()
        entry, ledger = await self._read()
        status = entry.status
        if ledger.back and not status.ended:
            status = Status.ROLLING_BACK
        plan = entry.plan
        return RolloutStatus(
            rollout=self.id,
            fleet=entry.fleet,
            status=status,
            step=ledger.step,
            steps=len(plan.steps),
            wanted=ledger.wanted,
            stable=ledger.size(plan.stable.number),
            candidate=ledger.size(plan.candidate.number),
            reason=ledger.ended.reason if ledger.ended else ledger.reason,
            controller=entry.controller,
            live=entry.expires_at > self._clock.now() and not entry.status.ended,
        )
