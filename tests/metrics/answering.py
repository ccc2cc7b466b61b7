"""A server on loopback that answers as the HTTP API of Prometheus is documented to answer.

https://prometheus.io/docs/prometheus/latest/querying/api/: the envelope, the vector, the errors.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, field

AT = 1_435_781_451.781


def sample(counter: str, value: object, **labels: str) -> dict[str, Any]:
    """One entry of a vector."""
    return {"metric": {"immutable_counter": counter, **labels}, "value": [AT, str(value)]}


def series(
    revision: int, name: str, requests: int, errors: int | None = 0, **buckets: int
) -> list[dict[str, Any]]:
    """What one process has counted; buckets are cumulative, as ``le_0_5=7``, ``le_Inf=9``."""
    place = {"revision": str(revision), "instance": name}
    found = [sample("requests", requests, **place)]
    if errors is not None:
        found.append(sample("errors", errors, **place))
    for key, count in buckets.items():
        bound = key.removeprefix("le_").replace("_", ".").replace("Inf", "+Inf")
        found.append(sample("latency", count, le=bound, **place))
    return found


KINDS = sample("kinds", 3)


def vector(*entries: Any, **more: Any) -> bytes:
    """A successful answer."""
    data = {"resultType": "vector", "result": list(entries)}
    return json.dumps({"status": "success", "data": data, **more}).encode()


def failure(kind: str, message: str) -> bytes:
    """An error, as the API tells it."""
    return json.dumps({"status": "error", "errorType": kind, "error": message}).encode()


@define
class Answering:
    """The server, what it was asked, and what it answers.

    Attributes:
        url: Where it is.
        status: The status of its answers.
        body: Their body.
        pause: Seconds before an answer.
        headers: Headers of an answer.
        asked: The parameters of each request.
        got: The headers of each request.
        paths: The path of each request.
    """

    url: str = ""
    status: int = 200
    body: bytes = vector()
    pause: float = 0.0
    headers: dict[str, str] = field(factory=dict)
    asked: list[dict[str, str]] = field(factory=list)
    got: list[dict[str, str]] = field(factory=list)
    paths: list[str] = field(factory=list)
    over: threading.Event = field(factory=threading.Event)


@contextmanager
def answering() -> Iterator[Answering]:
    """A server for one test."""
    told = Answering()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            told.paths.append(where.path)
            told.asked.append({name: each[0] for name, each in parse_qs(where.query).items()})
            told.got.append({name.lower(): value for name, value in self.headers.items()})
            told.over.wait(told.pause)
            try:
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)
            except OSError:  # The client has given up.
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # A client that hangs up is no news.
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        told.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
