"""The latencies of requests, followed in the ring that HAProxy logs them to."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from immutable_local.balancing.haproxy_api import RING, answered, revision_of
from immutable_local.balancing.latency import BOUNDS, Latency, bucket

__all__ = ["Ring"]

_GATHER: Final = 0.05
_CHUNK: Final = 1 << 18


def _none() -> list[int]:
    return [0] * (len(BOUNDS) + 1)


class Ring:
    """Counts the latencies of one HAProxy process, from a task in the background.

    Args:
        socket: The path of HAProxy's control socket.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._pid: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._present: defaultdict[str, list[int]] = defaultdict(_none)
        self._past: defaultdict[int, list[int]] = defaultdict(_none)

    async def follow(self, pid: int) -> bool:
        """Read along with the process *pid* from here on.

        Of a process that is new to this driver the whole ring is read, and what was counted
        before is dropped with the process that it came from. Returns whether it is new.
        """
        new = pid != self._pid
        if not new and self._task is not None and not self._task.done():
            return False
        await self.close()
        self._pid = pid
        if new:
            self._present.clear()
            self._past.clear()
        self._task = asyncio.create_task(self._read(new=new), name="latencies of HAProxy")
        return new

    async def close(self) -> None:
        """Stop reading."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def by_server(self) -> dict[str, Latency]:
        """Return the latencies by HAProxy's names for the servers."""
        return {name: Latency(counts) for name, counts in self._present.items()}

    def by_revision(self) -> dict[int, Latency]:
        """Return the latencies by revision, servers that are gone included."""
        found = {number: Latency(counts) for number, counts in self._past.items()}
        for name, counts in self._present.items():
            number = revision_of(name) or 0
            found[number] = found.get(number, Latency()) + Latency(counts)
        return found

    def forget(self, present: Collection[str]) -> None:
        """Keep the latencies of servers that aren't *present* only as their revision's."""
        for name in [name for name in self._present if name not in present]:
            past = self._past[revision_of(name) or 0]
            for number, count in enumerate(self._present.pop(name)):
                past[number] += count

    async def _read(self, *, new: bool) -> None:
        """Count until HAProxy is gone; whoever starts it again lets it be followed again."""
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self._socket)
            try:
                writer.write(f"show events {RING} -w{'' if new else ' -n'}\n".encode())
                rest = b""
                while data := await reader.read(_CHUNK):
                    *whole, rest = (rest + data).split(b"\n")
                    for line in whole:
                        self._count(line.decode("ascii", "replace"))
                    # A thousand lines at a time cost a tenth of what single ones do.
                    await asyncio.sleep(_GATHER)
            finally:
                writer.close()

    def _count(self, line: str) -> None:
        seen = answered(line)
        if seen is not None:
            name, seconds = seen
            self._present[name][bucket(seconds)] += 1
