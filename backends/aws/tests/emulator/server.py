"""The HTTP server: one request after the other against one world, faults around it."""

from __future__ import annotations

import io
import json
import re
import traceback
from typing import Any
from urllib.parse import urlencode

from tests.emulators.serving import Application, Handler, Reply, Request

from . import door, wire
from .calls import AFTER, BEFORE, MOTO, OURS, UNHEEDED, Call
from .control import COMMANDS
from .errors import STATUS, AwsError, NotEmulated
from .faults import throttled
from .world import World


class AwsApplication(Application):
    """AWS, as a WSGI application."""

    world: World

    def __init__(self, world: World) -> None:
        super().__init__(world, COMMANDS)
        self.moto = door.application()

    def cloud(self, request: Request) -> Reply:
        """Answer one call: faults around it, one call after the other on the world."""
        world, ledger = self.world, self.world.ledger
        try:
            call = wire.understand(request.headers, request.body)
        except AwsError as error:
            if isinstance(error, NotEmulated):
                ledger.failures.append(str(error))
            return wire.refusal(None, error, wire.service_of(request.headers))
        if refused := self._on_the_way_in(call, request.handler):
            return refused
        reply = self._answer(call, request)
        with world.lock:
            ledger.count(call, call.params, reply[0])
            if call.action.startswith("Describe") and reply[0] == 200:
                world.keep(call, reply)
        return self.arriving(call, reply, request.handler)

    def _on_the_way_in(self, call: Call, handler: Handler) -> Reply | None:
        with self.world.lock:
            trouble = self.world.ledger.trouble(call)
        self.delay(trouble)
        for fault in trouble:
            if fault.kind == "stale":
                now = self.world.clock.now()
                if old := self.world.answers.old(call, fault.seconds, now):
                    self.world.ledger.count(call, call.params, old[0], "stale")
                    return old
            if fault.kind == "reset":
                handler.break_off()
            if fault.kind == "throttle":
                return wire.refusal(call, throttled(call))
            if fault.kind == "error":
                code = fault.code or "InternalFailure"
                return wire.refusal(call, AwsError(code, fault.message, fault.status))
        return None

    def _answer(self, call: Call, request: Request) -> Reply:
        world = self.world
        with world.lock:
            world.clock.catch_up()
            try:
                world.permitted(call)
                reply = self._carry_out(call, request)
            except AwsError as error:
                if isinstance(error, NotEmulated):
                    world.ledger.failures.append(str(error))
                reply = wire.refusal(call, error)
            except Exception:  # noqa: BLE001  Whatever breaks here must reach the test.
                world.ledger.failures.append(f"{call.name} broke:\n{traceback.format_exc()}")
                reply = wire.refusal(call, AwsError("EmulatorBroke", f"{call.name} broke"))
            world.clock.catch_up()
        return reply

    def _carry_out(self, call: Call, request: Request) -> Reply:
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
        reply = self._ask_moto(call, request)
        if reply[0] < 300:
            for then in AFTER.get(key, []):
                then(self.world, call)
        return reply

    def _ask_moto(self, call: Call, request: Request) -> Reply:
        body = urlencode(call.form) if call.form else json.dumps(call.params)
        raw = body.encode()
        environ = request.handler.make_environ()
        inner = {k: v for k, v in environ.items() if not k.startswith("werkzeug.")}
        inner |= {"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
        seen: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            seen[:] = [int(status.split(maxsplit=1)[0]), dict(headers)]

        try:
            said = b"".join(self.moto(inner, start))
        except NotImplementedError as error:  # What moto says of what it can't do.
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
