"""Making a call again while that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from math import inf
from random import Random
from typing import TypeVar

from immutable.backend import Throttled, Transient

__all__ = ["CALL_SECONDS", "jitter", "patiently"]

T = TypeVar("T")

CALL_SECONDS = 60.0
"""How long one attempt of a call may take."""
_LONGEST_PAUSE = 30.0
_LONGEST_WISH = 60.0
_usual = Random()
jitter: ContextVar[Random] = ContextVar("jitter", default=_usual)  # To be drawn from.
"""Where the random part of a pause comes from; who wants equal runs puts its own there."""


async def patiently(
    call: Callable[[], Awaitable[T]], *, attempts: int | None = None, patience: float = inf
) -> T:
    """Make *call*, again after a pause while it is `Throttled` or `Transient`.

    The pause is what the cloud asked for, at most a minute, else random below a bound that
    doubles up to 30 s (full jitter; Brooker, "Exponential Backoff and Jitter", AWS
    Architecture Blog, 2015).

    Args:
        call: Makes one attempt; one that takes longer than `CALL_SECONDS` counts as `Transient`.
        attempts: How many attempts at most; None for no bound.
        patience: Seconds of the loop's time after which no new attempt is made.

    Raises:
        BackendError: What the last attempt raised.
    """
    began = _now()
    try:
        return await _timed(call)
    except (Throttled, Transient) as error:
        if attempts == 1:
            raise
        await asyncio.sleep(_pause(error, 1))
    # Imported, and used, only when a call has failed: it costs more than most calls.
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

    def enough(state: RetryCallState) -> bool:
        # By the loop's time, which is virtual in tests; tenacity's own clock is not.
        too_many = attempts is not None and state.attempt_number + 1 >= attempts
        return too_many or _now() - began >= patience

    def pause(state: RetryCallState) -> float:
        return _pause(
            state.outcome.exception() if state.outcome else None, state.attempt_number + 1
        )

    retrying = AsyncRetrying(
        retry=retry_if_exception_type((Throttled, Transient)),
        stop=enough,
        wait=pause,
        reraise=True,
    )
    return await retrying(_timed, call)


def _pause(error: BaseException | None, attempt: int) -> float:
    if isinstance(error, Throttled) and error.retry_after is not None:
        return min(error.retry_after, _LONGEST_WISH)
    bound = min(_LONGEST_PAUSE, 0.5 * 2**attempt)
    return jitter.get().uniform(bound / 4, bound)


async def _timed(call: Callable[[], Awaitable[T]]) -> T:
    """Make one attempt; one without an answer in time may still take effect."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call()
    except TimeoutError as error:
        raise Transient(f"no answer within {CALL_SECONDS:g} s") from error


def _now() -> float:
    return asyncio.get_running_loop().time()
