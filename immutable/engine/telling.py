"""Telling hooks what a rollout does, as it does it; and what it waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from typing import TypeVar

from immutable.engine.ledger import Ledger
from immutable.hooks import (
    Called,
    Calling,
    Cause,
    DrainHook,
    Draining,
    Driving,
    Hooks,
    LetGo,
    Notice,
    OnFailure,
    Waited,
    tell,
)
from immutable.journal import Entry, Lease
from immutable.model import Bake, Clock, Event, Record, Step
from immutable.planning.arithmetic import Counts

__all__ = ["Teller", "cause"]

T = TypeVar("T")

_log = logging.getLogger("immutable.hooks")


class Teller:
    """Tells the hooks of one controller about one rollout. Costs nothing where there are none.

    Args:
        hooks: Who is told.
        entry: The rollout as the journal lists it.
        lease: The right to drive it.
        clock: The wall clock.

    Attributes:
        drains: The drain hooks.
    """

    def __init__(self, hooks: Hooks, entry: Entry, lease: Lease, clock: Clock) -> None:
        self._hooks, self.drains = hooks.on_event, hooks.before_drain
        self._entry = entry
        self._lease = lease
        self._clock = clock
        self._seq = 0

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Tell, when the block is over, that the rollout is driven no more."""
        try:
            yield
        except BaseException as error:
            self._tell(LetGo(type(error).__name__))
            raise
        self._tell(LetGo())

    def begun(self, events: Sequence[Event]) -> None:
        """Tell that the rollout is driven here, and what the journal has of it."""
        self._seq = events[-1].seq if events else 0
        if self._hooks:
            entry, lease = self._entry, self._lease
            said = (entry.plan, entry.actor, lease.controller, lease.fence, tuple(events))
            self._tell(Driving(*said))

    def now(self) -> float:
        """Return the wall-clock time at which something happens; 0 where nobody is told."""
        return self._clock.now() if self._hooks else 0.0

    def written(self, records: Sequence[tuple[Record, float]]) -> None:
        """Tell of records that are in the journal now, each with the time at which it happened."""
        for record, at in records:
            self._seq += 1
            if self._hooks:
                self._tell(Event(self._lease.rollout, self._seq, at, record), at)

    async def calling(
        self, operation: str, revision: int | None, call: Callable[[], Awaitable[T]]
    ) -> T:
        """Make one attempt of a call, and tell when it begins and how it ends."""
        if not self._hooks:
            return await call()
        begun, began = Calling(operation, revision), _now()
        self._tell(begun)
        try:
            answer = await call()
        except BaseException as error:
            self._tell(Called(begun, _now() - began, type(error).__name__))
            raise
        self._tell(Called(begun, _now() - began))
        return answer

    @contextmanager
    def waiting(self, why: Callable[[], Cause]) -> Iterator[None]:
        """Tell of a wait, the block, once it is over; *why* is asked before."""
        if not self._hooks:
            yield
            return
        cause, began = why(), _now()
        try:
            yield
        finally:
            self._tell(Waited(cause, _now() - began))

    async def before_drain(self, revision: int, ids: tuple[str, ...]) -> str:
        """Wait for the drain hooks; returns why nothing may drain, if one has to be heeded."""
        about = Draining(self._lease.rollout, self._entry.fleet, revision, ids)
        failures = await asyncio.gather(*(_failure(each, about) for each in self.drains))
        return next((why for why in failures if why), "")

    def _tell(
        self, what: Driving | Event | Calling | Called | Waited | LetGo, at: float = 0.0
    ) -> None:
        if not self._hooks:
            return
        at = at or self._clock.now()
        tell(Notice(self._lease.rollout, self._entry.fleet, at, what), self._hooks)


def cause(
    ledger: Ledger,
    step: Step,
    groups: Sequence[Counts],
    *,
    asked: bool,
    kept: bool,
    short: bool,
    shares: bool,
) -> Cause:
    """Return what a rollout waits for.

    Args:
        ledger: What the records say so far.
        step: The step that it works on.
        groups: All groups of the fleet, counted.
        asked: Whether a gate waits for somebody's word, or for itself.
        kept: Whether stable is kept for a while after the point of no return.
        short: Whether launches wait for room.
        shares: Whether launches wait for those of other rollouts.
    """
    causes = (
        (Cause.PAUSE, (bool(ledger.paused) or asked) and not ledger.back),
        (Cause.ANSWER, bool(ledger.pending) or ledger.blind),
        (Cause.BAKE, isinstance(step, Bake) and not ledger.back),
        (Cause.KEEP, kept),
        (Cause.ROOM, short),
        (Cause.SHARE, shares),
        (Cause.BOOT, any(each.broken for each in groups)),
        (Cause.PROOF, any(each.ready > each.proven for each in groups)),
        (Cause.DRAIN, any(each.leaving for each in groups)),
    )
    return next((each for each, holds in causes if holds), Cause.LOOK)


async def _failure(hook: DrainHook, about: Draining) -> str:
    """Call a drain hook; returns why nothing may drain, where its failure has to be heeded."""
    try:
        async with asyncio.timeout(hook.deadline) as patience:
            answer = hook.call(about)
            if isawaitable(answer):
                await answer
    except Exception as error:  # noqa: BLE001  # A user's function, which may raise anything.
        # Only the class: nobody knows what its text holds, and this goes into the journal.
        late = patience.expired()
        why = f"took longer than {hook.deadline:g} s" if late else f"failed: {type(error).__name__}"
        _log.warning("a drain hook of %s %s", about.fleet, why)
        return f"a drain hook {why}" if hook.on_failure is OnFailure.TURN else ""
    return ""


def _now() -> float:
    return asyncio.get_running_loop().time()
