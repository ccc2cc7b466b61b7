"""A process that runs trials for another one: ``python -m immutable.simulation.worker``.

It reads a job, then numbers of trials, and answers each with its trial. It ends when it is told
to, and when there is nobody any more who could tell it: then its input ends, or its answer can't
be delivered. An interrupt from the terminal is for its parent, which ends it.
"""

from __future__ import annotations

import gc
import pickle
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from immutable.simulation.trial import attempt

__all__ = ["serve"]


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends."""
    with suppress(EOFError, BrokenPipeError):
        job = pickle.load(asked)  # noqa: S301  # Our parent's.
        while True:
            number = pickle.load(asked)  # noqa: S301
            pickle.dump(attempt(job, number), answers)
            answers.flush()


if __name__ == "__main__":
    # What is there now stays: it needs no more looks by the collector, nor does every trial.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
