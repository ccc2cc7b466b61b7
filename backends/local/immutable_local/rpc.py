"""Questions and answers between a backend and a fleet's supervisor, over a Unix socket.

One JSON object a line each way: ``{"call": name, "arguments": {…}}``, then ``{"answer": …}`` or
``{"error": {"kind": class, "message": …, …}}``. Errors arrive as what they were.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from immutable.backend import (
    BackendError,
    CapacityShortage,
    Conflict,
    Denied,
    Gone,
    Invalid,
    QuotaExceeded,
    Throttled,
    Transient,
)

__all__ = ["Handler", "Nobody", "ask", "serve"]

Handler = Callable[[dict[str, Any]], Awaitable[Any]]
"""Answers one call from its arguments."""

_LIMIT = 64 * 1024 * 1024
_KINDS: dict[str, type[BackendError]] = {
    kind.__name__: kind
    for kind in (
        CapacityShortage,
        Conflict,
        Denied,
        Gone,
        Invalid,
        QuotaExceeded,
        Throttled,
        Transient,
    )
}


class Nobody(Exception):  # Not an error of the backend: nobody listens.
    """Nobody listens on the socket; nothing was sent."""


def _described(error: BackendError) -> dict[str, Any]:
    described: dict[str, Any] = {"kind": type(error).__name__, "message": error.message}
    for name in ("owner", "zone", "retry_after"):
        if getattr(error, name, None) is not None:
            described[name] = getattr(error, name)
    return described


def _error(described: Mapping[str, Any]) -> BackendError:
    kind = _KINDS.get(described["kind"], Transient)
    more = {name: described[name] for name in described.keys() - {"kind", "message"}}
    return kind(described["message"], **more)


async def ask(
    socket: Path, call: str, arguments: Mapping[str, Any], *, seconds: float | None
) -> Any:
    """Make a call and return its answer.

    Args:
        socket: Where the supervisor listens.
        call: The name of the call.
        arguments: Its arguments, as JSON.
        seconds: How long the answer may take; None for as long as it likes.

    Raises:
        Nobody: Nobody listens; nothing was sent.
        Transient: There was no answer: the call may have taken effect.
        BackendError: What the supervisor answered.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=_LIMIT)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Nobody(str(socket)) from error
    try:
        async with asyncio.timeout(seconds):
            writer.write(json.dumps({"call": call, "arguments": dict(arguments)}).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
    except (TimeoutError, OSError, ValueError) as error:
        raise Transient(f"the supervisor did not answer {call}: {error!r}") from error
    finally:
        writer.close()
    if not line.endswith(b"\n"):
        raise Transient(f"the supervisor ended while it answered {call}")
    answer = json.loads(line)
    if "error" in answer:
        raise _error(answer["error"])
    return answer["answer"]


async def serve(
    socket: Path, handlers: Mapping[str, Handler], waits: Mapping[str, Handler]
) -> asyncio.Server:
    """Listen on *socket* and answer calls by *handlers* until the server is closed.

    Args:
        socket: Where to listen.
        handlers: What answers each call, to its end.
        waits: What may take as long as the asker stays: those end when it goes.
    """

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await _answer(handlers, line, waits, reader)
                if answer is None:
                    break
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # The asker is gone, or sends what is no line: it gets no answer.
        finally:
            writer.close()

    await asyncio.to_thread(socket.unlink, missing_ok=True)
    return await asyncio.start_unix_server(converse, str(socket), limit=_LIMIT)


async def _answer(
    handlers: Mapping[str, Handler],
    line: bytes,
    waits: Mapping[str, Handler],
    reader: asyncio.StreamReader,
) -> dict[str, Any] | None:
    """Return the answer to a question; None when nobody is there to hear it."""
    question = json.loads(line)
    name = question["call"]
    if name in waits:
        staying = asyncio.ensure_future(waits[name](question["arguments"]))
        return {"answer": None} if await _while_there(reader, staying) else None
    handler = handlers.get(name)
    if handler is None:
        return {"error": _described(Invalid(f"the supervisor knows no call {name}"))}
    try:
        return {"answer": await handler(question["arguments"])}
    except BackendError as error:
        return {"error": _described(error)}


async def _while_there(reader: asyncio.StreamReader, staying: asyncio.Future[Any]) -> bool:
    """Wait as long as the asker does, who says nothing meanwhile; returns whether it is there."""
    going = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({staying, going}, return_when=asyncio.FIRST_COMPLETED)
        return staying.done()
    finally:
        for task in (staying, going):
            task.cancel()
        await asyncio.gather(staying, going, return_exceptions=True)
