"""Asking an instance whether it serves, and whether it is itself.

A plain 200 is not enough: a stale process that still owns the port would answer for the new one.
The answer must carry the instance's identifier, in its body or in the ``Immutable-Instance``
header.
"""

from __future__ import annotations

import asyncio

__all__ = ["serves"]

_SECONDS = 2.0
_LIMIT = 64 * 1024


async def serves(port: int, path: str, instance: str) -> bool:
    """Whether the instance of that identifier answers *path* on *port* with 200.

    Args:
        port: Where it listens on 127.0.0.1.
        path: Its health path.
        instance: Who should answer.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await _get(port, path)
    except (OSError, TimeoutError):
        return False
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    words = status.split()
    named = f"immutable-instance: {instance}".lower().encode()
    itself = instance.encode() in body or named in headers.lower().split(b"\r\n")
    return len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1] == b"200" and itself


async def _get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        return await _all(reader)
    finally:
        writer.close()


async def _all(reader: asyncio.StreamReader) -> bytes:
    """Return the answer, up to a limit: who sends more is no health check."""
    answer = bytearray()
    while len(answer) < _LIMIT and (part := await reader.read(_LIMIT)):
        answer += part
    return bytes(answer)
