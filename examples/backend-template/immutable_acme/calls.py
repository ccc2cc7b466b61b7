"""Requests to Acme: one function a request, and what its errors mean. Blocking; runs on threads.

This is the module to replace: your cloud's SDK goes here, with its own retries off (E7) and with
timeouts (E3), imported where it is first used (E8).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from immutable.backend import (
    BackendError,
    CapacityShortage,
    Conflict,
    Denied,
    Gone,
    Invalid,
    QuotaExceeded,
    Throttled,
    Transient,
)

__all__ = ["TIMEOUT", "Calls", "address", "in_doubt", "meaning"]

TIMEOUT = 2.0
"""Seconds that one request may take."""

# By the provider's code first, by status second (X1): shortages come as 503 here, and as 500,
# 400 or 200 elsewhere.
_CODES: Mapping[str, type[BackendError]] = {
    "exists": Conflict,
    "stale": Conflict,
    "in-use": Conflict,
    "no-room": CapacityShortage,
    "quota": QuotaExceeded,
    "busy": Throttled,  # Nothing happened (X2).
}
_STATUSES: Mapping[int, type[BackendError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: Gone,
    409: Conflict,
    412: Conflict,
    429: Throttled,
}


def meaning(status: int, code: str, message: str, retry_after: str | None = None) -> BackendError:
    """Return what an answer that is no success means to the engine."""
    kind = _CODES.get(code) or _STATUSES.get(status, Transient)
    if issubclass(kind, Throttled):
        return kind(message, retry_after=float(retry_after) if retry_after else None)
    return kind(message)


class Calls:
    """Acme's API at one host.

    Args:
        host: Its host and port.
    """

    def __init__(self, host: str) -> None:
        self._host = host

    def ask(self, method: str, path: str, body: object = None, *, match: int | None = None) -> Any:
        """Make one request; return the answer's JSON, with the cloud's time as ``now``.

        Args:
            method: The HTTP method.
            path: The resource; it is named in errors (E6), the token never is.
            body: What to send.
            match: The version that the resource must have still (E12).

        Raises:
            BackendError: It isn't a success.
        """
        headers = {"Authorization": f"Bearer {os.environ.get('ACME_TOKEN', '')}"}
        if match is not None:
            headers["If-Match"] = str(match)
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{self._host}{path}", data, headers, method=method)
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:
                return {**json.load(answer), "now": float(answer.headers["Acme-Time"])}
        except HTTPError as error:
            with error:
                told = _error(error)
            message = f"{method} {path}: {told.get('message') or error.reason}"
            wait = error.headers.get("Retry-After")
            raise meaning(error.code, told.get("code", ""), message, wait) from error
        except (OSError, HTTPException, ValueError) as error:
            # Nobody knows whether it had an effect: the answer is what is missing.
            raise Transient(f"{method} {path}: {error}") from error

    def pages(self, path: str) -> Iterator[Any]:
        """Yield every page of a list. A page that can't be had ends it with an error (O9)."""
        page: int | None = 1
        while page is not None:
            answer = self.ask("GET", f"{path}{'&' if '?' in path else '?'}page={page}")
            yield answer
            page = answer["next"]


def address(kind: str, name: str) -> str:
    """Return the path of a resource."""
    return f"/{kind}/{quote(name, safe='')}"


@contextmanager
def in_doubt() -> Iterator[None]:
    """Around what follows a first change: nobody may say now that nothing happened (X2, X4)."""
    try:
        yield
    except (Throttled, Conflict) as error:
        raise Transient(f"done in part: {error}") from error


def _error(error: HTTPError) -> dict[str, str]:
    try:
        return dict(json.load(error)["error"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return {}
