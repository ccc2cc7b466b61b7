"""Programs that go on when whoever started them ends, and are found again.

A program here puts itself into the background (``haproxy -D``; our proxy does the same): the
command that starts it returns once it listens, or fails with a message. So there is no child to
reap, and a starter that is killed halfway leaves either nothing or a whole process.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from immutable.backend import Conflict, Invalid, Transient

__all__ = ["Program"]

_PATIENCE = 30.0
_TAIL = 2000


@frozen
class Program:
    """One detached program.

    Attributes:
        argv: The command that starts it.
        marks: Arguments that no other process has together; they name a file of its own.
        pidfile: Where it writes its process id.
        log: Where its output goes, appended.
        environment: What its environment has beside ours.
    """

    argv: tuple[str, ...]
    marks: tuple[str, ...]
    pidfile: Path
    log: Path
    environment: Mapping[str, str]

    async def recorded(self) -> int | None:
        """Return the process that the pidfile names, if that is this program and alive."""

        def look() -> int | None:
            try:
                pid = int(self.pidfile.read_text("ascii"))
            except (OSError, ValueError):
                return None
            return pid if self._is(pid) else None

        return await asyncio.to_thread(look)

    async def runs_as(self, pid: int) -> bool:
        """Whether the process *pid* is this program and alive."""
        return await asyncio.to_thread(self._is, pid)

    def _is(self, pid: int) -> bool:
        if pid <= 1:
            return False
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        # A zombie has no arguments: dead.
        return all(os.fsencode(mark) in arguments for mark in self.marks)

    async def record(self, pid: int) -> None:
        """Write the pidfile, which was lost."""
        await asyncio.to_thread(self.pidfile.write_text, f"{pid}\n", "ascii")

    async def launch(self, files: Mapping[Path, str], address: str) -> None:
        """Write *files*, start the program and return once it is in the background.

        Raises:
            Conflict: Another process listens on *address*, where this one is to listen.
            Invalid: It doesn't start; with the end of what it said.
            Transient: It is not in the background after 30 s.
        """
        try:
            failure = await asyncio.to_thread(self._launch, files)
        except subprocess.TimeoutExpired as error:
            raise Transient(f"{self.argv[0]} did not start within {_PATIENCE:g} s") from error
        except OSError as error:
            raise Invalid(f"{self.argv[0]} can't be started: {error}") from error
        if failure is None:
            return
        if "Address already in use" in failure:
            raise Conflict(
                f"{address} is in use by another process; stop that one or choose another port"
            )
        raise Invalid(f"{self.argv[0]} did not start: {failure}; see {self.log}")

    def _launch(self, files: Mapping[Path, str]) -> str | None:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            before = log.tell()
            # The command only names our own program and files.
            done = subprocess.run(  # noqa: S603
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                env={**os.environ, **self.environment},
                start_new_session=True,
                timeout=_PATIENCE,
                check=False,
            )
        if done.returncode == 0:
            return None
        said = self.log.read_bytes()[before:][-_TAIL:].decode("utf-8", "replace").strip()
        return said or f"exit status {done.returncode}"

    async def end(self, pid: int, *, grace: float = 5.0) -> None:
        """End the process: SIGTERM, after *grace* seconds SIGKILL; returns when it is gone.

        Nothing happens to a process that is not this program.

        Raises:
            Transient: It is not gone 5 s after SIGKILL.
        """
        try:
            handle = os.pidfd_open(pid)
        except OSError as error:
            # EINVAL: the number is a thread's now.
            if error.errno in {errno.ESRCH, errno.EINVAL}:
                return
            raise
        try:
            # The handle is of the process as it was then; whoever gets its number later is safe.
            if not await self.runs_as(pid):
                return
            for which, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, which)
                if await _ended(handle, patience):
                    return
        finally:
            os.close(handle)
        raise Transient(f"process {pid} ({self.argv[0]}) does not end")

    async def clear(self, *files: Path) -> None:
        """Remove *files*, those that exist, and the program's own."""

        def remove() -> None:
            for path in (*files, self.pidfile, self.log):
                path.unlink(missing_ok=True)

        await asyncio.to_thread(remove)


async def _ended(handle: int, patience: float) -> bool:
    """Wait until the process behind a pidfd has ended, at most *patience* seconds."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(handle, gone.set)
    try:
        async with asyncio.timeout(patience):
            await gone.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
    return True
