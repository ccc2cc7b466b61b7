"""The checks, by what they are about. Each is a coroutine that gets a `Stage`."""

from immutable.testing.check import KNOWN, Check
from immutable.testing.checks import (
    abilities,
    changing,
    creating,
    growing,
    holding,
    inspecting,
    keeping,
    observing,
    retiring,
    rolling,
    weighing,
    withdrawing,
)

__all__ = [
    "abilities",
    "catalogue",
    "changing",
    "creating",
    "growing",
    "holding",
    "inspecting",
    "keeping",
    "observing",
    "retiring",
    "rolling",
    "weighing",
    "withdrawing",
]


def catalogue() -> tuple[Check, ...]:
    """Return every check that there is, in the order in which they are run."""
    return tuple(KNOWN.values())
