"""The metric source ``prometheus``: counters that a Prometheus has scraped."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

from immutable.errors import MetricError, RegistryError
from immutable.metrics.address import PrometheusAddress
from immutable.metrics.answers import samples
from immutable.metrics.questions import question, reading
from immutable.model import Reading, Traffic

if TYPE_CHECKING:
    import httpx

__all__ = ["PrometheusSource"]

_LARGEST = 16 * 1024 * 1024
"""Bytes of an answer that are read: some 8,000 processes with a dozen buckets each."""


class PrometheusSource:
    """Reads the counters of a fleet from the HTTP API of a Prometheus.

    A series that was there and is missing now, as after one failed scrape, keeps its last figures:
    otherwise all that it ever counted would be news when it is back.

    Args:
        address: Where it is, and what is read.
    """

    def __init__(self, address: PrometheusAddress) -> None:
        self._address = address
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()
        self._seen: dict[tuple[str, int], dict[str, Traffic]] = {}
        self._bounds: tuple[float, ...] | None = None

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return a source for a `PrometheusAddress` as text; connects to nothing.

        Raises:
            InvalidValue: The address makes no sense, or the token that it names isn't there.
            RegistryError: httpx isn't installed.
        """
        where = PrometheusAddress.parse(address)
        where.token()
        if find_spec("httpx") is None:
            raise RegistryError(
                "the metric source prometheus needs httpx; try: pip install"
                " 'immutable-sdk[prometheus]'"
            )
        return cls(where)

    async def read(self, fleet: str, revisions: tuple[int, ...]) -> Reading:
        """Return the counters of *revisions* of a fleet.

        Raises:
            MetricError: It can't be reached, refuses, or has no figures that can be judged.
            InvalidValue: The token isn't in the environment any more.
        """
        async with self._lock:
            token = self._address.token()
            query = question(self._address, fleet, revisions)
            try:
                async with asyncio.timeout(self._address.timeout):
                    status, body = await self._answer(query, token)
                # On a thread: the answer about 2,000 processes takes a third of a second.
                understood = partial(_understood, self._address, fleet, revisions, status, body)
                return self._kept(fleet, await asyncio.to_thread(understood))
            except TimeoutError as error:
                said = f"no answer within {self._address.timeout:g} s"
                raise MetricError(self._told(said, token)) from error
            except MetricError as error:
                raise MetricError(self._told(str(error), token)) from error

    async def close(self) -> None:
        """Let go of connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    # -- asking --------------------------------------------------------------------------------

    async def _answer(self, query: str, token: str | None) -> tuple[int, bytes]:
        if self._client is None:
            # On a thread: it imports httpx, and reads the certificates of this machine.
            self._client = await asyncio.to_thread(_client, self._address.timeout)
        url = f"{self._address.url.rstrip('/')}/api/v1/query"
        asked = {"query": query, "timeout": f"{self._address.timeout * 1000:.0f}ms"}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        import httpx  # It is there by now.

        body = bytearray()
        try:
            async with self._client.stream("GET", url, params=asked, headers=headers) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise MetricError(
                            f"answered with more than {_LARGEST >> 20} MiB: narrow the selectors,"
                            " or read recorded sums"
                        )
        except httpx.TimeoutException as error:
            raise TimeoutError from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MetricError(f"can't be asked: {str(error) or type(error).__name__}") from error
        return response.status_code, bytes(body)

    def _told(self, said: str, token: str | None) -> str:
        """Return a sentence about this Prometheus, without the token that a server may repeat.

        It goes into the journal and onto terminals, so only what can be printed is left.
        """
        hidden = said.replace(token, "…") if token else said
        shown = "".join(sign if sign.isprintable() else "�" for sign in hidden)
        return f"prometheus at {self._address.url}: {shown}"

    # -- keeping -------------------------------------------------------------------------------

    def _kept(self, fleet: str, now: Reading) -> Reading:
        if self._bounds not in (None, now.bounds):
            raise MetricError("the bounds of the latency buckets have changed: begin a new rollout")
        self._bounds = now.bounds
        found = {}
        for number, series in now.revisions.items():
            seen = self._seen.setdefault((fleet, number), {})
            seen.update(series)
            found[number] = dict(seen)
        return Reading(found, now.bounds)


def _understood(
    address: PrometheusAddress, fleet: str, revisions: tuple[int, ...], status: int, body: bytes
) -> Reading:
    return reading(address, fleet, revisions, samples(status, body))


def _client(timeout: float) -> httpx.AsyncClient:
    import httpx  # On first use: it is an extra.

    return httpx.AsyncClient(timeout=timeout)
