"""Time that an emulated cloud and whoever calls it skip together, when nobody has anything to do.

An emulator serves what fell due before it answers, in its order, and nothing in between: to let it
skip a wait is the same as to wait. Its clock stands still otherwise, and so does ours: what happens
doesn't depend on how fast the machine is. What a call takes is waited for like anything else.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

__all__ = ["Emulated", "Time"]

T = TypeVar("T")


class Emulated(Protocol):
    """A cloud whose clock can be stopped, and moved on."""

    def freeze(self) -> object:
        """Let the time stand still."""
        ...

    def skip(self, *, seconds: float) -> object:
        """Let so much time pass at once."""
        ...


class Time:
    """What is waited for, on both sides.

    Args:
        cloud: Whose time it is as well; it stands still from now on.
        real: Whether time passes by itself, and is waited for in earnest.
    """

    def __init__(self, cloud: Emulated, *, real: bool = False) -> None:
        self._cloud = cloud
        self.real = real
        self.skipped = 0.0
        self._began = time.time()
        if not real:
            cloud.freeze()

    def now(self) -> float:
        """Return the wall clock's time, in seconds since 1970: a `Clock` of the SDK."""
        return time.time() if self.real else self._began + self.skipped

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""
        if self.real:
            time.sleep(seconds)
        else:
            self._cloud.skip(seconds=seconds)
            self.skipped += seconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* on an event loop of this time, and return its result."""
        factory = asyncio.SelectorEventLoop if self.real else lambda: _Loop(self)
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)


class _Selector(selectors.SelectSelector):
    """Waits for what threads do, and lets all other waits be skipped."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (self.outside and timeout > 0):
            return super().select(None)
        events = super().select(0)
        if not events and timeout > 0:
            self._time.sleep(timeout)
        return events


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose time is what was skipped; it stands still while a thread works."""

    def __init__(self, time: Time) -> None:
        self._skipping = time
        self._selecting = _Selector(time)
        super().__init__(self._selecting)

    def time(self) -> float:
        return self._skipping.skipped

    def run_in_executor(  # type: ignore[override]  # Narrower generics need 3.11's Unpack.
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self._selecting.outside += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self) -> None:
        self._selecting.outside += 1  # Its threads end outside of this loop, too.
        try:
            await super().shutdown_default_executor()
        finally:
            self._selecting.outside -= 1

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self._selecting.outside -= 1
