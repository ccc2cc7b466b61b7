"""Tools for tests of programs and backends that use the SDK."""

from immutable.testing.clock import LoopClock, VirtualLoop, run

__all__ = ["LoopClock", "VirtualLoop", "run"]
