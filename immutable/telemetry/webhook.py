"""The hook that notifies others over HTTP: signed, repeated, and never in a rollout's way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from immutable.errors import ImmutableError, InvalidValue
from immutable.guest.fetching import member
from immutable.hooks import Drifted, Driving, LetGo, Notice
from immutable.journal import Journal
from immutable.model import Clock, Event, SystemClock
from immutable.model.records import Ended
from immutable.secrets.references import SecretRef
from immutable.secrets.resolving import resolver_for
from immutable.secrets.value import Secret
from immutable.telemetry.delivering import Delivery, Failed, Gone, Patience
from immutable.telemetry.messages import TYPES, Course, Message, of_drift
from immutable.telemetry.signing import check_key

if TYPE_CHECKING:
    import httpx

__all__ = ["Webhook"]

_log = logging.getLogger(__name__)

_KNOWN = 10_000
"""Identifiers of messages that are remembered, so that none is sent twice by one process."""


class Webhook:
    """Notifies an address of what happens to rollouts: to be installed while it is open.

    An asynchronous context manager: entered, it reads its keys; left, it sends what is waiting, for
    at most *linger* seconds. Messages are sent one after the other by a task of its own, each again
    until it has arrived or *patience* is over. Rollouts neither wait for it nor learn of it.

    Args:
        url: Where to send, ``https://…``; without encryption only on this machine, unless
            *plain* is set.
        secret: What to sign with, or where it is kept; several while it is being changed.
        types: Which messages to send, of ``immutable.telemetry.messages.TYPES``; default all.
        patience: How long to try.
        most: How many messages may wait; the oldest is dropped for one more.
        linger: Seconds to send what waits at the end.
        plain: Whether to send to other machines without encryption.

    Attributes:
        sent: How many messages have arrived.
        lost: How many were dropped or given up.

    Raises:
        ImmutableError: httpx is missing.
        InvalidValue: The address or a type makes no sense.
    """

    def __init__(
        self,
        url: str,
        secret: Secret | SecretRef | Sequence[Secret | SecretRef],
        *,
        types: Collection[str] = TYPES,
        patience: Patience | None = None,
        most: int = 1_000,
        linger: float = 10.0,
        plain: bool = False,
    ) -> None:
        if find_spec("httpx") is None:
            raise ImmutableError(
                "webhooks need httpx; install it with: pip install 'immutable-sdk[webhooks]'"
            )
        self._place = _checked(url, plain=plain)
        for name in types:
            if name not in TYPES:
                raise InvalidValue("types", name, "no such message", f"use of {', '.join(TYPES)}")
        self._url = url
        self._secrets = (secret,) if isinstance(secret, Secret | SecretRef) else tuple(secret)
        self._types = frozenset(types)
        self._patience = patience or Patience()
        self._most = most
        self._linger = linger
        self._courses: dict[str, Course] = {}
        self._waiting: deque[Message] = deque()
        self._known: dict[str, None] = {}
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.sent = self.lost = 0

    # -- being told ----------------------------------------------------------------------------

    def __call__(self, notice: Notice) -> None:
        """Take what has to be sent; returns at once."""
        what = notice.what
        match what:
            case Driving():
                course = Course(notice.rollout, notice.fleet, what.plan, what.actor)
                self._courses[notice.rollout] = course
                # What another process was told of, it may not have sent: so it is sent again.
                for event in what.events:
                    self._take(course.message(event))
            case Event():
                if notice.rollout in self._courses:
                    self._take(self._courses[notice.rollout].message(what))
            case LetGo():
                self._courses.pop(notice.rollout, None)
            case Drifted():
                self._take(of_drift(notice.fleet, notice.at, what))

    async def catch_up(
        self, journal: Journal, *, within: float, clock: Clock | None = None
    ) -> None:
        """Send what is to be said of rollouts that ended within the last *within* seconds.

        For a process that has just begun: who died between the end of a rollout and its message
        never sent it. What arrived before arrives again, under the same identifier.

        Raises:
            JournalError: It can't be read.
        """
        since = (clock or SystemClock()).now() - within
        for entry in await journal.entries():
            if not entry.status.ended:
                continue
            events = await journal.events(entry.rollout)
            if isinstance(events[-1].record, Ended) and events[-1].at >= since:
                course = Course(entry.rollout, entry.fleet, entry.plan, entry.actor)
                for event in events:
                    self._take(course.message(event))

    def _take(self, message: Message | None) -> None:
        if message is None or message.type not in self._types or message.id in self._known:
            return
        if self._closed:
            self.lost += 1
            return
        self._known[message.id] = None
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]
        if len(self._waiting) >= self._most:
            oldest = min(1, len(self._waiting) - 1)  # The very first one is on its way.
            self._lose(self._waiting[oldest], "too many wait")
            del self._waiting[oldest]
        self._waiting.append(message)
        self._idle.clear()
        self._news.set()

    def _lose(self, message: Message, why: str) -> None:
        self.lost += 1
        _log.warning("webhook %s: %s (%s) is lost: %s", self._place, message.type, message.id, why)

    # -- sending -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        keys = [await asyncio.to_thread(_key, each) for each in self._secrets]
        # On a thread: it imports httpx, and reads the certificates of this machine.
        self._client = await asyncio.to_thread(_client)
        delivery = Delivery(self._url, keys, self._patience, self._client)
        self._sending = asyncio.create_task(self._send(delivery), name="webhook")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(self._linger):
                await self._idle.wait()
        except TimeoutError:
            pass
        finally:
            self._closed = True
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            for message in self._waiting:
                self._lose(message, "it had not arrived when this process ended")
            self._waiting.clear()
            await self._client.aclose()

    async def _send(self, delivery: Delivery) -> None:
        while True:
            await self._news.wait()
            while self._waiting:
                # It stays in its place until it has arrived; it may be dropped for newer ones.
                message = self._waiting[0]
                await self._deliver(delivery, message)
                if self._waiting and self._waiting[0] is message:
                    self._waiting.popleft()
            self._news.clear()
            self._idle.set()

    async def _deliver(self, delivery: Delivery, message: Message) -> None:
        try:
            await delivery.deliver(message)
        except Failed as error:
            self._lose(message, f"{error}, for {self._patience.total:g} s")
        except Gone:
            self._closed = True
            self.lost += len(self._waiting)
            self._waiting.clear()
            _log.warning("webhook %s wants no more messages (410); none is sent", self._place)
        except Exception as error:  # noqa: BLE001  # It must not end the others; its text may hold anything.
            self._lose(message, type(error).__name__)
        else:
            self.sent += 1


def _checked(url: str, *, plain: bool) -> str:
    """Return what may be shown of an address: a path may be as good as a key.

    Raises:
        InvalidValue: It makes no sense; shows no more of it either.
    """
    try:
        parts = urlsplit(url)
        host, name = parts.hostname or "", parts.netloc.rpartition("@")[2]
        named = parts.username is not None
        parts.port  # noqa: B018  # Raises if it is none.
    except ValueError:
        host, name, named, parts = "", "", False, urlsplit("")
    shown = f"{parts.scheme}://{name}"
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidValue("url", shown, "no address of a receiver", "write https://HOST/PATH")
    if named:
        way_out = "leave them out: messages are signed"
        raise InvalidValue("url", shown, "it has credentials in it", way_out)
    if parts.scheme == "http" and not plain and host not in ("localhost", "127.0.0.1", "::1"):
        way_out = "use https, or set plain if nobody else can listen on the way"
        raise InvalidValue("url", shown, "anybody on the way could read it", way_out)
    return shown


def _client() -> httpx.AsyncClient:
    import httpx  # On first use: it is an extra.

    return httpx.AsyncClient(follow_redirects=False)


def _key(secret: Secret | SecretRef) -> Secret:
    """Return a key, read where it is kept. Blocks."""
    if isinstance(secret, SecretRef):
        resolver = resolver_for(secret.scheme)
        try:
            secret = member(resolver.resolve(secret), secret)
        finally:
            resolver.close()
    check_key(secret)
    return secret
