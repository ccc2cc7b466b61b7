"""Reaping the processes that this one has started, also when nobody cares about them any more."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import ClassVar, Self

__all__ = ["Child"]


class Child:
    """A process that we started and must reap, at the latest when somebody starts another."""

    _dropped: ClassVar[set[int]] = set()

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self._reaped = False

    @classmethod
    def again(cls, pid: int) -> Self | None:
        """Return a child that was dropped."""
        if pid not in cls._dropped:
            return None
        cls._dropped.discard(pid)
        return cls(pid)

    @classmethod
    def reap_dropped(cls) -> None:
        """Reap those who ended after they were dropped."""
        for _ in range(len(cls._dropped)):
            with suppress(KeyError):
                cls(cls._dropped.pop()).poll()

    @property
    def ended(self) -> bool:
        """Whether it has ended; it is reaped then."""
        self.poll()
        return self._reaped

    def poll(self) -> int | None:
        """Return how it ended, as a shell says it: 128 and the number for a signal."""
        if not self._reaped:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self._reaped = True
                return None
            if pid:
                self._reaped = True
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
        return self.code

    def __del__(self) -> None:
        if not self._reaped:
            self._dropped.add(self.pid)
