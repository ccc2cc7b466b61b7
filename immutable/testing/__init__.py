"""Tools for tests of programs and backends that use the SDK."""

from immutable.model import LoopClock
from immutable.testing.clock import VirtualLoop, run

__all__ = ["LoopClock", "VirtualLoop", "run"]
