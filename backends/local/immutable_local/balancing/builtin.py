"""Our own proxy, where HAProxy can't be had: a process of Python, driven over a Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final

from attrs import asdict

from immutable.backend import Transient
from immutable_local.balancing.base import Balancer
from immutable_local.balancing.detached import Program
from immutable_local.balancing.latency import Latency
from immutable_local.balancing.members import Member, Traffic, checked

__all__ = ["BuiltinBalancer"]

_ANSWER: Final = 5.0
_LONGEST_LINE: Final = 1 << 24
_MODULE: Final = "immutable_local.balancing.proxy"


class BuiltinBalancer(Balancer):
    """Our own HTTP/1.1 proxy in front of the members.

    All counts are the proxy's: they survive this driver, and are lost with the proxy. A change of
    the membership is one message, carried out between two requests.
    """

    name: ClassVar[str] = "builtin"

    async def apply(self, members: Mapping[str, Member]) -> None:
        """Make *members* the whole membership; see `Balancer.apply`."""
        wanted = [asdict(member) for member in checked(members).values()]
        async with self._lock:
            await self._ask("apply", members=wanted)

    async def traffic(self) -> Mapping[str, Traffic]:
        """Return what went through to each present member; see `Balancer.traffic`."""
        seen = (await self._ask("traffic"))["members"]
        return {name: _traffic(values) for name, values in seen.items()}

    async def revisions(self) -> Mapping[int, Traffic]:
        """Return the same by revision; see `Balancer.revisions`."""
        seen = (await self._ask("traffic"))["revisions"]
        return {int(number): _traffic(values) for number, values in seen.items()}

    async def close(self) -> None:
        """Do nothing: no connection outlives its question."""

    async def _attached(self, pid: int) -> None:
        """Do nothing: the proxy keeps the counts itself."""

    async def _pid(self) -> int | None:
        try:
            return int((await self._ask("process"))["pid"])
        except (Transient, KeyError, ValueError, TypeError):
            return None

    async def _program(self) -> Program:
        configuration = str(self._state / "proxy.json")
        return Program(
            argv=(sys.executable, "-m", _MODULE, configuration),
            marks=("-m", _MODULE, configuration),
            pidfile=self._state / "proxy.pid",
            log=self._state / "proxy.log",
            # It finds what we find, installed or not.
            environment={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    def _files(self) -> Mapping[Path, str]:
        configuration = {
            "host": self.host,
            "port": self.port,
            "socket": str(self._socket),
            "pidfile": str(self._state / "proxy.pid"),
            "settings": asdict(self.settings),
        }
        return {self._state / "proxy.json": json.dumps(configuration, indent=2)}

    async def _ask(self, what: str, **arguments: object) -> dict[str, Any]:
        """Send one message and return its answer."""
        line = json.dumps({"do": what, **arguments}).encode() + b"\n"
        try:
            async with asyncio.timeout(_ANSWER):
                reader, writer = await asyncio.open_unix_connection(
                    self._socket, limit=_LONGEST_LINE
                )
                try:
                    writer.write(line)
                    answer = json.loads(await reader.readline())
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, ValueError) as error:
            raise Transient(f"{self} does not answer: {error!r}") from error
        if not isinstance(answer, dict) or "error" in answer:
            raise Transient(f"{self} did not understand {what!r}: {answer!r}")
        return answer

    def __str__(self) -> str:
        return f"the built-in proxy on {self._netloc}"


def _traffic(values: dict[str, Any]) -> Traffic:
    one, two, three, four, five = values.pop("responses")
    latency = Latency(values.pop("latency")["counts"])
    return Traffic(**values, responses=(one, two, three, four, five), latency=latency)
