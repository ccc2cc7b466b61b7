"""What a rollout can do to a fleet: one class for each mutating call of a backend.

Absolute and by name, so that each can be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from immutable.model.fleet import Pool
from immutable.model.frozenmap import FrozenMap, by_number

__all__ = [
    "Action",
    "Create",
    "Delete",
    "Grow",
    "HoldGroup",
    "Release",
    "Reroute",
    "Retire",
    "Settle",
    "Snapshot",
]


@frozen
class HoldGroup:
    """Keep others from removing or replacing a group's members until a time."""

    revision: int
    until: float


@frozen
class Create:
    """Make the empty group of a new revision, held until a time."""

    revision: int
    pool: Pool
    until: float


@frozen
class Grow:
    """Raise a group to a size; *expected* is the size that it was decided on."""

    revision: int
    size: int
    expected: int


@frozen
class Retire:
    """Drain, then terminate, exactly these members."""

    revision: int
    ids: tuple[str, ...]


@frozen
class Settle:
    """Lower a group's size to the members that it has."""

    revision: int


@frozen
class Release:
    """End a group's hold and leave the fleet's scaling settings on it."""

    revision: int


@frozen
class Delete:
    """Remove an empty group from the fleet."""

    revision: int


def _weights(value: Mapping[int, float]) -> FrozenMap[int, float]:
    return by_number(value)


@frozen
class Reroute:
    """Give each group its percentage of the traffic, all at once.

    Attributes:
        revision: The group that gets more than before.
        weights: The percentage of each group, by revision number; 100 together.
    """

    revision: int
    weights: FrozenMap[int, float] = field(converter=_weights)


@frozen
class Snapshot:
    """Save the volumes of a slot that nobody holds, before the group's next member gets it.

    Attributes:
        revision: The group whose launch waits for it.
        slot: Which slot.
    """

    revision: int
    slot: str


Action = HoldGroup | Create | Grow | Retire | Settle | Release | Delete | Reroute | Snapshot
"""One mutating call to a backend."""
