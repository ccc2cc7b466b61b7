"""What all backends of a process share that ask the same API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["PerLoop"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class PerLoop(Generic[K, V]):
    """One object for each key and event loop, since each loop has a time of its own.

    Args:
        make: Makes an object on first use.
    """

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, V]] = WeakKeyDictionary()

    def of(self, key: K) -> V:
        """Return the running loop's object of a key."""
        made = self._made.setdefault(asyncio.get_running_loop(), {})
        if key not in made:
            made[key] = self._make()
        return made[key]
