"""The checks, by what they are about. Each is a coroutine that gets a `Stage`."""

from immutable.testing.checks import (
    abilities,
    creating,
    growing,
    holding,
    observing,
    retiring,
    rolling,
    weighing,
)

__all__ = [
    "abilities",
    "creating",
    "growing",
    "holding",
    "observing",
    "retiring",
    "rolling",
    "weighing",
]
