"""One controller's turn at one rollout: what it writes, and what the records say so far."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from immutable.backend import Context
from immutable.engine.ledger import Ledger, fold
from immutable.engine.retrying import CALL_SECONDS
from immutable.engine.telling import Teller
from immutable.engine.tokens import derived
from immutable.journal import Entry, Journal, Lease
from immutable.model import Action, Event, Grow, PlanKind, Record, Result
from immutable.model.records import Claimed, Intended, Ordered
from immutable.model.serial import digest

__all__ = ["Session"]


class Session:
    """The journal's side of driving a rollout.

    Args:
        entry: The rollout as the journal lists it.
        journal: Where everything is written down.
        lease: The right to do so.
        teller: Who tells the hooks.

    Attributes:
        entry: The rollout as the journal lists it.
        plan: The plan that is carried out.
        journal: Where everything is written down.
        lease: The right to do so.
        ledger: The records so far, folded.
        renewed_at: The loop's time when the lease was last renewed.
        writes: How often something was written.
        bell: Set when there may be an order that the ledger doesn't know.
        teller: Who tells the hooks.
    """

    def __init__(self, entry: Entry, journal: Journal, lease: Lease, teller: Teller) -> None:
        self.entry = entry
        self.plan = entry.plan
        self.journal = journal
        self.lease = lease
        self.ledger = Ledger()
        self._digest = digest(entry.plan)
        self.renewed_at = asyncio.get_running_loop().time()
        self.writes = 0
        self.bell = journal.bell(lease.rollout)
        self.bell.set()  # A predecessor may have left orders unheard.
        self.teller = teller
        self._unwritten: list[tuple[Record, float]] = []

    def over(self) -> bool:
        """Whether the rollout has ended."""
        return self.ledger.ended is not None

    async def remember(self) -> list[Event]:
        """Fold what the journal has, and return it."""
        events = await self.journal.events(self.lease.rollout)
        for event in events:
            self.ledger = fold(event.record, self.ledger)
        self.teller.begun(events)
        return events

    def unanswered_for(self, events: Sequence[Event]) -> float:
        """Return for how many seconds nobody can have been at work on the calls without an answer.

        Since the first controller took over after them: those that follow don't wait again for
        what the first has waited for.

        Args:
            events: All that the journal has; the newest says that this controller took over.
        """
        claimed: float | None = None
        for event in events:
            record = event.record
            if isinstance(record, Intended) and record.token in self.ledger.pending:
                claimed = None
            elif isinstance(record, Claimed) and claimed is None:
                claimed = event.at
        return 0.0 if claimed is None else events[-1].at - claimed

    def note(self, *records: Record) -> None:
        """Count records that the next `write` takes along.

        For what a crash may lose: the answer to a call, which is then unknown.
        """
        for record in records:
            self.ledger = fold(record, self.ledger)
            self._unwritten.append((record, self.teller.now()))

    async def write(self, *records: Record) -> None:
        """Write records down, with those noted before; only then does this return.

        Raises:
            LeaseLost: Another controller owns the rollout.
            JournalError: They could not be written.
        """
        self.note(*records)
        if self._unwritten:
            unwritten, self._unwritten = self._unwritten, []
            began = asyncio.get_running_loop().time()
            told = [record for record, _ in unwritten]
            self.renewed(began, await self.journal.append(self.lease, told))
            self.writes += 1
            self.teller.written(unwritten)

    async def renew(self) -> None:
        """Make sure that the lease is still the newest.

        Raises:
            LeaseLost: Another controller owns the rollout.
            JournalError: It could not be renewed.
        """
        began = asyncio.get_running_loop().time()
        self.renewed(began, await self.journal.renew(self.lease))

    async def own(self) -> None:
        """Make sure, right before a call changes the fleet, that nobody else owns the rollout.

        Costs nothing while the lease is young. A process that was stopped meanwhile, or that had to
        repeat a call for long, learns here that its time is over.

        Raises:
            LeaseLost: Another controller owns the rollout.
            JournalError: It could not be renewed.
        """
        while asyncio.get_running_loop().time() - self.renewed_at >= self.journal.ttl / 2:
            await self.renew()

    def renewed(self, at: float, orders: int) -> None:
        """Take note that the lease was good at *at*, and of how many orders there are."""
        self.renewed_at = at
        if orders > self.ledger.heard:
            self.bell.set()

    async def obey(self, at: float, waited: float) -> None:
        """Write down the orders that have arrived.

        Args:
            at: The backend's time.
            waited: Seconds of the step so far that no deadline counts.

        Raises:
            LeaseLost: Another controller owns the rollout.
            JournalError: They can't be read or written down.
        """
        if not self.bell.is_set():
            return
        self.bell.clear()
        given = await self.journal.orders(self.lease.rollout, after=self.ledger.heard)
        for each in given:
            order = Ordered(each.number, each.order, each.actor, each.reason, at, waited)
            self.note(order)
        await self.write()

    def launches(self, action: Action) -> bool:
        """Whether an action launches an image that the fleet does not run yet."""
        new = self.plan.kind is not PlanKind.SCALE and not self.ledger.committed
        if self.plan.kind is PlanKind.REPAIR and self.ledger.back:
            return False  # To have its size again is the way back, and launches what runs there.
        return new and isinstance(action, Grow) and action.revision == self.plan.candidate.number

    def token(self, action: Action) -> str:
        """Return an action's token: a repetition of the call carries the same.

        The lease is part of it: what a successor decides is another action, also where it looks
        like one that its predecessor had not written down yet.
        """
        ledger = self.ledger
        return derived(
            self.lease.rollout,
            self.lease.fence,
            "back" if ledger.back else "forward",
            ledger.step,
            type(action).__name__,
            action.revision,
            ledger.attempts,
        )

    def advance_token(self, revision: int, number: int) -> str:
        """Return the token of the *number*-th call that advances retirements; never used twice."""
        return derived(self.lease.rollout, "advance", revision, self.lease.fence, number)

    def context(self, token: str) -> Context:
        """Return on whose behalf a call is made."""
        return Context(
            rollout=self.lease.rollout,
            plan=self._digest,
            fence=self.lease.fence,
            token=token,
            deadline=CALL_SECONDS,
        )

    def result(self) -> Result:
        """Return how the rollout ended, once it has."""
        ended = self.ledger.ended
        assert ended is not None, "the rollout has not ended"
        return Result(
            rollout=self.lease.rollout,
            fleet=self.plan.fleet,
            status=ended.status,
            stable=self.plan.stable.number,
            candidate=self.plan.candidate.number,
            wanted=self.ledger.wanted,
            seconds=ended.seconds,
            reason=ended.reason,
            left=ended.left,
        )
