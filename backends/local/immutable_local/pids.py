"""Processes of this machine, as ``/proc`` shows them.

Everything here blocks for some microseconds a process; looking at environments for up to a tenth of
a second, when a process is just becoming another program.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

__all__ = [
    "boot",
    "children",
    "command",
    "depth",
    "environments",
    "everyone",
    "group",
    "parent",
    "started",
    "variables",
]

_EXEC_PAUSES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds to wait before each look at processes that may be between two programs."""

_GONE = (FileNotFoundError, ProcessLookupError)


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


def started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when it is gone."""
    fields = _status(pid)
    return int(fields[19]) if fields else None


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


def command(pid: int) -> tuple[str, ...]:
    """Return a process's command line; empty when it can't be seen, or there is none."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (*_GONE, PermissionError):
        return ()
    words = data.removesuffix(b"\0").split(b"\0") if data else []
    return tuple(os.fsdecode(word) for word in words)


def variables(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty when it can't be seen."""
    return next((seen for _, _, seen in environments([pid])), {})


def environments(those: Iterable[int]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield processes with their parents and the environments that they were started with.

    In the midst of ``execve`` the kernel shows none, until the new program's is in place
    (``environ_read``, fs/proc/base.c): all processes that show none though they run a program are
    looked at again, together.

    Args:
        those: The identifiers of the processes; those whose environment can't be seen are left out.
    """
    unseen = [*those]
    for pause in _EXEC_PAUSES:
        time.sleep(pause)
        looked_at, unseen = unseen, []
        for pid in looked_at:
            # The parent first: a process that ends in between then shows no environment.
            above, seen = parent(pid), _environment(pid)
            if seen:
                yield pid, above, seen
            elif _runs_program(pid):
                unseen.append(pid)
        if not unseen:
            return


def _environment(pid: int) -> dict[str, str]:
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except (*_GONE, PermissionError):
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in data.split(b"\0"))
    return {name: value for name, sign, value in pairs if sign}


def _runs_program(pid: int) -> bool:
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
