"""Sharing trials out among processes; the answer is the same whoever does which."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from threading import Event, Lock

from immutable.errors import ImmutableError
from immutable.simulation.trial import Job, Trial, attempt

__all__ = ["default_workers", "trials_of"]

_WORTH = 8
"""Fewer trials than this are done before another process has started."""


def default_workers(trials: int) -> int:
    """Return how many processes are worth it: none for few trials, else one for each core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(cores or 1, trials // _WORTH)


async def trials_of(
    job: Job, numbers: range, *, workers: int, told: Callable[[int], None] | None = None
) -> tuple[Trial, ...]:
    """Return the trials of those numbers, in order.

    Args:
        job: What is rehearsed.
        numbers: Which trials.
        workers: How many processes; 0 for a thread of this one.
        told: Called with the number of trials that are done, on a thread.

    Raises:
        ImmutableError: A process ended before its trials were done.
    """
    shared = _Shared(numbers, told)
    loop = asyncio.get_running_loop()
    hands: list[_Process | _Thread] = [_Process(job, shared) for _ in range(workers)]
    hands = hands or [_Thread(job, shared)]
    working = [loop.run_in_executor(None, hand.work) for hand in hands]
    try:
        await asyncio.gather(*working)
    finally:
        # Cancelled or failed: nobody waits for the rest. Threads end once their process has.
        shared.stop.set()
        for hand in hands:
            hand.end()
        await asyncio.gather(*working, return_exceptions=True)
    return tuple(shared.done[number] for number in numbers)


class _Shared:
    """What the threads share: which trial is next, and what came of those before."""

    def __init__(self, numbers: range, told: Callable[[int], None] | None) -> None:
        self.done: dict[int, Trial] = {}
        self.stop = Event()
        self._left = iter(numbers)
        self._lock = Lock()
        self._told = told

    def next(self) -> int | None:
        """Return the number of a trial that nobody has begun; None when there is none."""
        with self._lock:
            return None if self.stop.is_set() else next(self._left, None)

    def add(self, trial: Trial) -> None:
        """Keep a trial that is done."""
        with self._lock:
            self.done[trial.number] = trial
            if self._told is not None:
                self._told(len(self.done))


class _Thread:
    """Runs trials on a thread of this process."""

    def __init__(self, job: Job, shared: _Shared) -> None:
        self._job = job
        self._shared = shared

    def work(self) -> None:
        """Run trials until none is left."""
        while (number := self._shared.next()) is not None:
            self._shared.add(attempt(self._job, number))

    def end(self) -> None:
        """Do nothing: the trial that runs is the last."""


class _Process:
    """Has trials run by a process of its own.

    A fresh interpreter, not a fork and not `multiprocessing`: a fork would copy threads' locks, and
    the latter imports the caller's script again.
    """

    def __init__(self, job: Job, shared: _Shared) -> None:
        self._job = job
        self._shared = shared
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def work(self) -> None:
        """Start the process, and feed it until no trial is left."""
        with self._lock:
            if self._shared.stop.is_set():
                return
            path = os.pathsep.join(each for each in sys.path if each)
            self._process = subprocess.Popen(  # This interpreter, and our module.
                [sys.executable, "-m", "immutable.simulation.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
        try:
            with self._process as process:
                try:
                    self._feed(process)
                finally:
                    process.kill()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if not self._shared.stop.is_set():
                raise ImmutableError("a process that ran trials has died") from error

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        asked, answers = process.stdin, process.stdout
        assert asked is not None, "it was started with a pipe"
        assert answers is not None, "it was started with a pipe"
        pickle.dump(self._job, asked)
        while (number := self._shared.next()) is not None:
            pickle.dump(number, asked)
            asked.flush()
            self._shared.add(pickle.load(answers))  # noqa: S301  # Our own child's.

    def end(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
