"""Calling AWS: boto3 on threads of our own, one request a call, nothing repeated."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from immutable.backend import BackendError, Clock, Throttled
from immutable.toolkit.servertime import ServerTime
from immutable.toolkit.threads import Threads
from immutable_aws.address import Place
from immutable_aws.clients import Clients
from immutable_aws.faults import translated
from immutable_aws.pace import shared_pace

__all__ = ["READ_TIMEOUT", "Answer", "Calls"]

Answer = dict[str, Any]

_WORKERS = 8
READ_TIMEOUT = 45.0
"""Seconds that an answer may take: with the connection less than an attempt of the engine's."""
_NEXT = ("NextToken", "NextMarker")


class Calls:
    """The door to AWS.

    boto3 blocks: it runs on threads of this object, so that nobody else's wait for them. A thread
    whose caller was cancelled ends within the timeouts, 50 s together.

    Args:
        place: Where to.
        clock: Our wall clock.
        timeout: Seconds that an answer may take.

    Attributes:
        made: How often each API was asked, by service and name.
        turns: Who changes what: one change of a fleet at a time.
    """

    def __init__(self, place: Place, clock: Clock, timeout: float = READ_TIMEOUT) -> None:
        self.place = place
        self.made: Counter[tuple[str, str]] = Counter()
        self._clock = clock
        self._time = ServerTime()
        self._threads = Threads("immutable-aws", _WORKERS)
        self.turns = self._threads.turns
        self._clients = Clients(place, timeout, _WORKERS)

    def now(self) -> float:
        """Return the time by AWS's clock, in seconds since the epoch."""
        return self._time.at(self._clock.now())

    def close(self) -> None:
        """Let go of threads and connections; requests that are under way run out by themselves."""
        self._threads.close()

    async def ask(
        self, service: str, call: str, *, about: str = "", turn: str | None = None, **params: Any
    ) -> Answer:
        """Make one request.

        Args:
            service: boto3's name of the service.
            call: The API's name.
            about: The resource, for the message of an error.
            turn: Whose turn it is a part of: the next one waits until the request is over, even
                when this call is cancelled.
            params: The API's parameters.

        Raises:
            BackendError: What AWS answered, as the engine understands it.
        """
        pace = shared_pace(self.place)
        await pace.turn(service, call)
        self.made[service, call] += 1
        try:
            answer = await self._threads.run(lambda: self._request(service, call, params), turn)
        except BackendError:
            raise
        except Exception as error:
            meant = translated(error, call, about)
            if isinstance(meant, Throttled):
                pace.bucket(service, call).refused(asyncio.get_running_loop().time())
            raise meant from error
        pace.bucket(service, call).accepted()
        return answer

    async def pages(self, service: str, call: str, key: str, **params: Any) -> list[Answer]:
        """Return what all pages of an answer have under *key*.

        Raises:
            BackendError: A page can't be had: then nothing is told of the others.
        """
        found: list[Answer] = []
        more: dict[str, str] = {}
        while True:
            answer = await self.ask(service, call, **params, **more)
            found += answer.get(key, [])
            name = next((name for name in _NEXT if answer.get(name)), None)
            if name is None:
                return found
            more = {"Marker" if name == "NextMarker" else name: answer[name]}

    def _request(self, service: str, call: str, params: dict[str, Any]) -> Answer:
        from botocore import xform_name

        client = self._clients.of(service)
        sent = self._clock.now()
        answer: Answer = getattr(client, xform_name(call))(**params)
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if "date" in headers:
            self._time.heard(headers["date"], sent, self._clock.now())
        return answer

    async def shape(self, service: str, name: str) -> Any:
        """Return botocore's description of a structure, such as what a request may hold."""

        def find() -> Any:
            return self._clients.of(service).meta.service_model.shape_for(name)

        return await self._threads.run(find)
