"""Processes named and held so that none is mistaken for another.

A process identifier is given out again after its process is gone. One together with the time at
which its process started isn't, until the machine boots.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import signal
from contextlib import suppress
from typing import Self

from attrs import frozen

from immutable_local import pids

__all__ = ["Handle", "Stamp"]


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
        ticks = pids.started(pid)
        return None if ticks is None else cls(pid, ticks)


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
