"""The checks, by what they are about. Each is a coroutine that gets a `Stage`."""

from immutable.testing.checks import growing, retiring

__all__ = ["growing", "retiring"]
