"""HTTP on loopback: a control endpoint for tests, everything else for the cloud."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Any

from attrs import define, field
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.support.canary_forms import watched_by_emulators

from .commands import Commands
from .faults import Fault, Named

Reply = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class Handler(WSGIRequestHandler):
    """Connections that stay open, as clouds' do, and that can be broken on purpose."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One segment an answer: header and body apart would wait for each other.
    disable_nagle_algorithm = True  # Nor would a long one, piece by piece.

    def make_environ(self) -> dict[str, Any]:
        """Let the application reach the connection."""
        environ = super().make_environ()
        environ["emulator.handler"] = self
        return environ

    def run_wsgi(self) -> None:
        """Answer, and keep the connection: werkzeug's own way closes it after each answer.

        It can be kept because the application reads each request to its end.
        """
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            told[:] = [status, headers]

        try:
            said = b"".join(self.server.app(self.make_environ(), start))
            status, headers = told
            code, _, reason = status.partition(" ")
            self.send_response(int(code), reason)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the calls are counted elsewhere."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer, without a date of our own: the application says the cloud's."""
        self.send_response_only(code, message)

    def break_off(self) -> None:
        """Reset the connection: the client reads ECONNRESET."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise ConnectionResetError("on purpose")


@define
class Request:
    """One request, read to its end."""

    method: str
    path: str
    query: str
    body: bytes
    headers: dict[str, str] = field(repr=False)
    handler: Handler = field(repr=False)


class Application:
    """A WSGI application: `/_emulator/…` is the test's, everything else the cloud's.

    Args:
        world: what commands are given; has a `lock`, a `ledger` and `laws`.
        commands: what a test may order.
    """

    def __init__(self, world: Any, commands: Commands) -> None:
        self.world = world
        self.commands = commands

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if len(body) < size:
            raise ConnectionAbortedError("whoever asked was gone before all was said")
        headers = {
            key.removeprefix("HTTP_").lower().replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        request = Request(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("QUERY_STRING", ""),
            body,
            headers,
            environ["emulator.handler"],
        )
        watched_by_emulators(f"{request.method} {request.path}", request.body)
        watched_by_emulators("the query of an address", request.query.encode())
        if request.path.startswith("/_emulator/"):
            status, heads, said = self._control(request)
        else:
            status, heads, said = self.cloud(request)
        heads["Content-Length"] = str(len(said))
        # The cloud's clock, which a test may have moved on.
        heads["Date"] = formatdate(self.world.ledger.clock.now(), usegmt=True)
        start_response(f"{status} {'OK' if status < 400 else 'Refused'}", list(heads.items()))
        return [said]

    def cloud(self, request: Request) -> Reply:
        """What the cloud answers."""
        raise NotImplementedError

    def delay(self, trouble: Iterable[Fault]) -> None:
        """Let pass what a call takes before anything is done: by the laws, and by its faults."""
        if wait := self.world.laws.latency + sum(t.seconds for t in trouble if t.kind == "latency"):
            # In earnest: clients have timeouts. Only this request's thread waits, and has no lock.
            time.sleep(wait)

    def arriving(self, call: Named, reply: Reply, handler: Handler) -> Reply:
        """What arrives of a reply: all of it, or half where a fault garbles it.

        Raises:
            ConnectionResetError: nothing does.
        """
        late = self.world.ledger.late.pop(call.request_id, "")
        if late == "lost":
            handler.break_off()
        status, headers, said = reply
        return status, headers, said[: len(said) // 2] if late == "garbled" else said

    def _control(self, request: Request) -> Reply:
        name = request.path.removeprefix("/_emulator/")
        try:
            with self.world.lock:
                self.world.ledger.clock.catch_up()
                words = json.loads(request.body or b"{}")
                result = self.commands.find(name)(self.world, **words)
                # Another clock, if the command was `reset`.
                self.world.ledger.clock.catch_up()
            status, said = 200, json.dumps(result, default=str)
        except Exception as error:  # noqa: BLE001  The test reads what it did wrong.
            status, said = 400, json.dumps({"error": f"{type(error).__name__}: {error}"})
        return status, {"Content-Type": "application/json"}, said.encode()


def serve(
    application: Application,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> BaseWSGIServer:
    """A server that is ready to serve; `port` 0 takes a free one, `tls` makes it https."""
    return make_server(
        host, port, application, threaded=True, request_handler=Handler, ssl_context=tls
    )
