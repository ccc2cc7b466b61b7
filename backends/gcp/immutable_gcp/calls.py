"""Calling Compute Engine: threads of our own, one request a call, operations waited for here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from immutable.backend import BackendError, Clock, Throttled, Transient
from immutable.toolkit.servertime import ServerTime
from immutable.toolkit.threads import Threads
from immutable_gcp.address import Place
from immutable_gcp.clients import Answer, Clients
from immutable_gcp.faults import failed, translated
from immutable_gcp.names import last_part, request_id, scope_of

__all__ = ["TIMEOUT", "Answer", "Calls"]

T = TypeVar("T")

_WORKERS = 12
TIMEOUT = 40.0
"""Seconds that an answer may take."""
_WAIT = 10.0
"""Seconds that one request to wait for an operation may take."""
_PATIENCE = 45.0
"""Seconds for which a call waits for its operation: less than an attempt of the engine's."""
_PAUSE = 0.02, 1.0


class Calls:
    """The door to Compute Engine.

    The client blocks, so it runs on threads of this object. Its own waiting for operations goes to
    compute.googleapis.com whatever endpoint it was given, and takes one with ``error.errors`` alone
    for a success; so plain ``*_unary`` calls are made and operations are asked for here.

    Args:
        place: Where to.
        clock: Our wall clock.
        credentials: Of google-auth; None finds Application Default Credentials.
        timeout: Seconds that an answer may take.

    Attributes:
        made: How many requests were made, by service and method; pages count.
        turns: Who changes what: one change of a fleet at a time.
    """

    def __init__(
        self, place: Place, clock: Clock, credentials: Any = None, timeout: float = TIMEOUT
    ) -> None:
        self.place = place
        self.made: Counter[tuple[str, str]] = Counter()
        self._clock = clock
        self._timeout = timeout
        self._time = ServerTime()
        self._clients = Clients(place, credentials, self._heard)
        self._threads = Threads("immutable-gcp", _WORKERS)
        self.turns = self._threads.turns
        self._spent: Counter[str] = Counter()

    def now(self) -> float:
        """Return the time by Google's clock, in seconds since the epoch."""
        return self._time.at(self._clock.now())

    def _heard(self, date: str, took: float) -> None:
        received = self._clock.now()
        self._time.heard(date, received - took, received)

    def close(self) -> None:
        """Let go of the threads; requests that are under way run out by themselves."""
        self._threads.close()

    # -- requests ------------------------------------------------------------------------------

    async def ask(
        self,
        service: str,
        method: str,
        *,
        about: str = "",
        turn: str | None = None,
        patience: float | None = None,
        **request: Any,
    ) -> Answer:
        """Make one request in the project.

        Args:
            service: Its folder's name in the client.
            method: Its name there.
            about: The resource, for the message of an error.
            turn: Whose turn it is a part of: the next one waits until the request is over, even
                when this call is cancelled.
            patience: Seconds that the answer may take, where that isn't the usual.
            request: Its fields.

        Raises:
            BackendError: What Google answered, as the engine understands it.
        """
        answer: Answer = await self._answer(service, method, about, turn, patience, request)
        return answer

    async def listed(self, service: str, method: str = "list", **request: Any) -> list[Answer]:
        """Return the items of all pages of a list.

        Raises:
            BackendError: A page can't be had: then nothing is told of the others.
        """
        pages = await self._answer(service, method, "", None, None, request)
        self.made[service, method] += max(0, len(pages) - 1)
        return [item for page in pages for item in page["items"]]

    async def _answer(
        self,
        service: str,
        method: str,
        about: str,
        turn: str | None,
        patience: float | None,
        request: Answer,
    ) -> Any:
        self.made[service, method] += 1
        fields = {"project": self.place.project, **request}
        limit = patience or self._timeout
        call = f"{service}.{method.removesuffix('_unary')}"
        return await self._run(
            lambda: self._clients.request(service, method, fields, limit), call, about, turn
        )

    async def _run(
        self, work: Callable[[], T], call: str, about: str = "", turn: str | None = None
    ) -> T:
        try:
            return await self._threads.run(work, turn)
        except BackendError:
            raise
        except Exception as error:
            raise translated(error, call, about) from error

    async def fetch(
        self, host: str, path: str, parameters: list[tuple[str, str]], *, about: str
    ) -> Answer:
        """Make one GET request to another API of Google's.

        Args:
            host: Where it is, unless the place names an endpoint.
            path: The path.
            parameters: The query; a name may come more than once.
            about: The call, for the message of an error.

        Raises:
            BackendError: What Google answered, as the engine understands it.
        """
        service, _, method = about.partition(".")
        self.made[service, method] += 1
        url = f"{self.place.endpoint or host}{path}"
        return await self._run(lambda: self._clients.fetch(url, parameters, self._timeout), about)

    async def change(
        self, service: str, method: str, *, about: str, turn: str, token: str, **request: Any
    ) -> Answer:
        """Make one request that changes something, and wait until that is done.

        Args:
            service: As in `ask`.
            method: Its name, without ``_unary``.
            about: The resource.
            turn: Whose turn it is a part of.
            token: What tells this call of the contract from others.
            request: Its fields.

        Returns:
            The operation.

        Raises:
            Throttled: It was refused; nothing happened.
            Transient: It may have happened, or may yet.
            BackendError: It failed.
        """
        call = f"{service}.{method}"
        key = request_id(token, call, request, 0)
        known = request_id(token, call, request, self._spent[key])
        operation = await self.ask(
            service, f"{method}_unary", about=about, turn=turn, request_id=known, **request
        )
        try:
            operation = await self._ended(operation, about, turn, request.get("project"))
        except Throttled as error:
            raise Transient(f"{about}: its operation can't be asked for: {error}") from error
        wrong = failed(operation, call, about)
        if wrong is not None:
            # The same request under the same id would be answered with this operation again.
            self._spent[key] += 1
            raise wrong
        return operation

    async def _ended(
        self, operation: Answer, about: str, turn: str, project: str | None = None
    ) -> Answer:
        """Wait until an operation is over; it is in the project of what it changes."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + _PATIENCE, _PAUSE[0]
        where = scope_of(operation.get("zone", "") or operation.get("region", ""))
        kind = next((f"{name}_operations" for name in where), "global_operations")
        where |= {"project": project} if project else {}
        name = last_part(operation["name"])
        while operation.get("status") != "DONE":
            if loop.time() > end:
                raise Transient(f"{about}: operation {name} is not done yet")
            waited = await self._wait(kind, name, about, turn, where)
            operation = waited or operation
            if operation.get("status") != "DONE":
                # It waits itself, at best effort: it may return at once.
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])
        return operation

    async def _wait(
        self, kind: str, name: str, about: str, turn: str, where: Answer
    ) -> Answer | None:
        """Wait for an operation for a while; None when no answer came, so that it still runs."""
        try:
            return await self.ask(
                kind, "wait", about=about, turn=turn, patience=_WAIT, operation=name, **where
            )
        except Transient as error:
            if "Timeout" in type(error.__cause__).__name__:
                return None
            raise
