"""Virtual time: an event loop that never waits.

When nothing is left to do now, the loop's time jumps to the next timer, so that hours of a
rollout pass in milliseconds. It stands still while a call on an executor is outstanding: a
journal's write takes no virtual time, and no deadline fires during one.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["VirtualLoop", "run"]

T = TypeVar("T")


class _Selector(selectors.BaseSelector):
    """Looks for input without waiting, and moves the loop's time instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            # Something can be done now. With nothing registered but the loop's own wake-up, which
            # wakes nobody who is awake, there is nothing to look for: half of a rollout's time.
            return self._real.select(0) if len(self._real.get_map()) > 1 else []
        if self._loop.outside:
            return self._real.select(None)
        events = self._real.select(0)
        if not events:
            if timeout is None:
                raise RuntimeError("the virtual loop waits for something that can't happen")
            self._loop.advance(timeout)
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, which starts at 0."""

    def __init__(self) -> None:
        self._virtual = 0.0
        self.outside = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self._virtual += seconds

    def run_in_executor(  # type: ignore[override]  # Narrower generics need 3.11's Unpack.
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run *func* on a thread; virtual time stands still until its result is delivered."""
        self.outside += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._returned)
        return future

    async def shutdown_default_executor(self) -> None:
        """Wait for the default executor's threads, which ends outside of this loop."""
        self.outside += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.outside -= 1

    def _returned(self, _: asyncio.Future[Any]) -> None:
        self.outside -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* on a fresh virtual loop and return its result.

    >>> import asyncio
    >>> run(asyncio.sleep(3600, "an hour later"))
    'an hour later'
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
