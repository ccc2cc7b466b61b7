"""The HTTP server: one request after the other against one world, faults around it."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import time
import traceback
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from . import door, wire
from .calls import AFTER, BEFORE, MOTO, OURS, UNHEEDED, Call
from .errors import STATUS, AwsError, NotEmulated
from .faults import throttled
from .world import World

Reply = tuple[int, dict[str, str], bytes]


class Handler(WSGIRequestHandler):
    """Connections that stay open, as AWS's do, and that can be broken on purpose."""

    protocol_version = "HTTP/1.1"

    def make_environ(self) -> dict[str, Any]:
        """Let the application reach the connection."""
        environ = super().make_environ()
        environ["emulator.handler"] = self
        return environ

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: the calls are counted elsewhere."""

    def break_off(self) -> None:
        """Reset the connection: the client reads ECONNRESET."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise ConnectionResetError("on purpose")


class Application:
    """The WSGI application: `/_emulator/…` is the test's, everything else AWS's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.moto = door.application()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if environ["PATH_INFO"].startswith("/_emulator/"):
            status, headers, said = self._control(environ["PATH_INFO"], body)
        else:
            status, headers, said = self._aws(environ, body)
        headers["Content-Length"] = str(len(said))
        start_response(f"{status} {'OK' if status < 400 else 'Refused'}", list(headers.items()))
        return [said]

    def _control(self, path: str, body: bytes) -> Reply:
        from .control import COMMANDS

        name = path.removeprefix("/_emulator/")
        try:
            with self.world.lock:
                self.world.clock.catch_up()
                result = COMMANDS[name](self.world, **json.loads(body or b"{}"))
                self.world.clock.catch_up()
            status, said = 200, json.dumps(result, default=str)
        except Exception as error:  # noqa: BLE001  The test reads what it did wrong.
            status, said = 400, json.dumps({"error": f"{type(error).__name__}: {error}"})
        return status, {"Content-Type": "application/json"}, said.encode()

    def _aws(self, environ: dict[str, Any], body: bytes) -> Reply:
        headers = {
            key.removeprefix("HTTP_").lower().replace("_", "-"): value
            for key, value in environ.items()
            if key.startswith("HTTP_")
        }
        try:
            call = wire.understand(headers, body)
        except AwsError as error:
            if isinstance(error, NotEmulated):
                self.world.failures.append(str(error))
            return wire.refusal(None, error, wire.service_of(headers))
        handler: Handler = environ["emulator.handler"]
        if refused := self._on_the_way_in(call, handler):
            return refused
        reply = self._answer(call, environ)
        return self._on_the_way_out(call, reply, handler)

    def _on_the_way_in(self, call: Call, handler: Handler) -> Reply | None:
        with self.world.lock:
            trouble = self.world.trouble(call)
        late = sum(fault.seconds for fault in trouble if fault.kind == "latency")
        if wait := self.world.laws.latency + late:
            time.sleep(wait)
        for fault in trouble:
            if fault.kind == "stale":
                now = self.world.clock.now()
                if old := self.world.answers.old(call, fault.seconds, now):
                    self.world.count(call, old[0], "stale")
                    return old
            if fault.kind == "reset":
                handler.break_off()
            if fault.kind == "throttle":
                return wire.refusal(call, throttled(call))
            if fault.kind == "error":
                return wire.refusal(call, AwsError(fault.code, fault.message, fault.status))
        return None

    def _answer(self, call: Call, environ: dict[str, Any]) -> Reply:
        world = self.world
        with world.lock:
            world.clock.catch_up()
            try:
                world.permitted(call)
                reply = self._carry_out(call, environ)
            except AwsError as error:
                if isinstance(error, NotEmulated):
                    world.failures.append(str(error))
                reply = wire.refusal(call, error)
            except Exception:  # noqa: BLE001  Whatever breaks here must reach the test.
                world.failures.append(f"{call.name} broke:\n{traceback.format_exc()}")
                reply = wire.refusal(call, AwsError("EmulatorBroke", f"{call.name} broke"))
            world.clock.catch_up()
        return reply

    def _carry_out(self, call: Call, environ: dict[str, Any]) -> Reply:
        key = (call.service, call.action)
        if unheeded := UNHEEDED.get(call.name, set()) & set(call.params):
            raise NotEmulated(f"{sorted(unheeded)} of {call.name}")
        if key in OURS:
            return wire.answer(call, OURS[key](self.world, call))
        if call.action not in MOTO.get(call.service, set()):
            raise NotEmulated(call.name)
        for first in BEFORE.get(key, []):
            if (result := first(self.world, call)) is not None:
                return wire.answer(call, result)
        reply = self._ask_moto(call, environ)
        if reply[0] < 300:
            for then in AFTER.get(key, []):
                then(self.world, call)
        return reply

    def _ask_moto(self, call: Call, environ: dict[str, Any]) -> Reply:
        body = urlencode(call.form) if call.form else json.dumps(call.params)
        raw = body.encode()
        inner = {k: v for k, v in environ.items() if not k.startswith("werkzeug.")}
        inner |= {"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
        seen: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            seen[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]

        try:
            said = b"".join(self.moto(inner, start))
        except NotImplementedError as error:
            raise NotEmulated(f"{call.name}: {error}") from error
        status, headers = seen
        if status >= 400:
            status = self._status(call, status, said)
        headers.pop("Content-Length", None)
        return status, headers, said

    def _status(self, call: Call, status: int, said: bytes) -> int:
        """AWS's own status for the code of an error."""
        found = re.search(rb"<Code>(.*?)</Code>|\"__type\": ?\"(.*?)\"", said)
        if found is None:
            raise NotEmulated(f"{call.name}, moto says {status}: {said[:300]!r}")
        code = (found.group(1) or found.group(2)).decode()
        return STATUS.get(code, status)

    def _on_the_way_out(self, call: Call, reply: Reply, handler: Handler) -> Reply:
        self.world.count(call, reply[0])
        if call.action.startswith("Describe") and reply[0] == 200:
            self.world.keep(call, reply)
        late = self.world.late.pop(call.request_id, "")
        if late == "lost":
            handler.break_off()
        if late == "garbled":
            status, headers, said = reply
            return status, headers, said[: len(said) // 2]
        return reply


def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> BaseWSGIServer:
    """A server that is ready to serve; `port` 0 takes a free one."""
    return make_server(host, port, Application(world), threaded=True, request_handler=Handler)
