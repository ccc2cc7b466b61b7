"""Servers to balance between, strict clients that don't retry, and load made of both."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from attrs import define, field

from immutable_local.balancing import Balancer, Member

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def free_port() -> int:
    """Return a port below the ephemeral range that nobody listens on."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


async def until(condition: Callable[[], Awaitable[Any]], patience: float = 60.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(patience):
        while not await condition():
            await asyncio.sleep(0.01)


# -- servers --------------------------------------------------------------------------------------


@define(eq=False)
class Site:
    """A small HTTP/1.1 server that says who it is.

    Attributes:
        name: Who it is; its member's id.
        revision: Its member's revision.
        port: Where it listens.
        heads: Requests' heads as they arrived.
        active: How many requests it is working on.
        opened: How many connections it has accepted.
        sent: How many bytes of a big answer it got rid of.
        well: Whether /healthz answers 200.
    """

    name: str
    revision: int = 1
    port: int = field(factory=free_port)
    heads: list[bytes] = field(factory=list)
    active: int = 0
    opened: int = 0
    sent: int = 0
    well: bool = True
    gate: asyncio.Event = field(factory=asyncio.Event)
    writers: set[Writer] = field(factory=set)
    server: asyncio.Server | None = None

    @property
    def member(self) -> Member:
        return Member(self.name, "127.0.0.1", self.port, self.revision)

    @property
    def requests(self) -> int:
        return len(self.heads)

    async def start(self) -> None:
        self.server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, backlog=1000, limit=1 << 20
        )

    async def stop(self) -> None:
        """Close the listener, and every connection at once."""
        if self.server is not None:
            self.server.close()
        self.gate.set()
        for writer in tuple(self.writers):
            writer.transport.abort()
        await until(self._quiet)

    async def _quiet(self) -> bool:
        return not self.writers

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.opened += 1
        self.writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _one(self, reader: Reader, writer: Writer) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split(b" ", 2)[1]
        path, _, query = target.partition(b"?")
        self.active += 1
        try:
            if path == b"/healthz":
                _reply(writer, b"", status=200 if self.well else 503)
                return True
            self.heads.append(head)
            answer = getattr(self, "_" + (path.decode().strip("/") or "name"))
            return await answer(reader, writer, head, query) is not False
        finally:
            self.active -= 1

    async def _name(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        await read_body(reader, head)
        _reply(writer, self.name.encode(), bodiless=head.startswith(b"HEAD "))

    async def _head(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        _reply(writer, head)

    async def _slow(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        await asyncio.sleep(float(query or b"1"))
        _reply(writer, self.name.encode())

    async def _wait(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        await self.gate.wait()
        _reply(writer, self.name.encode())

    async def _echo(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = await read_body(reader, head)
        _reply(writer, f"{len(content)} {hashlib.sha256(content).hexdigest()}".encode())

    async def _stream(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(int(query or b"10")):
            piece = f"piece {number} of {self.name}\n".encode()
            writer.write(b"%x;an=extension\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"0\r\nA-Trailer: yes\r\n\r\n")

    async def _big(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %b\r\n\r\n" % query)
        for _ in range(int(query) // 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()
            self.sent += 65_536

    async def _until_close(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"to the end")
        await writer.drain()
        return False

    async def _status(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        _reply(writer, self.name.encode(), status=int(query))

    async def _break(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> bool:
        return False

    async def _half(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> bool:
        framing = b"Transfer-Encoding: chunked" if query else b"Content-Length: 100"
        body = b"5\r\nhello\r\n" if query else b"hello"
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (framing, body))
        await writer.drain()
        await asyncio.sleep(0.05)
        return False

    async def _nonsense(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> bool:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        await writer.drain()
        return False

    async def _hints(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        _reply(writer, self.name.encode())

    async def _tunnel(self, reader: Reader, writer: Writer, head: bytes, query: bytes) -> bool:
        """What WebSockets do as far as a proxy can tell: 101, then bytes both ways."""
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
        writer.write(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        # To the key of RFC 6455, section 1.3, which HAProxy compares.
        writer.write(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
        writer.write(b"hello from %b\n" % self.name.encode())
        while data := await reader.read(65_536):
            writer.write(data.upper())
            await writer.drain()
        writer.write(b"goodbye\n")
        await writer.drain()
        return False


def _reply(writer: Writer, content: bytes, *, status: int = 200, bodiless: bool = False) -> None:
    length = b"" if status in {204, 304} else b"Content-Length: %d\r\n" % len(content)
    writer.write(
        b"HTTP/1.1 %d Status\r\n%b\r\n%b"
        % (status, length, b"" if bodiless or not length else content)
    )


async def read_body(reader: Reader, head: bytes) -> bytes:
    """Read a body by Content-Length or in chunks, in our own words and not in the proxy's."""
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:-2])
    }
    if fields.get(b"transfer-encoding") != b"chunked":
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))
    content = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        content += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return content


# -- clients --------------------------------------------------------------------------------------


@define
class Reply:
    """An answer."""

    status: int
    fields: dict[str, str]
    content: bytes
    head: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


@define(eq=False)
class Visitor:
    """A client on one connection. It never tries anything twice."""

    reader: Reader
    writer: Writer

    @classmethod
    @asynccontextmanager
    async def to(cls, balancer: Balancer) -> AsyncIterator[Visitor]:
        reader, writer = await asyncio.open_connection(balancer.host, balancer.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def get(self, path: str = "/", *fields: str, method: str = "GET") -> Reply:
        lines = [f"{method} {path} HTTP/1.1", "Host: site.test", *fields, "", ""]
        await self.send("\r\n".join(lines).encode())
        return await self.read(bodiless=method == "HEAD")

    async def post(self, content: bytes, path: str = "/echo", *fields: str) -> Reply:
        length = f"Content-Length: {len(content)}"
        lines = [f"POST {path} HTTP/1.1", "Host: site.test", length, *fields, "", ""]
        await self.send("\r\n".join(lines).encode() + content)
        return await self.read()

    async def read(self, *, bodiless: bool = False) -> Reply:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")[:-2]
        status = int(first.split(" ")[1])
        fields = {name.lower(): value.strip() for name, _, value in map(_split, rest)}
        content = b""
        if status >= 200 and status not in {204, 304} and not bodiless:
            if "content-length" in fields or "transfer-encoding" in fields:
                content = await read_body(self.reader, head)
            else:
                content = await self.reader.read()
        return Reply(status, fields, content, head)

    async def upgrade(self) -> bytes:
        """Open a tunnel; return the head of the answer."""
        await self.send(
            b"GET /tunnel HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        return await self.reader.readuntil(b"\r\n\r\n")

    async def closed(self) -> bool:
        """Whether the other side closes, after nothing else."""
        try:
            return await self.reader.read(1) == b""
        except OSError:
            return True


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")


async def get(balancer: Balancer, path: str = "/", *fields: str) -> Reply:
    """Ask once, on a connection of its own."""
    async with Visitor.to(balancer) as visitor:
        return await visitor.get(path, *fields)


# -- load -----------------------------------------------------------------------------------------


@define(eq=False)
class Load:
    """Clients of all kinds at once; every request that isn't answered as it should be is kept.

    Attributes:
        balancer: What they talk to.
        answers: How many requests of each kind were answered.
        failures: What went wrong.
        over: Set to let them finish.
    """

    balancer: Balancer
    answers: Counter[str] = field(factory=Counter)
    failures: list[str] = field(factory=list)
    over: asyncio.Event = field(factory=asyncio.Event)

    @asynccontextmanager
    async def running(self, each: int = 3) -> AsyncIterator[Load]:
        kinds = [self._keep_alive, self._new, self._post, self._slow, self._stream]
        async with asyncio.TaskGroup() as tasks:
            for kind in kinds * each:
                tasks.create_task(self._repeat(kind))
            try:
                await until(self._all_kinds)
                yield self
            finally:
                self.over.set()

    async def _all_kinds(self) -> bool:
        return len(self.answers) == 5 or bool(self.failures)

    async def more(self, requests: int = 200) -> None:
        """Wait until that many more requests are answered."""
        goal = self.answers.total() + requests

        async def reached() -> bool:
            return self.answers.total() >= goal or bool(self.failures)

        await until(reached)

    async def _repeat(self, kind: Callable[[], Awaitable[None]]) -> None:
        name = kind.__name__.strip("_")
        while not self.over.is_set():
            try:
                await kind()
            except (OSError, EOFError, AssertionError, ValueError) as error:
                self.failures.append(f"{name}: {error!r}")

    async def _answered(self, kind: str, reply: Reply, *, expected: str = "") -> None:
        assert reply.status == 200, f"{reply.status} {reply.text}"
        assert expected in reply.text, f"{reply.text!r} without {expected!r}"
        self.answers[kind] += 1

    async def _keep_alive(self) -> None:
        async with Visitor.to(self.balancer) as visitor:
            while not self.over.is_set():
                await self._answered("keep-alive", await visitor.get())
                await asyncio.sleep(0.002)

    async def _new(self) -> None:
        await self._answered("new", await get(self.balancer))
        await asyncio.sleep(0.005)

    async def _post(self) -> None:
        content = os.urandom(65_536)
        digest = hashlib.sha256(content).hexdigest()
        async with Visitor.to(self.balancer) as visitor:
            for _ in range(10):
                reply = await visitor.post(content)
                await self._answered("post", reply, expected=digest)
                await asyncio.sleep(0.005)

    async def _slow(self) -> None:
        async with Visitor.to(self.balancer) as visitor:
            while not self.over.is_set():
                await self._answered("slow", await visitor.get("/slow?1"))

    async def _stream(self) -> None:
        async with Visitor.to(self.balancer) as visitor:
            await self._answered("stream", await visitor.get("/stream?10"), expected="piece 9")
