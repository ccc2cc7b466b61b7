"""Calling Azure: one request a call, nothing repeated, plain JSON in and out."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from immutable.backend import (
    BackendError,
    CapacityShortage,
    Clock,
    QuotaExceeded,
    Throttled,
    Transient,
)
from immutable.toolkit.servertime import ServerTime
from immutable.toolkit.turns import Turns
from immutable_azure.address import Place
from immutable_azure.clients import Clients
from immutable_azure.faults import is_code, retry_after, translated
from immutable_azure.pace import Gate, shared_gate

__all__ = ["COMPUTE", "MEMBERS", "MONITOR", "POOLS", "READ_TIMEOUT", "SETS", "Calls"]

READ_TIMEOUT = 45.0
"""Seconds that an answer may take: with the connection less than an attempt of the engine's."""
COMPUTE, MONITOR = "compute", "monitor"
SETS = "compute.virtual_machine_scale_sets"
MEMBERS = "compute.virtual_machine_scale_set_vms"
POOLS = "network.load_balancer_backend_address_pools"
_PREEMPTED = ("OperationPreempted", "CanceledAndSupersededDueToAnotherOperation")
_WAIT = 20.0

T = TypeVar("T")


class Calls:
    """The door to Azure.

    Args:
        place: Where to.
        clock: Our wall clock.
        credential: Whose permissions; None for azure-identity's usual search.
        timeout: Seconds that an answer may take.
        interval: Seconds between looks at an operation that doesn't say when to look.

    Attributes:
        made: How often each operation was asked for, by name.
        turns: Who changes what: one change of a fleet at a time.
    """

    def __init__(
        self,
        place: Place,
        clock: Clock,
        credential: Any = None,
        timeout: float = READ_TIMEOUT,
        interval: float = 1.0,
    ) -> None:
        self.place = place
        self.made: Counter[str] = Counter()
        self._clock = clock
        self._time = ServerTime()
        self._clients = Clients(place, credential, timeout, interval)
        self.turns = Turns()

    def now(self) -> float:
        """Return the time by Azure's clock, in seconds since the epoch."""
        return self._time.at(self._clock.now())

    async def close(self) -> None:
        """Let go of connections."""
        await self._clients.close()

    async def ask(self, name: str, *args: Any, about: str = "", **options: Any) -> Any:
        """Make one request, and return the JSON of its answer.

        Args:
            name: Client, group and operation, such as ``compute.usage.list``.
            args: What the operation takes.
            about: The resource, for the message of an error.
            options: What else the operation takes.

        Raises:
            BackendError: What Azure answered, as the engine understands it.
        """

        async def send(operation: Callable[..., Any], extra: dict[str, Any]) -> Any:
            found = operation(*args, cls=_raw, **options, **extra)
            return await found if asyncio.iscoroutine(found) else found

        return await self._made_request(name, about, send)

    async def pages(self, name: str, *args: Any, about: str = "", **options: Any) -> list[Any]:
        """Return what all pages of a list have.

        Raises:
            BackendError: A page can't be had: then nothing is told of the others.
        """

        async def send(operation: Callable[..., Any], extra: dict[str, Any]) -> list[Any]:
            return [_plain(each) async for each in operation(*args, **options, **extra)]

        found: list[Any] = await self._made_request(name, about, send)
        return found

    async def read(self, path: str, version: str) -> list[Any]:
        """Return what all pages below a path have, which none of the clients knows.

        Raises:
            BackendError: A page can't be had.
        """
        from azure.core.rest import HttpRequest

        async def send(operation: Callable[..., Any], extra: dict[str, Any]) -> list[Any]:
            found: list[Any] = []
            place, query = path, {"api-version": version}
            while place:
                answer = await operation(HttpRequest("GET", place, params=query), **extra)
                answer.raise_for_status()
                told = json.loads(await answer.read())
                found += told.get("value") or []
                place, query = told.get("nextLink") or "", {}
            return found

        found: list[Any] = await self._made_request("compute.send_request", path, send)
        return found

    async def begin(
        self, name: str, *args: Any, about: str = "", wait: bool = False, **options: Any
    ) -> Any:
        """Begin a long-running operation; wait for its end only if it is one of seconds.

        One that was pre-empted by a later one was taken over by that, and counts as done.

        Args:
            name: As in `ask`.
            args: What the operation takes.
            about: The resource, for the message of an error.
            wait: Whether to wait for its end, for 20 s at most.
            options: What else the operation takes.

        Raises:
            Transient: It has begun and isn't over yet.
            BackendError: What Azure answered, or why the operation failed.
        """

        async def send(operation: Callable[..., Any], extra: dict[str, Any]) -> Any:
            how = {} if wait else {"polling": False}
            poller = await operation(*args, **how, **options, **extra)
            if not wait:
                return await poller.result()
            # A wait that is given up ends nothing: the operation goes on in Azure.
            return await asyncio.wait_for(poller.result(), _WAIT)

        try:
            return await self._made_request(name, about, send)
        except BackendError as error:
            if wait and _taken_over(error):
                return None
            raise

    async def _made_request(self, name: str, about: str, send: Callable[..., Awaitable[T]]) -> T:
        gate, door = shared_gate(self.place.subscription), f"{name} {about}".strip()
        await gate.turn(door)
        self.made[name] += 1
        client, *words = name.split(".")
        try:
            operation = await self._clients.get(client)
            for word in words:
                operation = getattr(operation, word)
            return await send(operation, {"raw_response_hook": self._listener()})
        except BackendError:
            raise
        except TimeoutError as error:
            raise Transient(f"{door}: not over after {_WAIT:g} s") from error
        except Exception as error:
            raise self._meant(error, name, about, gate, door) from error

    @staticmethod
    def _meant(error: Exception, name: str, about: str, gate: Gate, door: str) -> BackendError:
        meant = translated(error, name.split(".", 1)[1], about)
        if isinstance(meant, Throttled) and getattr(error, "status_code", None) == 429:
            response: Any = error.response  # type: ignore[attr-defined]
            wait = gate.refused(door, retry_after(response.headers))
            return Throttled(str(meant), retry_after=wait)
        return meant

    def _listener(self) -> Callable[[Any], None]:
        """Return what is told of every answer of a request, those of its polls included."""
        sent = self._clock.now()

        def heard(response: Any) -> None:
            nonlocal sent
            now = self._clock.now()
            date = response.http_response.headers.get("Date")
            if date:
                self._time.heard(date, sent, now)
            sent = now

        return heard


def _taken_over(error: BackendError) -> bool:
    """Return whether what was asked for is so, though the operation didn't end well.

    A later change took over from it; or all that failed is to launch what an earlier one had asked
    for, which every change of a set tries again.
    """
    if is_code(error, *_PREEMPTED):
        return True
    operation = getattr(error.__cause__, "status_code", None) == 200
    return operation and isinstance(error, (CapacityShortage, QuotaExceeded))


def _raw(response: Any, _deserialized: Any, _headers: Any) -> Any:
    """Return the JSON that was answered, not what a client makes of it."""
    text = response.http_response.text()
    return json.loads(text) if text else None


def _plain(model: Any) -> Any:
    """Return a client's value as the JSON that it was made from."""
    if hasattr(model, "serialize"):
        return model.serialize(keep_readonly=True)
    return model.as_dict()
