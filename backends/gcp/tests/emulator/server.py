"""Requests held against the schema, faults around them, answers held against it too."""

from __future__ import annotations

import json
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.protobuf import json_format

from tests.emulators.faults import Fault
from tests.emulators.serving import Application, Handler, Reply, Request

from . import monitoring
from .calls import METHODS, Call
from .control import COMMANDS
from .errors import GoogleError, NotEmulated, invalid
from .operations import Operation
from .schema import Method, Schema, camel, canonical
from .world import World

EVERYWHERE = {"$alt", "alt", "fields", "key", "prettyPrint", "quotaUser", "userIp", "access_token"}
"""Parameters of every method of Google's."""


class Front(Application):
    """Compute Engine's front door.

    Args:
        world: what there is.
        schema: what may be said.
    """

    world: World

    def __init__(self, world: World, schema: Schema) -> None:
        super().__init__(world, COMMANDS)
        self.schema = schema

    def cloud(self, request: Request) -> Reply:
        """Answer one request."""
        call: Call | monitoring.Asked
        carry_out: Callable[[Any], Reply] = self._carry_out
        try:
            if request.path.startswith("/v3/"):
                call = monitoring.understand(request)
                carry_out = partial(monitoring.carry_out, self.world)
            else:
                call = self.understand(request)
        except GoogleError as error:
            if isinstance(error, NotEmulated):
                self.world.ledger.failures.append(error.message)
            return self._refusal(error)
        if refused := self._on_the_way_in(call, request.handler):
            return refused
        return self._on_the_way_out(call, self._answer(call, carry_out), request.handler)

    def understand(self, request: Request) -> Call:
        """Hold a request against the schema.

        Unknown fields and words are refused as Google's front end refuses JSON that it can't
        parse; both are also failures of the test, since no client of ours may send them.

        Raises:
            GoogleError: it breaks the schema.
            NotEmulated: there is no such method.
        """
        segments = [unquote(part) for part in request.path.strip("/").split("/")]
        found = self.schema.find(request.method, segments)
        if found is None:
            raise NotEmulated(f"{request.method} {request.path}: a method that there isn't:", 404)
        method, path = found
        query = self._query(method, path, request.query)
        body = self._body(method, request.body)
        return Call(method, path, query, body, uuid.uuid4().hex)

    def _query(self, method: Method, path: dict[str, str], text: str) -> dict[str, Any]:
        fields = {f.json_name: f for f in method.request.pb().DESCRIPTOR.fields}
        given: dict[str, Any] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            if name in EVERYWHERE:
                if name == "fields":
                    raise NotEmulated("partial responses by the parameter fields:", 400)
                continue
            field = fields.get(name)
            if field is None or field.name in path or field.name == method.body:
                raise NotEmulated(f"the parameter {name} of {method.name}", 400)
            given[name] = value
        try:
            return _typed(method, given)
        except json_format.ParseError as error:
            raise NotEmulated(f"{method.name}: {error}:", 400) from error

    def _body(self, method: Method, raw: bytes) -> dict[str, Any]:
        if not raw:
            return {}
        if method.body is None:
            raise NotEmulated(f"a body for {method.name}", 400)
        try:
            sent = json.loads(raw)
            parsed = json_format.ParseDict(
                _without_nulls(sent), self._message(method)(), ignore_unknown_fields=False
            )
        except (ValueError, json_format.ParseError) as error:
            raise NotEmulated(f"the body of {method.name}: {error}:", 400) from error
        content = json_format.MessageToDict(parsed)
        _only_camel(method.content, sent, method.name)
        if wrong := self.schema.wrong_words(method.content, content):
            self.world.ledger.failures.append(f"{method.name}: {'; '.join(wrong)}")
            field, _, rest = wrong[0].partition(": ")
            raise invalid(f"resource{field.strip(chr(39))}", rest, "")
        return _with_nulls(content, sent)

    def _message(self, method: Method) -> Any:
        return type(getattr(method.request.pb()(), method.body or ""))

    def _on_the_way_in(self, call: Call | monitoring.Asked, handler: Handler) -> Reply | None:
        with self.world.lock:
            trouble = self.world.ledger.trouble(call)
            self.world.note_doom(call, trouble)
        self.delay(trouble)
        for fault in trouble:
            if fault.kind == "reset":
                handler.break_off()
            if fault.kind in {"throttle", "quota", "error"}:
                return self._refusal(_refused(fault))
        return None

    def _answer(self, call: Any, carry_out: Callable[[Any], Reply]) -> Reply:
        world = self.world
        with world.lock:
            world.clock.catch_up()
            try:
                reply = carry_out(call)
            except GoogleError as error:
                if isinstance(error, NotEmulated):
                    world.ledger.failures.append(error.message)
                reply = self._refusal(error)
            except Exception:  # noqa: BLE001  Whatever breaks here must reach the test.
                world.ledger.failures.append(f"{call.name} broke:\n{traceback.format_exc()}")
                reply = self._refusal(GoogleError(501, "emulatorBroke", f"{call.name} broke"))
            world.clock.catch_up()
        return reply

    def _carry_out(self, call: Call) -> Reply:
        if call.name not in METHODS:
            raise NotEmulated(call.name)
        self.world.permitted(call)
        result = self.world.operations.repeated(call) or METHODS[call.name](self.world, call)
        said = result.show(self.world) if isinstance(result, Operation) else result
        # What leaves here is in Google's shape, or the emulator is wrong and says so.
        shaped = canonical(call.method.response, said)
        if wrong := self.schema.wrong_words(call.method.response.pb().DESCRIPTOR, shaped):
            raise AssertionError(f"the answer of {call.name}: {wrong}")
        if self.world.laws.unlisted:
            _unlisted(shaped)
        return 200, {"Content-Type": "application/json; charset=UTF-8"}, json.dumps(shaped).encode()

    def _refusal(self, error: GoogleError) -> Reply:
        return error.status, {"Content-Type": "application/json; charset=UTF-8"}, error.body()

    def _on_the_way_out(self, call: Any, reply: Reply, handler: Handler) -> Reply:
        params = call.path | call.query | ({"body": call.body} if call.body else {})
        self.world.ledger.count(call, params, reply[0])
        return self.arriving(call, reply, handler)


def _typed(method: Method, given: dict[str, str]) -> dict[str, Any]:
    """Parameters of the query in their types; 0 is a value, though protobuf leaves it out."""
    parsed = json_format.ParseDict(given, method.request.pb()(), ignore_unknown_fields=False)
    said = json_format.MessageToDict(parsed, always_print_fields_with_no_presence=True)
    return {name: said[name] for name in given}


def _unlisted(shaped: dict[str, Any]) -> None:
    """Fields that Google sends and that no v1 schema lists."""
    for group in [shaped, *shaped.get("items", [])] if "items" in shaped else [shaped]:
        if isinstance(group, dict) and group.get("kind") == "compute#instanceGroupManager":
            group["serviceAccount"] = ""
            group["updatePolicy"]["minReadySec"] = 0


def _refused(fault: Fault) -> GoogleError:
    """What a fault says.

    "Rate quotas" (https://cloud.google.com/compute/api-quota): 403 `rateLimitExceeded`. With
    `status=429`, or `status=403` and other words, as they have been seen. `quota`: what a resource
    quota refuses at once, 403 `quotaExceeded`.
    """
    if fault.kind == "throttle":
        said = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'"
        return GoogleError(fault.status or 403, fault.code or "rateLimitExceeded", said)
    if fault.kind == "quota":
        said = "Quota 'CPUS' exceeded.  Limit: 24.0 in region europe-west1."
        return GoogleError(fault.status or 403, fault.code or "quotaExceeded", said)
    return GoogleError(fault.status or 503, fault.code or "backendError", fault.message)


def _without_nulls(value: Any) -> Any:
    """A merge patch without what it deletes: the schema knows no null."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def _with_nulls(content: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """What it deletes, back again."""
    for key, value in sent.items():
        if value is None or value == []:  # An empty list clears, too; protobuf has none.
            content[key] = value
        elif isinstance(value, dict):
            content[key] = _with_nulls(content.get(key, {}), value)
    return content


def _only_camel(message: Any, sent: Any, name: str) -> None:
    """Refuse names in snake case: protobuf would take them, Google's reference has none."""
    known = {field.json_name: field for field in message.fields}
    for key, value in sent.items():
        if key not in known:
            raise NotEmulated(f"the field {key} of {name}, {camel(key)} is meant,", 400)
        inner = known[key].message_type
        if inner is None or inner.GetOptions().map_entry:
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                _only_camel(inner, each, name)
