"""A simulated cloud that several processes share, for controllers that are killed.

The cloud lives in the process that serves it, on a Unix socket. Only for tests: it trusts whoever
can open the socket.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from immutable.backend import Backend, BackendError, Transient
from immutable.memory import MemoryBackend

__all__ = ["opened", "serving"]

_CALLS = (
    "fleets", "observe", "preflight", "resolve", "create_revision", "grow", "settle", "retire",
    "delete_revision", "hold", "release", "route", "traffic",
)  # fmt: skip


async def _send(writer: asyncio.StreamWriter, message: object) -> None:
    data = pickle.dumps(message)
    writer.write(len(data).to_bytes(4, "big") + data)
    await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(4), "big")
    return pickle.loads(await reader.readexactly(size))


@asynccontextmanager
async def serving(backend: MemoryBackend, path: Path) -> AsyncIterator[None]:
    """Let other processes use *backend* through a socket at *path*."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                name, args, kwargs = await _receive(reader)
                try:
                    await _send(writer, (True, await getattr(backend, name)(*args, **kwargs)))
                except BackendError as error:
                    await _send(writer, (False, error))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_unix_server(answer, path):
        yield


class SharedBackend(MemoryBackend):
    """The cloud behind a socket, whose path is in the environment or given."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.capabilities = evolve(type(self).capabilities, poll=2.0, late_effect=5.0)
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        self._streams = await asyncio.open_unix_connection(self._path)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def _ask(self, name: str, *args: object, **kwargs: object) -> Any:
        assert self._streams is not None
        reader, writer = self._streams
        async with self._turn:
            # A caller that is cancelled must not leave an answer for the next.
            asked = asyncio.ensure_future(self._exchange(reader, writer, (name, args, kwargs)))
            try:
                good, answer = await asyncio.shield(asked)
            except asyncio.CancelledError:
                await asyncio.wait({asked})
                raise
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise Transient("the cloud is gone") from error
        if not good:
            raise answer
        return answer

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: object
    ) -> Any:
        await _send(writer, message)
        return await _receive(reader)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SharedBackend]:
    """The cloud behind a socket."""
    backend = SharedBackend(path)
    await backend.open()
    yield backend
    await backend.close()


def _forwarding(name: str) -> Any:
    async def call(self: SharedBackend, *args: object, **kwargs: object) -> Any:
        return await self._ask(name, *args, **kwargs)

    return call


for _name in _CALLS:
    if hasattr(Backend, _name) or hasattr(MemoryBackend, _name):
        setattr(SharedBackend, _name, _forwarding(_name))
