"""Processes of this machine, named and held so that none is mistaken for another.

A process identifier is given out again after its process is gone. One together with the time at
which its process started isn't, until the machine boots. Everything but `Handle`'s methods reads
``/proc`` and blocks for some microseconds a process.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from attrs import frozen

__all__ = [
    "EXEC_PAUSES",
    "Handle",
    "Stamp",
    "boot",
    "children",
    "depth",
    "everyone",
    "group",
    "parent",
    "runs_program",
    "variables",
]

EXEC_PAUSES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds to wait before each look at a process that may be between two programs."""

_GONE = (FileNotFoundError, ProcessLookupError)


@frozen
class Stamp:
    """A process, as it can be written down.

    Attributes:
        pid: Its identifier, as this process sees it.
        ticks: When it started, in clock ticks since boot (``/proc/PID/stat``, field 22).
    """

    pid: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the stamp of the process that has the identifier now; None if none has."""
        fields = _status(pid)
        return cls(pid, int(fields[19])) if fields else None


class Handle:
    """A hold on one process: what is done through it can't reach any other.

    Holds a file descriptor, until it is closed or dropped. Its methods don't block.

    Args:
        descriptor: From ``pidfd_open``.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def of(cls, stamp: Stamp | None) -> Self | None:
        """Return a hold on the process of a stamp; None when it is gone. Blocks.

        Raises:
            OSError: There is no file descriptor left.
        """
        if stamp is None:
            return None
        try:
            handle = cls(os.pidfd_open(stamp.pid))
        except OSError as error:
            # EINVAL: the identifier is a thread's now.
            if error.errno in (errno.ESRCH, errno.EINVAL):
                return None
            raise
        # Compared after it is held: if it was another's, it still is.
        if Stamp.of(stamp.pid) == stamp:
            return handle
        handle.close()
        return None

    @property
    def ended(self) -> bool:
        """Whether the process has ended, be it reaped or not."""
        if self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    async def wait(self) -> None:
        """Return when the process has ended."""
        if self.ended:
            return
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        # A loop has one reader for a descriptor, and several may wait.
        descriptor = os.dup(self._descriptor)
        loop.add_reader(descriptor, _settle, over)
        try:
            await over
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone gets none.

        Raises:
            PermissionError: The process belongs to another user.
        """
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def close(self) -> None:
        """Let go of the process; it counts as ended from then on."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def _settle(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)


def boot() -> str:
    """Return what names the time since the machine was started; another after each boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def everyone() -> Iterator[int]:
    """Yield the identifiers of this user's processes, this one left out."""
    user, me = os.geteuid(), os.getpid()
    with os.scandir("/proc") as found:
        pids = [int(each.name) for each in found if each.name.isdecimal()]
    for pid in pids:
        with suppress(*_GONE):
            if pid != me and Path(f"/proc/{pid}").stat().st_uid == user:
                yield pid


def children(pid: int) -> tuple[int, ...]:
    """Return the identifiers of a process's children, the oldest first.

    The kernel may show a new one late: who waits for one must ask again.
    """
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except _GONE:
        return ()
    return tuple(int(word) for word in text.split())


def parent(pid: int) -> int:
    """Return the identifier of a process's parent; 0 when there is none."""
    fields = _status(pid)
    return int(fields[1]) if fields else 0


def group(pid: int) -> int:
    """Return the identifier of a process's group; 0 when the process is gone."""
    fields = _status(pid)
    return int(fields[2]) if fields else 0


def depth(pid: int) -> tuple[int, ...]:
    """Return a process's identifiers in its pid namespaces, from ours to its own.

    ``(8706, 1)`` is the first process of a namespace below ours.
    """
    with suppress(*_GONE):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name == "NSpid":
                return tuple(int(word) for word in value.split())
    return ()


def variables(pid: int, *, pauses: Sequence[float] = EXEC_PAUSES) -> dict[str, str]:
    """Return the environment that a process was started with; empty when it can't be seen.

    In the midst of ``execve`` the kernel shows none, until the new program's is in place
    (``environ_read``, fs/proc/base.c): such a process is looked at again.

    Args:
        pid: The process.
        pauses: Seconds before each look, as long as it shows none though it runs a program.
    """
    found: dict[str, str] = {}
    for pause in pauses:
        time.sleep(pause)
        found = _environment(pid)
        if found or not runs_program(pid):
            break
    return found


def _environment(pid: int) -> dict[str, str]:
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except (*_GONE, PermissionError):
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in data.split(b"\0"))
    return {name: value for name, sign, value in pairs if sign}


def runs_program(pid: int) -> bool:
    """Whether a process runs a program: it is no zombie, and no thread of the kernel's own."""
    status = _status(pid)
    return bool(status) and status[0] != "Z" and status[1] not in {"0", "2"}


def _status(pid: int) -> list[str]:
    """Return ``/proc/PID/stat`` from its third field on: a program's name may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except _GONE:
        return []
    return text.rpartition(")")[2].split()
