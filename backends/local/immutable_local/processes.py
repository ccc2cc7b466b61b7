"""Starting the processes of instances, and finding them again.

Nothing here is remembered between calls but by the kernel: an `Identity` that was written down is
all that another controller needs, and one that wasn't is found by its mark.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TypeVar

from attrs import evolve

from immutable.errors import BackendError, CapacityShortage, Invalid, Transient
from immutable_local import guest, pids
from immutable_local.children import Child
from immutable_local.disk import reporting
from immutable_local.holds import Handle, Stamp
from immutable_local.identities import Identity
from immutable_local.launches import Isolation, Launch, environment, marks
from immutable_local.running import Process
from immutable_local.sandbox import argv

__all__ = ["Identity", "Process", "adopt", "free_port", "identify", "running", "scan", "spawn"]

T = TypeVar("T")

_PATIENCE = 15.0
"""Seconds that a sandbox may take to come up: 200 at once took 8.4 on two cores."""
_REAPING = 1.0
_SHORT_OF = (
    "Resource temporarily unavailable",
    "No space left on device",
    "Cannot allocate memory",
)


# -- starting --------------------------------------------------------------------------------------


async def spawn(launch: Launch, isolation: Isolation, *, bwrap: Path | None = None) -> Process:
    """Start an instance and return when its program runs; that it serves is for others to see.

    It is detached: in a session of its own, without input, its output in the log, none of our
    file descriptors inherited. Other users see its command, but not its environment. When the
    call is cancelled the instance is killed first.

    Args:
        launch: What to start. Its image must be unpacked.
        isolation: In what.
        bwrap: Where bubblewrap is; not needed without isolation.

    Raises:
        Invalid: The program isn't there or can't be executed, the image isn't unpacked, or the
            sandbox can't be made of it.
        CapacityShortage: No memory, processes, file descriptors or disk are left.
        BackendError: The log can't be written; or the sandbox didn't come up in time.
    """
    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(None, _start, launch, isolation, bwrap)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        process = await _settled(work)
        if process is not None:
            await _settled(loop.run_in_executor(None, _end, process))
        raise


async def _settled(work: asyncio.Future[T]) -> T | None:
    """Wait for what can't be cancelled, whoever cancels meanwhile."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([work])
    return work.result() if work.exception() is None else None


def _end(process: Process) -> None:
    while rest := process.slay():
        while not all(each.ended for each in rest):
            time.sleep(0.001)
    deadline = time.monotonic() + _REAPING
    while process.exit_code is None and time.monotonic() < deadline:
        time.sleep(0.001)


def _start(launch: Launch, isolation: Isolation, bwrap: Path | None) -> Process:
    Child.reap_dropped()
    words = argv(launch, isolation, bwrap)
    with reporting(f"starting {launch.instance}"), ExitStack() as stack:
        if not launch.image.root.is_dir():
            raise Invalid(f"the tree of {launch.image} isn't there; unpack it first")
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = stack.enter_context(os.fdopen(os.open(launch.log, flags, 0o600), "ab", buffering=0))
        if isolation is Isolation.NONE:
            return _start_plain(launch, words, log)
        return _start_isolated(launch, words, log)


def _run(
    words: list[str], log: IO[bytes], cwd: Path, env: dict[str, str], passed: tuple[int, ...] = ()
) -> Child:
    started = subprocess.Popen(  # noqa: S603 - to run what the image names is the purpose.
        words,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env=env,
        pass_fds=passed,
        start_new_session=True,
    )
    # A Popen that is dropped warns, because it knows nothing of detached processes.
    started.returncode = 0
    return Child(started.pid)


def _start_plain(launch: Launch, words: list[str], log: IO[bytes]) -> Process:
    told = environment(launch)
    if guest.wanted(launch.image):
        # As systemd gives each service one, which goes when the service is gone.
        place = guest.memory_of(launch.instance)
        with suppress(OSError):
            place.mkdir(mode=0o700)
            told["RUNTIME_DIRECTORY"] = str(place)
    try:
        lock = (launch.lock,) if launch.lock >= 0 else ()
        child = _run(words, log, launch.image.root, told, lock)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR):
            raise _unusable(launch, f"{words[0]}: {error.strerror}") from error
        raise
    try:
        identity = evolve(_identity(launch, child), app=Stamp.of(child.pid))
        return Process(identity, Handle.of(identity.app), child)
    except BaseException:
        _abort(child)
        raise


def _start_isolated(launch: Launch, words: list[str], log: IO[bytes]) -> Process:
    """Start a sandbox; the environment goes through a file descriptor, where nobody sees it."""
    cut = len(words) - len(guest.command(launch.image)) - 1
    said_before = os.fstat(log.fileno()).st_size
    with ExitStack() as stack:
        options = stack.enter_context(os.fdopen(os.memfd_create("options"), "w+b", buffering=0))
        options.write(b"".join(os.fsencode(word) + b"\0" for word in words[1:cut]))
        options.seek(0)
        ours, theirs = os.pipe()
        reading = stack.enter_context(os.fdopen(ours, "rb"))
        with os.fdopen(theirs, "wb") as writing:
            passed: tuple[int, ...] = (options.fileno(), writing.fileno())
            channels = ["--args", str(passed[0]), "--info-fd", str(passed[1])]
            if launch.lock >= 0:
                # The application inherits one of the two, the first process of its namespace keeps
                # the other: with it die all others, whatever they have closed.
                kept = os.dup(launch.lock)
                stack.callback(os.close, kept)
                passed += (launch.lock, kept)
                channels += ["--sync-fd", str(kept)]
            head = [words[0], *channels, *words[cut:]]
            child = _run(head, log, Path("/"), marks(launch), passed)
        try:
            return _emerging(launch, child, reading, said_before)
        except BaseException:
            _abort(child)
            raise


def _emerging(launch: Launch, child: Child, info: IO[bytes], said_before: int) -> Process:
    """Wait until the sandbox runs its program, or has ended."""
    deadline = time.monotonic() + _PATIENCE
    identity = _identity(launch, child)
    told = _told(info, deadline)
    if told:
        identity = evolve(identity, init=Stamp.of(json.loads(told)["child-pid"]))
    while identity.app is None and not child.ended:
        if time.monotonic() > deadline:
            raise Transient(f"{launch.instance} didn't start within {_PATIENCE:g} s; try again")
        time.sleep(0.001)
        identity = evolve(identity, app=_application(identity))
    if identity.app is None:
        last = _last_line(launch.log, said_before)
        if last.startswith("bwrap: "):
            raise _unusable(launch, last)
    return Process(identity, Handle.of(identity.app), child)


def _told(info: IO[bytes], deadline: float) -> bytes:
    """Return all that the sandbox says of itself; it comes in pieces, and ends with the pipe."""
    told = b""
    poll = select.poll()
    poll.register(info, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        piece = os.read(info.fileno(), 4096)
        if not piece:
            return told
        told += piece
    return b""


def _application(identity: Identity) -> Stamp | None:
    """Return the application of a namespace, once it runs the program that it is to run."""
    if identity.init is None:
        return None
    for pid in pids.children(identity.init.pid):
        if pids.depth(pid)[-1:] == (2,) and _command(pid) not in (
            b"",
            _command(identity.started.pid),
        ):
            return Stamp.of(pid)
    return None


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _identity(launch: Launch, child: Child) -> Identity:
    started = Stamp.of(child.pid)
    assert started is not None, "a child that wasn't reaped is there"
    image = launch.image
    state = str(launch.state)
    return Identity(launch.instance, state, image.stop_signal, pids.boot(), started, app=None)


def _abort(child: Child) -> None:
    """Kill what was just started and can't be held; it isn't reaped, so its number is its own."""
    for pid in pids.children(child.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    while not child.ended:
        time.sleep(0.001)


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _unusable(launch: Launch, reason: str) -> BackendError:
    kind = CapacityShortage if reason.endswith(_SHORT_OF) else Invalid
    return kind(f"{launch.image} can't be started: {reason}; correct its command or its files")


# -- finding again ---------------------------------------------------------------------------------


async def adopt(identity: Identity) -> Process | None:
    """Return a process that was written down; None when its application has ended.

    Never touches a process that merely has the same number. What an application that ended has
    left running is killed.
    """
    with reporting(f"adopting {identity.instance}"):
        return await asyncio.to_thread(_adopt, identity)


def _adopt(identity: Identity) -> Process | None:
    if identity.boot != pids.boot():
        return None
    app = Handle.of(identity.app)
    process = Process(identity, app, Child.again(identity.started.pid))
    if process.alive:
        return process
    while rest := process.slay():  # Until none is left that could still write anywhere.
        while not all(each.ended for each in rest):
            time.sleep(0.001)
    return None


async def scan(marker: Path) -> list[tuple[str, int]]:
    """Return what runs with a controller's mark, written down or not.

    Of a sandbox only the outermost process is named; an instance that was started twice, or left
    processes behind, is there several times. `identify` tells the rest.

    Args:
        marker: The directory that was given as ``state`` when they were launched.

    Returns:
        Instance identifiers with process identifiers, sorted.
    """
    with reporting("looking at the processes of this machine"):
        return await asyncio.to_thread(_scan, str(marker))


def _scan(state: str) -> list[tuple[str, int]]:
    Child.reap_dropped()
    return running(Path(state))


def running(marker: Path) -> list[tuple[str, int]]:
    """Return what `scan` does, and touch nothing. Blocks."""
    state = str(marker)
    found: dict[int, tuple[str, int]] = {}
    for pid, parent, seen in pids.environments(pids.everyone()):
        if seen.get("IMMUTABLE_STATE") == state and "IMMUTABLE_ID" in seen:
            found[pid] = seen["IMMUTABLE_ID"], parent
    return sorted(
        (name, pid)
        for pid, (name, parent) in found.items()
        if found.get(parent, ("", 0))[0] != name
    )


async def identify(marker: Path, pid: int, *, stop_signal: str = "SIGTERM") -> Identity | None:
    """Return what a process that `scan` found is, to adopt or kill it; None when it is gone.

    Args:
        marker: As for `scan`; a process that doesn't carry it is not identified.
        pid: The process.
        stop_signal: The stop signal of its image.
    """
    state = str(marker)
    with reporting(f"looking at process {pid}"):
        return await asyncio.to_thread(_identify, state, pid, stop_signal)


def _identify(state: str, pid: int, stop_signal: str) -> Identity | None:
    started, seen = Stamp.of(pid), pids.variables(pid)
    if started is None or seen.get("IMMUTABLE_STATE") != state or "IMMUTABLE_ID" not in seen:
        return None
    name = seen["IMMUTABLE_ID"]
    identity = Identity(name, state, stop_signal, pids.boot(), started, app=started)
    if "PORT" in seen:
        return identity
    # Only the monitor and the first process of a sandbox aren't told the port.
    firsts = (each for each in (pid, *pids.children(pid)) if pids.depth(each)[-1:] == (1,))
    identity = evolve(identity, init=Stamp.of(next(firsts, 0)))
    return evolve(identity, app=_application(identity))


# -- ports -----------------------------------------------------------------------------------------


def free_port(taken: Collection[int], low: int = 27000, high: int = 27900) -> int:
    """Return a port that can be bound now and that nobody was given. Doesn't block.

    The search starts anywhere, so that a port isn't given out again right after its instance is
    gone. The default range lies below the kernel's ephemeral ports (32768 and up), which any
    connection may occupy. A port whose last connection a server closed less than a minute ago
    isn't free: not every program sets SO_REUSEADDR.

    Args:
        taken: The ports of instances that may not listen yet.
        low: The lowest.
        high: The highest.

    Raises:
        CapacityShortage: None is free.
    """
    count = high - low + 1
    start = secrets.randbelow(count) if count > 0 else 0
    for offset in range(count):
        port = low + (start + offset) % count
        if port not in taken and _can_be_bound(port):
            return port
    way_out = "end what listens there, or use another range"
    raise CapacityShortage(f"no free port from {low} to {high}; {way_out}")


def _can_be_bound(port: int) -> bool:
    """Try it on all addresses: an instance may listen on any."""
    with reporting(f"binding port {port}"), socket.socket() as attempt:
        try:
            attempt.bind(("", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
