"""Time that an emulated cloud and whoever calls it skip together, when nobody has anything to do.

An emulator serves what fell due before it answers, in its order, and nothing in between: to let it
skip a wait is the same as to wait. Calls take the real time that they take.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

__all__ = ["Emulated", "Time"]

T = TypeVar("T")

_SHORT = 0.02
"""A wait that is hardly longer than the order to skip it."""


class Emulated(Protocol):
    """A cloud whose clock can be moved on."""

    def skip(self, *, seconds: float) -> object:
        """Let so much time pass at once."""
        ...


class Time:
    """What is waited for, and how long everything took.

    Args:
        cloud: Whose time it is as well.
        real: Whether to wait in earnest.
    """

    def __init__(self, cloud: Emulated, *, real: bool = False) -> None:
        self._cloud = cloud
        self._real = real
        self.skipped = 0.0

    def now(self) -> float:
        """Return the wall clock's time, in seconds since 1970: a `Clock` of the SDK."""
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        if self._real or seconds < _SHORT:
            time.sleep(seconds)
        else:
            self._cloud.skip(seconds=seconds)
            self.skipped += seconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* on an event loop of this time, and return its result."""
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(main)


class _Selector(selectors.SelectSelector):
    """Waits in earnest for what threads do, and lets all other waits be skipped."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self.outside:
            return super().select(timeout)
        events = super().select(0)
        if not events:
            self._time.sleep(timeout)
        return events


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time goes on by what was skipped, too."""

    def __init__(self, time: Time) -> None:
        self._skipping = time
        self._selecting = _Selector(time)
        super().__init__(self._selecting)

    def time(self) -> float:
        return super().time() + self._skipping.skipped

    def run_in_executor(  # type: ignore[override]  # Narrower generics need 3.11's Unpack.
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self._selecting.outside += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._selecting.outside -= 1
