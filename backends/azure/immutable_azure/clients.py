"""Azure's own clients: imported and made on first use, with one session for all of them."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from immutable_azure.address import Place

__all__ = ["Clients"]

_SCOPE = "https://management.azure.com/.default"
_CONNECT = 10.0


def _modules() -> dict[str, Any]:
    """Import what is needed; takes 0.6 s and 100 MB, so never before it is used."""
    import aiohttp
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.mgmt.compute.aio import ComputeManagementClient
    from azure.mgmt.monitor.aio import MonitorManagementClient
    from azure.mgmt.network.aio import NetworkManagementClient

    return {
        "aiohttp": aiohttp,
        "transport": AioHttpTransport,
        "compute": ComputeManagementClient,
        "network": NetworkManagementClient,
        "monitor": MonitorManagementClient,
    }


class Clients:
    """The clients of one subscription.

    A client that is given a certificate's path reads it for every request, so they share one
    session that has read it once. Their own repetitions are off: a status with Retry-After would
    be repeated for every method, and slept out in full.

    Args:
        place: Where to.
        credential: Whose permissions; None for azure-identity's usual search.
        timeout: Seconds that an answer may take.
        interval: Seconds between looks at an operation that doesn't say when to look.
    """

    def __init__(self, place: Place, credential: Any, timeout: float, interval: float) -> None:
        self._place = place
        self._credential = credential
        self._own = credential is None
        self._timeout, self._interval = timeout, interval
        self._session: Any = None
        self._made: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> Any:
        """Return the client of that name: ``compute``, ``network`` or ``monitor``."""
        async with self._lock:
            if not self._made:
                await self._make()
        return self._made[name]

    async def _make(self) -> None:
        modules = await asyncio.to_thread(_modules)
        trusted = await asyncio.to_thread(self._context)
        aiohttp = modules["aiohttp"]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=True,
        )
        # aiohttp repeats some requests whose connection died, and has no door to say no.
        self._session._retry_connection = False  # noqa: SLF001
        if self._credential is None:
            self._credential = await asyncio.to_thread(self._usual)
        options: dict[str, Any] = {
            "transport": modules["transport"](
                session=self._session,
                session_owner=False,
                connection_timeout=_CONNECT,
                read_timeout=self._timeout,
            ),
            "credential_scopes": [_SCOPE],
            "polling_interval": self._interval,
            "retry_total": 0,
            "user_agent": "immutable-azure",
        }
        if self._place.endpoint:
            options["base_url"] = self._place.endpoint
        for name in ("compute", "network", "monitor"):
            self._made[name] = modules[name](self._credential, self._place.subscription, **options)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._place.ca_bundle)

    def _usual(self) -> Any:
        from azure.identity.aio import DefaultAzureCredential

        tenant = self._place.tenant
        options = {"additionally_allowed_tenants": [tenant]} if tenant else {}
        return DefaultAzureCredential(**options)

    async def close(self) -> None:
        """Let go of connections, and of the credential where it is ours."""
        for client in self._made.values():
            await client.close()
        self._made = {}
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._own and self._credential is not None:
            await self._credential.close()
            self._credential = None
