"""VMs with a body: a small HTTP server each, that is really asked by health checks and the front.

Off unless a test says `laws(bodies=True)`: what nobody needs should cost nothing. A body listens
from RUNNING on, answers 503 until its application does (`answers`, `sicken`), and is cut off in
the middle of whatever it does when its VM stops: Compute Engine gives a shutdown script a while,
and load balancers know nothing of that
(https://cloud.google.com/compute/docs/shutdownscript). Paths: `/slow?MS` takes that long.

Probes happen when they are due, as everything here; each is a request over loopback. An HTTP health
check succeeds with status 200 only
(https://cloud.google.com/load-balancing/docs/health-check-concepts).
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from attrs import define, field

from .lives import Vm
from .store import Resource

if TYPE_CHECKING:
    from .world import World

PATIENCE = 60.0
"""Seconds of real time that an answer may take: a busy machine is no sick VM."""


Answer = tuple[int, bytes]
"""Status and content."""


class Listener(ThreadingHTTPServer):
    """A server on a free port of loopback that can be cut off.

    Args:
        answer: to a GET of a path.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.connections: set[socket.socket] = set()
        self.at_work: set[object] = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def cut_off(self) -> None:
        """Nobody listens any more, and nobody gets another byte."""
        self.server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: connections break here on purpose."""


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open, in as few segments as there can be, without a word."""

    server: Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """A connection begins."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """A connection is over."""
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        """Answer."""
        self.server.at_work.add(self)
        try:
            status, content = self.server.answer(self.path)
        finally:
            self.server.at_work.discard(self)
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


@define(eq=False)
class Streak:
    """What the probes of one health check have found of one VM.

    Args:
        healthy: what they make of it; None until enough of them agree.
        last: what the last one found; None before the first.
        number: so many in a row found the same.
    """

    healthy: bool | None = None
    last: bool | None = None
    number: int = 0

    def note(self, succeeded: bool, times: int, data: dict[str, Any]) -> None:
        """One more probe; `times` of them, if so many have been due."""
        self.number = (self.number if succeeded is self.last else 0) + times
        self.last = succeeded
        if self.number >= data["healthyThreshold" if succeeded else "unhealthyThreshold"]:
            self.healthy = succeeded


@define(eq=False)
class Bodies:
    """All bodies, by their VM's id."""

    world: World
    all: dict[int, Listener] = field(factory=dict)
    streaks: dict[tuple[int, str], Streak] = field(factory=dict)

    def begin(self, vm: Vm) -> None:
        """A VM is RUNNING."""
        if self.world.laws.bodies:
            self.all[vm.id] = Listener(partial(application, vm))

    def end(self, vm: Vm) -> None:
        """It stops."""
        if vm.id in self.all:
            self.all.pop(vm.id).cut_off()

    def close(self) -> None:
        """All stop."""
        for body in self.all.values():
            body.cut_off()
        self.all.clear()

    def watch(self, vm: Vm, check: Resource) -> Streak | None:
        """What a health check found of a VM with a body, which it asks from now on."""
        if vm.id not in self.all:
            return None
        key = vm.id, check.link
        if key not in self.streaks:
            self.streaks[key] = Streak()
            self.world.clock.after(self.world.probing.interval(check), self._probe, vm, check)
        return self.streaks[key]

    def _probe(self, vm: Vm, check: Resource) -> None:
        streak = self.streaks.get((vm.id, check.link))
        if streak is None or vm.id not in self.all:
            self.streaks.pop((vm.id, check.link), None)
            return
        clock, interval = self.world.clock, self.world.probing.interval(check)
        # After a leap in time one stands for all that were due: they would have found the same.
        missed = int(clock.behind() / interval)
        path = check.data.get("httpHealthCheck", {}).get("requestPath", "/")
        streak.note(ask(self.all[vm.id].port, path)[0] == 200, 1 + missed, check.data)
        clock.after(interval * (1 + missed), self._probe, vm, check)


def ask(port: int, path: str) -> Answer:
    """Status and content of one request on a connection of its own; 0 for no answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


def application(vm: Vm, path: str) -> Answer:
    """What runs on a VM."""
    if not vm.answering[0]:
        return 503, b"not now"
    path, _, query = path.partition("?")
    if path == "/slow":
        time.sleep(float(query) / 1000)  # In earnest: somebody waits for it, on this thread.
    return 200, json.dumps({"vm": vm.name, "template": vm.template}).encode()
