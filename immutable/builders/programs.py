"""Programs that a build runs: each in a session of its own, heard line by line, ended for certain.

A program that is told to stop may have children, and may start itself anew under another process
number (Packer does both). So signals go to the whole group, and what is left of it after a grace is
killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import field, frozen

__all__ = ["Program", "basics", "heard", "output"]

_BASICS = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
"""What programs need to find their way; none of it is a secret."""
_CLOSING = 5.0
_LONGEST = 1 << 20
"""Bytes in a line that is read as one; a longer one comes in parts."""


@frozen
class Program:
    """What to run.

    Attributes:
        words: The program and its arguments.
        environment: All of its environment; None for that of this process.
        folder: Where it runs; None for here.
        grace: Seconds that it has to end by itself after SIGTERM, before SIGKILL.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    folder: Path | None = None
    grace: float = 60.0


def basics() -> dict[str, str]:
    """Return those variables of this process that every program may see."""
    return {name: os.environ[name] for name in _BASICS if name in os.environ}


async def heard(program: Program, hear: Callable[[str], None]) -> int:
    """Run a program to its end; what it says on either channel is heard as it comes.

    When this is cancelled, the program and its children have ended before it returns.

    Args:
        program: What to run.
        hear: Takes each line, without its end.

    Returns:
        Its exit code; below zero the signal that ended it.

    Raises:
        OSError: It can't be started.
    """
    async with _running(program, asyncio.subprocess.STDOUT) as process:
        assert process.stdout is not None, "a pipe was asked for"
        async for line in _lines(process.stdout):
            hear(line)
        return await process.wait()


async def output(program: Program) -> tuple[bytes, int]:
    """Run a program to its end, and return what it said on standard output and its exit code.

    Raises:
        OSError: It can't be started.
    """
    async with _running(program, asyncio.subprocess.DEVNULL) as process:
        assert process.stdout is not None, "a pipe was asked for"
        said = await process.stdout.read()
        return said, await process.wait()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    rest = b""
    while data := await stream.read(1 << 16):
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > _LONGEST:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line.rstrip(b"\r").decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


@asynccontextmanager
async def _running(program: Program, errors: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *program.words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        env=None if program.environment is None else dict(program.environment),
        cwd=program.folder,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await asyncio.shield(_end(process, program.grace))


async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
    """See to it that nothing of a program's group is left."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            # What it says while it ends is read, or it would wait for a reader.
            await asyncio.wait_for(process.communicate(), grace)
    # The first process may be gone, and others of its group not.
    _signal(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        # To the end of the pipe, that it can be closed; who has left the group may hold it open.
        await asyncio.wait_for(process.communicate(), _CLOSING)


def _signal(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group, if there is one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
