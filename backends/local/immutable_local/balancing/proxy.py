"""The process of the built-in balancer: ``python -m immutable_local.balancing.proxy CONFIG``.

It binds its sockets, puts itself into the background as HAProxy does, and from then on is told
what to do over a Unix socket: a line of JSON asks, a line of JSON answers.

======================================  =====================================================
``{"do": "process"}``                   ``{"pid": 123}``
``{"do": "apply", "members": [{…}, …]}``  ``{}``, once it is so
``{"do": "traffic"}``                   ``{"members": {id: {…}}, "revisions": {number: {…}}}``
anything else                           ``{"error": "…"}``
======================================  =====================================================
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from attrs import asdict

from immutable_local.balancing.checks import watch
from immutable_local.balancing.client import Client
from immutable_local.balancing.exchange import Shared
from immutable_local.balancing.members import Member, Settings

__all__ = ["LONGEST_LINE", "main"]

LONGEST_LINE: Final = 1 << 24
"""Bytes that a line of the control socket may have: some 100,000 members."""

_BACKLOG: Final = 4096
_SWEEP: Final = 0.25


def main(arguments: list[str]) -> int:
    """Listen, go into the background and serve; returns the exit status of the one that came.

    Args:
        arguments: The path of the configuration, which `BuiltinBalancer` writes.
    """
    (path,) = arguments
    config = json.loads(Path(path).read_text("utf-8"))
    try:
        front = _listen(config["host"], config["port"])
        control = _listen_privately(Path(config["socket"]))
    except OSError as error:
        # For the log, and for whoever started this.
        sys.stderr.write(f"can't listen on {config['host']}:{config['port']}: {error}\n")
        return 1
    child = os.fork()
    if child:
        Path(config["pidfile"]).write_text(f"{child}\n", "ascii")
        # At once: the child has all that there would be to tidy up.
        os._exit(0)
    _use_descriptors()
    # What is there now stays: no need to look at it in every collection.
    gc.freeze()
    asyncio.run(_serve(front, control, Settings(**config["settings"])))
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(_BACKLOG)
    return sock


def _listen_privately(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(_BACKLOG)
    return sock


def _use_descriptors() -> None:
    """Raise the number of open files to what is allowed, at most 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


async def _serve(front: socket.socket, control: socket.socket, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    shared = Shared(settings)
    clients: set[Client] = set()
    talk = _Control(shared)
    await loop.create_server(lambda: Client(shared, clients), sock=front, backlog=_BACKLOG)
    await asyncio.start_unix_server(talk.converse, sock=control, limit=LONGEST_LINE)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_sweep(shared, clients))
        if settings.check is not None:
            tasks.create_task(watch(shared.rotation, settings.check))


async def _sweep(shared: Shared, clients: set[Client]) -> None:
    """Look four times a second who has been silent for too long: cheaper than a timer each."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP)
        now = loop.time()
        shared.pool.sweep(now)
        for client in [client for client in clients if client.deadline < now]:
            client.expire()


class _Control:
    """The conversation over the control socket."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer line by line until the other side hangs up."""
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            asked = json.loads(line)
            if asked["do"] == "process":
                return {"pid": os.getpid()}
            if asked["do"] == "apply":
                self._apply([Member(**member) for member in asked["members"]])
                return {}
            if asked["do"] == "traffic":
                return self._traffic()
        except (ValueError, KeyError, TypeError) as error:
            return {"error": repr(error)}
        return {"error": f"{asked['do']!r} is not understood"}

    def _apply(self, members: list[Member]) -> None:
        gone = self._shared.rotation.apply({member.id: member for member in members})
        for server in gone:
            for exchange in tuple(server.active):
                exchange.cut()

    def _traffic(self) -> Mapping[str, Any]:
        rotation = self._shared.rotation
        return {
            "members": {name: asdict(seen) for name, seen in rotation.traffic().items()},
            "revisions": {number: asdict(seen) for number, seen in rotation.revisions().items()},
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
