"""A blocking SDK of a cloud on threads of the backend's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from immutable.errors import Transient
from immutable.toolkit.turns import Turns

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """Runs what blocks, so that nobody else's threads wait for it (the contract's E1, E3).

    Args:
        name: What the threads' names begin with.
        workers: How many there are.

    Attributes:
        turns: Who changes what; a change that was given up is waited for there.
    """

    def __init__(self, name: str, workers: int) -> None:
        self.turns = Turns()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)

    async def run(self, work: Callable[[], T], turn: str | None = None) -> T:
        """Run something that blocks; cancelled, the caller leaves and the thread runs to its end.

        Args:
            work: What to run; its own timeouts end it.
            turn: What it changes, as `Turns.of` names it: the next turn waits until it is over.

        Raises:
            Transient: The threads have been let go.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError as error:
            raise Transient("the backend was closed") from error
        if turn is not None:
            self.turns.leave(turn, future)
        # Of a request whose caller has gone nobody asks how it ended.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(future)

    def close(self) -> None:
        """Let go of the threads; what is under way runs out by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
