"""Asking members whether they are well, as HAProxy does it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from immutable_local.balancing.rotation import Rotation, Server

__all__ = ["watch"]

_PAUSE: Final = 0.2
_PATIENCE: Final = 2.0
_FALL: Final = 2


async def watch(rotation: Rotation[Any], path: str) -> None:
    """Ask every member for *path* five times a second, for ever.

    One that twice in a row doesn't answer with 200 is passed over until it does again.
    """
    failures: dict[Server[Any], int] = {}
    while True:
        servers = list(rotation.servers.values())
        well = await asyncio.gather(*(_ask(server, path) for server in servers))
        failures = {
            server: 0 if fine else failures.get(server, 0) + 1
            for server, fine in zip(servers, well, strict=True)
        }
        for server, count in failures.items():
            server.ailing = count >= _FALL
        await asyncio.sleep(_PAUSE)


async def _ask(server: Server[Any], path: str) -> bool:
    with suppress(OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PATIENCE):
            member = server.member
            reader, writer = await asyncio.open_connection(member.host, member.port)
            try:
                request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                writer.write(request.encode("ascii"))
                line = await reader.readuntil(b"\r\n")
                return line.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))
            finally:
                writer.close()
    return False
