"""Making calls to a backend: retried while that can help, and answered in the engine's words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from random import Random
from typing import TypeVar

from attrs import frozen

from immutable.backend import (
    Backend,
    BackendError,
    CapacityShortage,
    Conflict,
    Context,
    Denied,
    FleetState,
    Gone,
    Invalid,
    Plan,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.engine.session import CALL_SECONDS
from immutable.model import (
    Action,
    Create,
    Delete,
    Grow,
    HoldGroup,
    Release,
    Retire,
    Settle,
)
from immutable.model.records import Done, Outcome

__all__ = ["Answer", "Calls"]

T = TypeVar("T")

_ATTEMPTS = 4
_LONGEST_PAUSE = 30.0


@frozen
class Answer:
    """What became of an action.

    Attributes:
        done: For the journal.
        zone: The zone without room, if that is the trouble.
        again: Seconds after which a retirement wants to be advanced, if it does.
    """

    done: Done
    zone: str | None = None
    again: float | None = None


class Calls:
    """The calls of one rollout to one fleet.

    Args:
        backend: Whom to call.
        fleet: The fleet's name there.
        plan: What is carried out.
    """

    def __init__(self, backend: Backend, fleet: str, plan: Plan) -> None:
        self._backend = backend
        self._fleet = fleet
        self._plan = plan
        self._random = Random()

    async def observe(self, since: int | None, *, patience: float) -> FleetState:
        """Look at the fleet, for as long as *patience* when the backend can't answer.

        Raises:
            BackendError: It can't be seen.
        """
        return await self._retried(
            lambda: self._backend.observe(self._fleet, since=since),
            attempts=None,
            patience=patience,
        )

    async def perform(self, action: Action, ctx: Context) -> Answer:
        """Do *action* and say what became of it."""
        lost = False

        async def once() -> Answer:
            nonlocal lost
            try:
                return await self._call(action, ctx)
            except Transient:
                lost = True
                raise

        try:
            return await self._retried(once, attempts=_ATTEMPTS)
        except (CapacityShortage, QuotaExceeded) as error:
            zone = error.zone if isinstance(error, CapacityShortage) else None
            return Answer(Done(ctx.token, Outcome.SHORTAGE, str(error)), zone=zone)
        except Gone as error:
            over = isinstance(action, (Retire, Delete))
            outcome = Outcome.DONE if over else Outcome.CONFLICT
            return Answer(Done(ctx.token, outcome, str(error)))
        except (Denied, Invalid) as error:
            return Answer(Done(ctx.token, Outcome.REFUSED, str(error)))
        except (Conflict, Throttled, Transient) as error:
            outcome = Outcome.UNKNOWN if lost else Outcome.CONFLICT
            return Answer(Done(ctx.token, outcome, str(error)))

    async def _retried(
        self, call: Callable[[], Awaitable[T]], *, attempts: int | None, patience: float = inf
    ) -> T:
        """Make a call again while that can help, for so many attempts or for so long."""
        began = _now()
        try:
            return await _timed(call)
        except (Throttled, Transient) as error:
            await asyncio.sleep(self._pause(error, 1))
        # Imported, and used, only when a call has failed: it costs more than most calls.
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

        def enough(state: RetryCallState) -> bool:
            # By the loop's time, which is virtual in tests; tenacity's own clock is not.
            too_many = attempts is not None and state.attempt_number + 1 >= attempts
            return too_many or _now() - began >= patience

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self._pause(error, state.attempt_number + 1)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((Throttled, Transient)),
            stop=enough,
            wait=pause,
            reraise=True,
        )
        return await retrying(_timed, call)

    def _pause(self, error: BaseException | None, attempt: int) -> float:
        """Return what the cloud asked for, or full jitter below a doubling bound."""
        if isinstance(error, Throttled) and error.retry_after is not None:
            return error.retry_after
        bound = min(_LONGEST_PAUSE, 0.5 * 2**attempt)
        return self._random.uniform(bound / 4, bound)

    async def advance(self, revision: int, ids: tuple[str, ...], ctx: Context) -> float | None:
        """Advance retirements that have begun; returns when to call again.

        A failure is left to the next time: what has begun stays begun.
        """
        try:
            retiring = await self._backend.retire(
                self._fleet, revision, ids, drain_timeout=self._plan.limits.drain_timeout, ctx=ctx
            )
        except BackendError:
            return self._backend.capabilities.poll
        return retiring.again

    async def _call(self, action: Action, ctx: Context) -> Answer:
        backend, fleet = self._backend, self._fleet
        size: int | None = None
        again: float | None = None
        match action:
            case HoldGroup(revision, until):
                await backend.hold(fleet, revision, until, ctx)
            case Create(_, pool):
                await backend.create_revision(fleet, self._plan.candidate, pool, ctx)
            case Grow(revision, wanted, expected):
                size = await backend.grow(fleet, revision, wanted, expected=expected, ctx=ctx)
            case Retire(revision, ids):
                drain = self._plan.limits.drain_timeout
                left = await backend.retire(fleet, revision, ids, drain_timeout=drain, ctx=ctx)
                size, again = left.size, left.again
            case Settle(revision):
                size = await backend.settle(fleet, revision, ctx)
            case Release(revision):
                await backend.release(fleet, revision, ctx)
            case Delete(revision):
                await backend.delete_revision(fleet, revision, ctx)
        return Answer(Done(ctx.token, size=size), again=again)


async def _timed(call: Callable[[], Awaitable[T]]) -> T:
    """Make one attempt; one without an answer in time may still take effect."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call()
    except TimeoutError as error:
        raise Transient(f"no answer within {CALL_SECONDS:g} s") from error


def _now() -> float:
    return asyncio.get_running_loop().time()
