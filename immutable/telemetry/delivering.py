"""Sending one message over HTTP, again while that can help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.secrets.value import Secret
from immutable.telemetry.messages import Message
from immutable.telemetry.signing import signed

if TYPE_CHECKING:
    import httpx

__all__ = ["Delivery", "Failed", "Gone", "Patience"]


@frozen
class Patience:
    """How long one message is tried to be delivered.

    Attributes:
        timeout: Seconds for one attempt.
        first: Seconds before the second attempt; twice that before the third, and so on, each drawn
            at random below it.
        longest: Seconds between two attempts at most, also if the receiver asks for more.
        total: Seconds after which a message is given up.
    """

    timeout: float = 15.0
    first: float = 1.0
    longest: float = 300.0
    total: float = 3_600.0

    def __attrs_post_init__(self) -> None:
        for name in ("timeout", "first", "longest", "total"):
            if not getattr(self, name) > 0:
                raise InvalidValue(name, getattr(self, name), "not a time", "give seconds above 0")


class Failed(Exception):  # Only between this module and the one that sends.
    """An attempt failed.

    Attributes:
        wait: Seconds that the receiver asks for; None where it does not.
    """

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class Gone(Exception):
    """The receiver wants no more messages, ever: 410."""


class Delivery:
    """Sends messages to one address.

    Args:
        url: Where to.
        keys: What to sign with.
        patience: How long to try.
        client: What sends.
    """

    def __init__(
        self, url: str, keys: Sequence[Secret], patience: Patience, client: httpx.AsyncClient
    ) -> None:
        self._url = url
        self._keys = keys
        self._patience = patience
        self._client = client

    async def deliver(self, message: Message) -> None:
        """Send a message until it has arrived.

        Raises:
            Failed: It is given up.
            Gone: The receiver wants no more.
        """
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

        loop, patience = asyncio.get_running_loop(), self._patience
        began = loop.time()

        def enough(_: RetryCallState) -> bool:
            return loop.time() - began >= patience.total

        def pause(state: RetryCallState) -> float:
            from tenacity import wait_random_exponential

            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, Failed) and error.wait is not None:
                return min(error.wait, patience.longest)
            drawn = wait_random_exponential(
                patience.first, patience.longest, min=patience.first / 4
            )
            return drawn(state)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Failed), stop=enough, wait=pause, reraise=True
        )
        await retrying(self._attempt, message)

    async def _attempt(self, message: Message) -> None:
        import httpx  # It is there: the client was made of it.

        headers = signed(message.id, int(time.time()), message.body, self._keys)
        headers |= {"content-type": "application/json", "user-agent": "immutable-webhook/1"}
        sending = self._client.stream("POST", self._url, content=message.body, headers=headers)
        try:
            async with asyncio.timeout(self._patience.timeout), sending as response:
                status, wait = response.status_code, _asked(response.headers.get("retry-after"))
        except TimeoutError as error:
            raise Failed(f"no answer within {self._patience.timeout:g} s") from error
        except httpx.HTTPError as error:
            raise Failed(type(error).__name__) from error
        if status == httpx.codes.GONE:
            raise Gone
        if not 200 <= status < 300:
            raise Failed(f"answered with {status}", wait)


def _asked(value: str | None) -> float | None:
    """Return for how many seconds a receiver asks: a number, or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
