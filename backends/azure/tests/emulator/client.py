"""The emulator for a test: started, spoken to, stopped."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from typing import Any, Self

from attrs import frozen

from tests.emulators.process import Process

from .ids import SUBSCRIPTION

VERSIONS = {
    "Microsoft.Compute/galleries": "2026-03-03",
    "Microsoft.Compute": "2026-04-01",
    "Microsoft.Network": "2026-03-01",
    "Microsoft.Insights": "2022-10-01",
    "": "2021-04-01",
}


@frozen
class StaticCredential:
    """A credential for the asynchronous clients: one token, for everybody.

    Args:
        token: what the emulator wants to be shown.
    """

    token: str

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        """The token."""
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, int(time.time()) + 3600)

    async def close(self) -> None:
        """There is nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return "StaticCredential(…)"


class Emulator(Process):
    """A process of its own that answers as the Resource Manager would, on a loopback port.

    Every command of `control.py` is a method: `emulator.laws(boot=2)`, `emulator.members()`.

    Args:
        location: the region that it is.
        plain: http instead of https; the clients refuse it unless they are told not to.
    """

    subscription = SUBSCRIPTION

    def __init__(self, location: str = "westeurope", *, plain: bool = False) -> None:
        words = ["--location", location, *(["--plain"] if plain else [])]
        super().__init__("backends.azure.tests.emulator", *words)
        self.location = location
        assert self._process.stdout is not None
        self.token = self._process.stdout.readline().strip()
        self.trusted = self._process.stdout.readline().strip()
        self._context = ssl.create_default_context(cafile=self.trusted) if self.trusted else None
        self._connection = self._connect()
        self._lock = threading.Lock()

    def _connect(self) -> http.client.HTTPConnection:
        host = self.url.split("://")[1]
        if self._context is None:
            return http.client.HTTPConnection(host, timeout=60)
        return http.client.HTTPSConnection(host, timeout=60, context=self._context)

    def context(self) -> ssl.SSLContext | None:
        """Whom to trust; for `aiohttp.TCPConnector(ssl=…)` too."""
        return self._context

    def credential(self) -> StaticCredential:
        """A credential for the asynchronous clients."""
        return StaticCredential(self.token)

    def expire(self) -> None:
        """The token that was given out so far is none any more; new credentials have another one."""
        self.token = self.order("expire")

    def transport(self) -> Any:
        """A transport for several asynchronous clients, with one session; close it at the end.

        The clients' own `connection_verify=path` reads the certificates for each request.
        """
        import aiohttp
        from azure.core.pipeline.transport import AioHttpTransport

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._context or True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return AioHttpTransport(session=session, session_owner=True)

    def arm(self, method: str, path: str, body: Any = None, *, wait: bool = True) -> Any:
        """One request without a client, and its end: for what exists before a test.

        Raises:
            RuntimeError: it was refused, or its operation failed.
        """
        kind = path.rsplit("/providers/", maxsplit=1)[-1] if "/providers/" in path else ""
        version = next(v for k, v in VERSIONS.items() if kind.lower().startswith(k.lower()))
        headers, said = self._ask(method, f"{self.url}{path}?api-version={version}", body)
        place = headers.get("Azure-AsyncOperation")
        while place and wait:
            _, told = self._ask("GET", place)
            if told["status"] == "Failed":
                raise RuntimeError(f"{method} {path}: {told['error']}")
            if told["status"] == "Succeeded":
                return self._ask("GET", f"{self.url}{path}?api-version={version}")[1] if method in {"PUT", "PATCH"} else said  # fmt: skip
            time.sleep(0.005)  # Another process has to come so far.
        return said

    def order(self, name: str, /, **words: Any) -> Any:
        """Give a command.

        Raises:
            RuntimeError: it failed; says why.
        """
        status, _, said = self._send("POST", f"/_emulator/{name}", words)
        if status != 200:
            raise RuntimeError(said["error"])
        return said

    def _ask(self, method: str, url: str, body: Any = None) -> tuple[Any, Any]:
        status, headers, said = self._send(method, url.removeprefix(self.url), body)
        if status >= 400:
            raise RuntimeError(f"{method} {url}: {status} {said}")
        return headers, said

    def _send(self, method: str, path: str, body: Any) -> tuple[int, Any, Any]:
        """Over one connection that stays open: a test makes hundreds of requests."""
        data = None if body is None else json.dumps(body).encode()
        heads = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with self._lock:
            for left in (1, 0):
                try:
                    self._connection.request(method, path, data, heads)
                    reply = self._connection.getresponse()
                    said = reply.read()
                    return reply.status, reply.headers, json.loads(said) if said else None
                except (http.client.HTTPException, ConnectionError):
                    self._connection.close()
                    if not left:
                        raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        super().close()
