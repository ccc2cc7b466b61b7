"""Requests as they come, answers as they go: held against what the installed clients carry."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import parse_qsl

from tests.emulators.serving import Reply, Request

from .calls import Answer, Call
from .checking import check
from .errors import ArmError, NotEmulated
from .routes import Route, Routes

ALWAYS = {"$skiptoken"}
"""Parameters of the query that come with the address of a next page."""


def understand(routes: Routes, request: Request, base: str) -> Call:
    """What a request asks for.

    Raises:
        NotEmulated: a path, an API version, a parameter of the query or a field of the body that the
            installed clients don't know.
    """
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    version = query.pop("api-version", "")
    found = routes.find(request.method, request.path)
    if not found:
        raise NotEmulated(f"{request.method} {request.path}: no operation of the clients has it")
    fits = [route for route in found if not route.versions or version in route.versions]
    if not fits:
        known = sorted({each for route in found for each in route.versions})
        raise NotEmulated(f"API version {version!r} of {found[0].name}; the client has {known}")
    route = fits[0]
    if strange := set(query) - route.query - ALWAYS:
        raise NotEmulated(f"{sorted(strange)} in the query of {route.name}")
    body = _body(route, request)
    request_id = str(uuid.uuid4())
    return Call(route.name, request.method, request.path, query, body, request.headers, base,
                version, request_id, route.answer)  # fmt: skip


def _body(route: Route, request: Request) -> Any:
    if not request.body:
        return None
    try:
        body = json.loads(request.body)
    except ValueError as error:
        said = f"The request content was invalid and could not be deserialized: '{error}'."
        raise ArmError("InvalidRequestContent", said, 400) from None
    if route.body is not None and (wrong := check(route.body, body)):
        raise NotEmulated(f"the body of {route.name}: {'; '.join(wrong)}")
    return body


def reply(call: Call | None, answer: Answer) -> Reply:
    """Status, headers and body."""
    ours = call.request_id if call else str(uuid.uuid4())
    asked = call.headers if call else {}
    headers = {
        "x-ms-request-id": ours,
        "x-ms-correlation-request-id": asked.get("x-ms-correlation-request-id", ours),
        "Cache-Control": "no-cache",
        **answer.headers,
    }
    if "x-ms-client-request-id" in asked:
        headers["x-ms-client-request-id"] = asked["x-ms-client-request-id"]
    said = b"" if answer.body is None else json.dumps(answer.body).encode()
    if said:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return answer.status, headers, said


def refusal(call: Call | None, error: ArmError) -> Reply:
    """An error."""
    return reply(call, Answer(error.status, {"error": error.told()}, error.headers))
