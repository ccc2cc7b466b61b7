"""A read-only, hashable mapping, so that values that hold one stay values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["FrozenMap", "by_number", "settings"]

K = TypeVar("K")
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class FrozenMap(Mapping[K, V_co], Generic[K, V_co]):
    """A mapping that can't change: ``FrozenMap({"a": 1})["a"] == 1``.

    Equal to any mapping with the same items. Hashable when its values are. Change it with
    ``FrozenMap({**old, "a": 2})``.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[K, V_co] | None = None) -> None:
        self._items: dict[K, V_co] = dict(items or {})

    def __getitem__(self, key: K) -> V_co:
        return self._items[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return dict(self) == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def settings(values: Mapping[str, str] | None = None) -> FrozenMap[str, str]:
    """Return names and values as a frozen map, for attributes that take any mapping."""
    return FrozenMap(values)


def by_number(values: Mapping[int, V]) -> FrozenMap[int, V]:
    """Return values by revision number as a frozen map; JSON has made text of the numbers."""
    return FrozenMap({int(number): value for number, value in values.items()})
