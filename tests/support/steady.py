"""Virtual time on which equal seeds give equal runs: nothing is left to how quick a thread is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from immutable.testing import VirtualLoop

__all__ = ["SteadyLoop", "run_steadily"]

T = TypeVar("T")


class SteadyLoop(VirtualLoop):
    """A virtual loop that does itself, in its turn, what others give to a thread."""

    def run_in_executor(
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(_settle, future, func, args)
        return future


def _settle(future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    try:
        answer = func(*args)
    except Exception as error:  # noqa: BLE001  # Whoever waits gets it.
        if not future.cancelled():
            future.set_exception(error)
    else:
        if not future.cancelled():
            future.set_result(answer)


def run_steadily(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* as `immutable.testing.run` does; for a process in which nothing minds blocking."""
    with asyncio.Runner(loop_factory=SteadyLoop) as runner:
        return runner.run(main)
