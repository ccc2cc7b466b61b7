"""A failure when something blocks the event loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blockbuster import BlockBuster, blockbuster_ctx

__all__ = ["detected"]


@contextmanager
def detected(package: str) -> Iterator[BlockBuster]:
    """Let whatever in *package* blocks an event loop fail."""
    with blockbuster_ctx(package) as detector:
        # The tracer of coverage's own, which another thread may have for a moment.
        lock = detector.functions["threading.Lock.acquire"]
        lock.can_block_in("coverage/collector.py", "lock_data")
        yield detector
