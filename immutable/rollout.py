"""The handle on one rollout: await it, or follow it event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from typing import TYPE_CHECKING

from immutable.errors import Conflict, FleetBusy, JournalError, NothingToRecover
from immutable.journal import Entry, Journal
from immutable.model import Bake, Event, Order, Plan, Result, RolloutStatus, Status
from immutable.model.records import Ended, Ordered

if TYPE_CHECKING:
    from immutable.engine.ledger import Ledger

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
        run: Callable[[Rollout], Awaitable[Result]] | None = None,
        *,
        actor: str = "",
        recover: Callable[[], Rollout] | None = None,
    ) -> None:
        self.id = rollout
        self._journal = journal
        self._run = run
        self._actor = actor
        self._recover = recover
        self._task: asyncio.Task[Result] | None = None
        self._known = asyncio.Event()
        if run is None:
            self._known.set()

    def __repr__(self) -> str:
        return f"<Rollout {self.id or 'not begun'}>"

    def __await__(self) -> Generator[object, None, Result]:
        return self._outcome().__await__()

    async def _outcome(self) -> Result:
        return (await self.end()).raise_for_status()

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

    # -- orders --------------------------------------------------------------------------------

    async def pause(self, *, reason: str = "") -> None:
        """Stop where it is, until `resume`; the gates go on watching.

        Like every order it works from any process. Where no controller is alive it waits for one.
        On the way back, and after the point of no return, it has no effect.

        Raises:
            JournalError: The rollout has ended.
        """
        await self._order(Order.PAUSE, reason)

    async def resume(self, *, reason: str = "") -> None:
        """Undo a pause; a bake begins again.

        Raises:
            JournalError: The rollout has ended.
        """
        await self._order(Order.RESUME, reason)

    async def promote(self, *, reason: str = "", take_over: bool = False) -> None:
        """Go on without waiting for the rest of the bake, as long as no gate says FAIL.

        It is the answer that an `Approval` waits for. After the point of no return it ends the time
        for which stable is kept.

        Args:
            reason: Why.
            take_over: Whether this process takes the rollout over where no controller is alive, and
                returns at its end; without, the order waits for a controller.

        Raises:
            JournalError: The rollout has ended.
        """
        await self._order(Order.PROMOTE, reason, take_over=take_over)

    async def abort(self, *, reason: str = "", take_over: bool = True) -> None:
        """Return to stable; returns once a controller has taken that up.

        Where none is alive, this process takes the rollout over and returns at its end.

        Args:
            reason: Why.
            take_over: Whether to do so; without, the order waits for a controller.

        Raises:
            Conflict: The point of no return is behind, and a new rollout is the way back; or data
                has been changed that stable can't read.
            JournalError: The rollout has ended.
        """
        ledger = (await self._read())[1]
        if ledger.committed:
            raise Conflict(f"rollout {self.id} can't be undone any more: use rollback")
        if ledger.sealed:
            what = f"rollout {self.id} may have changed data for good: stable can't read it"
            raise Conflict(f"{what}; use cancel to stop it as it is")
        await self._order(Order.ABORT, reason, take_over=take_over)

    async def cancel(self, *, reason: str = "", take_over: bool = True) -> None:
        """Stop, and leave everything as it is; the result says what is left where.

        ``rollback`` brings the fleet whole again, onto either of its groups.

        Args:
            reason: Why.
            take_over: As for `abort`.

        Raises:
            JournalError: The rollout has ended.
        """
        await self._order(Order.CANCEL, reason, take_over=take_over)

    async def let_go(self) -> None:
        """End now, after the point of no return, and leave stable to the next rollout."""
        await self._order(Order.YIELD, "", take_over=True)

    async def _order(self, order: Order, reason: str, *, take_over: bool = False) -> None:
        if self._task is not None or not self.id:
            await self._known.wait()
        await self._journal.order(self.id, order, actor=self._actor, reason=reason)
        if not take_over or self._recover is None or await self.taken_up():
            return
        # Nobody would carry it out, so this process does; unless another one was quicker.
        with suppress(FleetBusy, NothingToRecover):
            await self._recover().end()

    async def taken_up(self) -> str:
        """Wait until every order that was given so far is taken up, and return by whom.

        A controller of another process hears of an order when it next renews its lease, so that
        can take some seconds.

        Returns:
            The controller; empty when none is alive to do it, or the rollout ended without.

        Raises:
            JournalError: The journal can't be read.
        """
        given = await self._journal.orders(self.id)
        last = given[-1].number if given else 0
        heard = after = 0
        while True:
            entry = await self._entry()
            for event in await self._journal.events(self.id, after=after):
                after = event.seq
                heard = event.record.number if isinstance(event.record, Ordered) else heard
            if heard >= last:
                return entry.controller
            if entry.status.ended or not entry.live:
                return ""
            await self._journal.wait(self.id, _POLL)

    # -- inside --------------------------------------------------------------------------------

    async def end(self) -> Result:
        """Wait for the end and return it, whichever it is."""
        task = self._start()
        return await task if task is not None else await self._follow_to_end()

    async def plan(self) -> Plan:
        """Return what it carries out.

        Raises:
            JournalError: The journal can't be read, or does not know the rollout.
        """
        return (await self._entry()).plan

    async def ledger(self) -> Ledger:
        """Return everything that the records say so far.

        Raises:
            JournalError: The journal can't be read, or does not know the rollout.
        """
        return (await self._read())[1]

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

    async def _entry(self) -> Entry:
        entries = await self._journal.entries(rollout=self.id)
        if not entries:
            raise JournalError(f"rollout {self.id} is unknown to the journal")
        return entries[0]

    async def _read(self) -> tuple[Entry, Ledger]:
        if self._task is not None or not self.id:
            await self._known.wait()  # It may be planned still.
        # Imported when first needed: `import immutable` is to be quick.
        from immutable.engine.ledger import Ledger, fold

        entry, ledger = await self._entry(), Ledger()
        for event in await self._journal.events(self.id):
            ledger = fold(event.record, ledger)
        return entry, ledger

    async def status(self) -> RolloutStatus:
        """Return where the rollout stands.

        Raises:
            JournalError: The journal can't be read, or does not know it.
        """
        entry, ledger = await self._read()
        plan = entry.plan
        told = entry.status.ended or entry.status is Status.PENDING
        status = entry.status if told else _standing(plan, ledger)
        return RolloutStatus(
            rollout=self.id,
            fleet=entry.fleet,
            status=status,
            step=ledger.step,
            steps=len(plan.steps),
            wanted=ledger.wanted,
            stable=ledger.size(plan.stable.number),
            candidate=ledger.size(plan.candidate.number),
            reason=ledger.ended.reason if ledger.ended else ledger.reason or ledger.paused,
            controller=entry.controller,
            live=entry.live and not entry.status.ended,
        )


def _standing(plan: Plan, ledger: Ledger) -> Status:
    if ledger.back:
        return Status.ROLLING_BACK
    if ledger.paused:
        return Status.PAUSED
    step = plan.steps[ledger.step] if plan.steps else None
    return Status.BAKING if isinstance(step, Bake) or ledger.committed else Status.RUNNING
