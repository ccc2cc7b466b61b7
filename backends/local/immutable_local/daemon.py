"""Starting a fleet's supervisor so that it outlives whoever started it.

``python -m immutable_local STATE RUNTIME IMAGES`` detaches a supervisor and returns when that one
listens, or says why it can't: one line of JSON on standard output.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from immutable.backend import BackendError, Conflict, Invalid, Transient
from immutable.errors import ImmutableError
from immutable_local.balancing.choosing import choose
from immutable_local.calls import handlers, waits
from immutable_local.images import ImageStore
from immutable_local.launches import Isolation
from immutable_local.places import FleetPlaces
from immutable_local.records import FleetRecord, load
from immutable_local.rpc import serve
from immutable_local.sandbox import find_bubblewrap
from immutable_local.supervisor import Supervisor

__all__ = ["main", "start"]

_PATIENCE = 40.0
_BUSY = "another supervisor keeps this fleet"


def start(places: FleetPlaces, images: Path) -> None:
    """Start the supervisor of a fleet, unless there is one. Blocks until it listens.

    Raises:
        Conflict: Something else listens on the fleet's port.
        Invalid: It can't be started; says why.
        Transient: It was ended before it listened.
    """
    words = [sys.executable, "-m", "immutable_local"]
    words += [str(places.state), str(places.runtime), str(images)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module.
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Invalid(f"the supervisor of {places.name} did not come up; {_see(places)}") from None
    said = done.stdout.splitlines()
    if not said and done.returncode <= 0:
        raise Transient(f"the supervisor of {places.name} ended while it came up; {_see(places)}")
    if not said:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Invalid(f"the supervisor of {places.name} can't be started: {reason}; {_see(places)}")
    answer = json.loads(said[-1])
    if "error" in answer and answer["error"] != _BUSY:
        kind = Conflict if answer["kind"] == "Conflict" else Invalid
        raise kind(answer["error"])


def _see(places: FleetPlaces) -> str:
    return f"see {places.logs / 'supervisor.log'}"


# -- in the detached process -----------------------------------------------------------------------


def main() -> None:
    """Detach, and be the supervisor."""
    state, runtime, images = (Path(word) for word in sys.argv[1:4])
    places = FleetPlaces(unquote(state.name), state, runtime)
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        with os.fdopen(reading) as said:
            sys.stdout.write(said.read())
        return
    os.close(reading)
    os.setsid()
    _redirect(places)
    # Whoever started it reads until this is closed: here once it listens, else by its end.
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _tell(writing, {"error": _BUSY, "kind": "Busy"})
        return
    asyncio.run(_supervise(places, images, writing))


def _tell(telling: int, answer: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # It may have given up on waiting.
        os.write(telling, json.dumps(answer).encode() + b"\n")


def _redirect(places: FleetPlaces) -> None:
    """Let go of the starter's input and output; whoever waits for their end would wait for ever."""
    log = places.logs / "supervisor.log"
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)


async def _supervise(places: FleetPlaces, images: Path, telling: int) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        # Ignored, if a shell has put our command behind an ampersand: so would every instance have
        # it, and one whose stop signal it is would not hear of its end.
        signal.signal(number, signal.SIG_DFL)
    try:
        supervisor = await _made(places, images)
        await supervisor.start()
        server = await serve(places.socket, handlers(supervisor), waits(supervisor))
    except (ImmutableError, OSError) as error:
        logging.getLogger("immutable_local").exception("the supervisor can't start")
        _tell(telling, {"error": str(error), "kind": type(error).__name__})
        return
    _tell(telling, {"ready": True})
    os.close(telling)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    async with server:
        await supervisor.run()
    places.socket.unlink(missing_ok=True)


async def _made(places: FleetPlaces, images: Path) -> Supervisor:
    record = await asyncio.to_thread(load, places.record, FleetRecord)
    kind = await asyncio.to_thread(choose, record.balancer)
    isolated = record.isolation == Isolation.BUBBLEWRAP
    bwrap = await asyncio.to_thread(find_bubblewrap) if isolated else None
    if isolated and bwrap is None:
        raise BackendError("the fleet's instances are isolated by bubblewrap, which is gone")
    balancer = kind(places.state / "balancer", places.runtime, record.port)
    return Supervisor(places, record, ImageStore(images), balancer, bwrap)
