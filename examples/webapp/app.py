"""A web application to deploy: small, quick to start, and it ends without breaking a request.

It is what `make demo` and the end-to-end tests put on a fleet. It needs Python 3.11 and nothing
else, writes no file, and takes all that it is told from its environment:

    PORT, HOST           where to listen; PORT=0 takes a free port; HOST is 127.0.0.1 by default
    IMMUTABLE_ID         the instance's name, sent with every answer
    IMMUTABLE_REVISION   the number of the revision that it belongs to
    APP_VERSION          default: what the file VERSION beside this one says, else 1
    APP_START_DELAY      seconds before it listens
    APP_HEALTHY          0: /healthz answers 503 for ever
    APP_ERROR_RATE       the share of requests for / that are answered 500, spread evenly
    APP_LATENCY          seconds added to every answer to /

Routes: ``GET /healthz``, ``GET /``, ``POST /echo`` (the length and SHA-256 of what was sent),
``GET /slow?s=2``, ``GET /stream?s=5``. On SIGTERM it stops accepting, finishes what it has begun
and exits with 0; a second SIGTERM, or a minute, ends it with 1.
"""

from __future__ import annotations

import os
import signal
import sys

# No TLS here: without it asyncio is imported 10 ms sooner and is 4 MB smaller.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]

import asyncio  # noqa: E402 - see above.
from collections.abc import Awaitable, Callable, Mapping  # noqa: E402 - the same.
from contextlib import suppress  # noqa: E402 - the same.

LINGER = 0.1
"""Seconds for which an ending instance still answers what was already on its way to it."""

GRACE = 60.0
"""Seconds that requests in flight are given to end; also the longest /slow and /stream."""

CHUNK = 0.25
"""Seconds between two chunks of a stream."""

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes that a request's body may have."""

STATUSES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

Answer = tuple[int, str]
"""A status and a text."""


class Refused(Exception):
    """A request that is answered with an error, after which its connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Settings:
    """What the environment says.

    Raises:
        SystemExit: A value can't be understood.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.host = environ.get("HOST", "127.0.0.1")
        self.port = int(_number(environ, "PORT", "8000", 65535))
        self.instance = environ.get("IMMUTABLE_ID", "")
        self.revision = environ.get("IMMUTABLE_REVISION", "")
        self.version = environ.get("APP_VERSION") or _version()
        self.start_delay = _number(environ, "APP_START_DELAY", "0", 86400)
        self.healthy = environ.get("APP_HEALTHY", "1") != "0"
        self.error_rate = _number(environ, "APP_ERROR_RATE", "0", 1)
        self.latency = _number(environ, "APP_LATENCY", "0", GRACE)


def _number(environ: Mapping[str, str], name: str, default: str, most: float) -> float:
    text = environ.get(name) or default
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= most:
            return value
    sys.exit(f"{name}={text!r} is no number from 0 to {most:g}; change or unset it")


def _version() -> str:
    here = __file__.rpartition("/")[0]
    path = f"{here}/VERSION"
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as file:  # noqa: PTH123 - slow.
        return file.read().strip()
    return "1"


def _say(text: str) -> None:
    # Whoever reads our output may be gone; print() would make us fall over that, if only at exit.
    with suppress(OSError):
        os.write(1, f"{text}\n".encode())


class Request:
    """The head of a request.

    Raises:
        Refused: It is no HTTP/1 request, or it says of its body's end two things at once.
    """

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        try:
            self.method, target, version = first.split(" ")
            self.headers = dict(_header(line) for line in lines)
        except ValueError:
            raise Refused(400, "no HTTP request") from None
        if version not in {"HTTP/1.1", "HTTP/1.0"}:
            raise Refused(400, f"{version} is not spoken here, HTTP/1.1 is")
        self.path, _, self.query = target.partition("?")
        self.persistent = version == "HTTP/1.1"
        closes = "close" in self.headers.get("connection", "").lower()
        self.keep = self.persistent and not closes
        if "transfer-encoding" in self.headers and "content-length" in self.headers:
            raise Refused(400, "both Content-Length and Transfer-Encoding: send one of them")

    def seconds(self, default: float) -> float:
        """Return the query's ``s``.

        Raises:
            Refused: It is no number that `GRACE` allows.
        """
        values = dict(pair.partition("=")[::2] for pair in self.query.split("&"))
        text = values.get("s") or str(default)
        with suppress(ValueError):
            if 0 <= (value := float(text)) <= GRACE:
                return value
        raise Refused(400, f"s={text} is no number of seconds from 0 to {GRACE:g}")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or name != name.strip():
        raise ValueError(line)
    return name.lower(), value.strip()


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Return the whole body of a request, chunked or not.

    Raises:
        Refused: It is longer than `BODY_LIMIT`, or its length can't be understood.
    """
    coding = headers.get("transfer-encoding")
    if coding is None:
        return await reader.readexactly(_length(headers.get("content-length", "0"), 10))
    if coding.lower() != "chunked":
        raise Refused(400, f"Transfer-Encoding {coding} is not known here, chunked is")
    body = bytearray()
    while size := _length((await reader.readline()).partition(b";")[0].decode("latin-1"), 16):
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise Refused(400, "a chunk is longer than it says")
        if len(body) > BODY_LIMIT:
            raise Refused(413, f"more than {BODY_LIMIT} bytes")
    while (await reader.readline()).strip():
        pass  # Trailers.
    return bytes(body)


def _length(text: str, base: int) -> int:
    digits = text.strip()
    if not digits.isalnum():  # int() would take "+5", "-5" and "1_000".
        raise Refused(400, f"{digits!r} is no length")
    try:
        length = int(digits, base)
    except ValueError:
        raise Refused(400, f"{digits!r} is no length") from None
    if length > BODY_LIMIT:
        raise Refused(413, f"more than {BODY_LIMIT} bytes")
    return length


class Connection:
    """One client's connection, on which requests follow one another.

    Attributes:
        idle_since: When the last answer ended, by the loop's clock; None while there is a request.
    """

    def __init__(
        self, app: App, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.app = app
        self.reader = reader
        self.writer = writer
        self.idle_since: float | None = None
        self._announced = False

    async def turn(self) -> bool:
        """Answer one request; return whether another may follow."""
        self.idle_since = asyncio.get_running_loop().time()
        first = await self.reader.read(1)
        self.idle_since = None
        if not first:
            return False
        try:
            head = first + await self.reader.readuntil(b"\r\n\r\n")
            request = Request(head)
            if request.headers.get("expect", "").lower() == "100-continue":
                self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await read_body(self.reader, request.headers)
            await self.answer(request, body)
        except Refused as refused:
            self.send(None, refused.status, f"{refused}\n")
        except (asyncio.LimitOverrunError, ValueError):  # ValueError: readline() met its limit.
            self.send(None, 400, "a line or the head is too long\n")
        await self.writer.drain()
        return not self._announced

    async def answer(self, request: Request, body: bytes) -> None:
        """Answer a request that was read to its end."""
        if request.path == "/stream" and request.method == "GET":
            await self.stream(request)
            return
        route = ROUTES.get(request.path)
        if route is None:
            self.send(request, 404, f"no {request.path}; see / and /healthz\n")
        elif request.method != route[0]:
            self.send(request, 405, f"{request.path} takes {route[0]}\n")
        else:
            self.send(request, *await route[1](self.app, request, body))

    async def stream(self, request: Request) -> None:
        """Send a chunk every quarter of a second, and a last one that says that it is the last."""
        seconds = request.seconds(5)
        chunked = request.persistent
        self.start(request, 200, "Transfer-Encoding: chunked\r\n" if chunked else "")
        for number in range(max(1, round(seconds / CHUNK))):
            self.chunk(f"{number} {self.app.settings.version}\n", chunked)
            await self.writer.drain()
            await asyncio.sleep(CHUNK)
        self.chunk("end\n", chunked)
        if chunked:
            self.writer.write(b"0\r\n\r\n")

    def chunk(self, text: str, chunked: bool) -> None:
        """Send a piece of a body; HTTP/1.0 knows no chunks and gets it plain."""
        self.writer.write((f"{len(text):x}\r\n{text}\r\n" if chunked else text).encode())

    def send(self, request: Request | None, status: int, text: str) -> None:
        """Send an answer with its length."""
        body = text.encode()
        length = f"Content-Length: {len(body)}\r\nContent-Type: text/plain\r\n"
        self.start(request, status, length, body)

    def start(self, request: Request | None, status: int, headers: str, body: bytes = b"") -> None:
        """Send the head of an answer; an instance that is ending announces that it closes."""
        settings = self.app.settings
        head = f"HTTP/1.1 {status} {STATUSES[status]}\r\n{headers}X-Version: {settings.version}\r\n"
        head += f"Immutable-Instance: {settings.instance}\r\n"
        if request is not None and "x-request" in request.headers:
            head += f"X-Request: {request.headers['x-request']}\r\n"
        self._announced = request is None or not request.keep or self.app.ending
        if self._announced:
            head += "Connection: close\r\n"
        self.writer.write(f"{head}\r\n".encode("latin-1", "replace") + body)


class App:
    """The application: its routes, its connections and its end.

    Attributes:
        settings: What it was told.
        ending: SIGTERM has come.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.ending = False
        self._connections: set[Connection] = set()
        self._count = 0

    async def health(self, request: Request, body: bytes) -> Answer:
        """Say whether the instance is fit to serve, and which one it is."""
        word = "ok" if self.settings.healthy else "unhealthy"
        return 200 if self.settings.healthy else 503, f"{word} {self.settings.instance}\n"

    async def index(self, request: Request, body: bytes) -> Answer:
        """Say the version and the instance, as late and as often wrong as the settings want."""
        rate = self.settings.error_rate
        # With 0.25: int(0.25), int(0.5), int(0.75), int(1.0) = 0, 0, 0, 1: every fourth fails.
        self._count += 1
        fails = int(self._count * rate) > int((self._count - 1) * rate)
        if self.settings.latency:
            await asyncio.sleep(self.settings.latency)
        if fails:
            return 500, f"an error on purpose: APP_ERROR_RATE is {rate:g}\n"
        settings = self.settings
        return 200, (
            f"version {settings.version}, instance {settings.instance},"
            f" revision {settings.revision}\n"
        )

    async def echo(self, request: Request, body: bytes) -> Answer:
        """Say what was received."""
        # Here, because an instance that is only asked for its health is 3 MB smaller.
        import hashlib

        return 200, f"{len(body)} {hashlib.sha256(body).hexdigest()}\n"

    async def slow(self, request: Request, body: bytes) -> Answer:
        """Answer after a while."""
        seconds = request.seconds(2)
        await asyncio.sleep(seconds)
        return 200, f"{seconds:g} seconds later, version {self.settings.version}\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        connection = Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            # A handler is cancelled when the rest is cut; asyncio would print that as an error.
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await connection.turn():
                    pass
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()  # The answer is out before the process may end.
        finally:
            self._connections.discard(connection)

    async def run(self) -> int:
        """Listen until told to end; return the exit code."""
        settings, end, cut = self.settings, asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(
                number, lambda: cut.set() if end.is_set() else end.set()
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), settings.start_delay)
            return 0
        try:
            server = await asyncio.start_server(
                self.serve, settings.host, settings.port, backlog=1024
            )
        except OSError as error:
            sys.exit(f"can't listen on {settings.host} port {settings.port}: {error}")
        port = server.sockets[0].getsockname()[1]
        _say(f"{settings.instance or 'web'} version {settings.version}: listening on port {port}")
        await end.wait()
        self.ending = True
        server.close()
        return 0 if await self.finished(cut) else 1

    async def finished(self, cut: asyncio.Event) -> bool:
        """Close what is idle and wait for the rest; return whether every request was answered."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() < begun + GRACE and not cut.is_set():
            await asyncio.sleep(LINGER / 5)
            for connection in self._connections:
                idle = connection.idle_since
                if idle is not None and loop.time() - max(idle, begun) >= LINGER:
                    connection.writer.close()
            if not self._connections:
                return True
        _say(f"{len(self._connections)} connections cut")
        return False


Route = Callable[[App, Request, bytes], Awaitable[Answer]]

ROUTES: dict[str, tuple[str, Route]] = {
    "/": ("GET", App.index),
    "/healthz": ("GET", App.health),
    "/echo": ("POST", App.echo),
    "/slow": ("GET", App.slow),
}


def main() -> int:
    """Run the application; return the exit code."""
    return asyncio.run(App(Settings(os.environ)).run())


if __name__ == "__main__":
    sys.exit(main())
