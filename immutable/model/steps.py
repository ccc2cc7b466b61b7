"""What a strategy compiles to: goals that a rollout reaches one after the other.

Third parties write strategies by composing these.
"""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.model.fleet import FleetState

__all__ = ["Commit", "Resize", "Shift", "Step", "Strategy"]


def _percentage(_: object, __: object, value: float) -> None:
    if not 0 <= value <= 100:
        raise InvalidValue("share", value, "outside 0 to 100 percent")


@frozen
class Shift:
    """Bring both groups to a share of the wanted size, inside the limits.

    Attributes:
        candidate: Percent of the wanted size that the candidate has when done.
        stable: Percent that stable has when done.
        probe: Whether the first candidate instance must prove the image before others follow.
    """

    candidate: float = field(validator=_percentage)
    stable: float = field(validator=_percentage)
    probe: bool = False

    def __str__(self) -> str:
        probe = "one candidate instance first, then " if self.probe else ""
        return f"{probe}candidate to {self.candidate:g} %, stable to {self.stable:g} % of size"


@frozen
class Commit:
    """Give up the way back: from here on only forward."""

    def __str__(self) -> str:
        return "point of no return: stable's group is given up"


@frozen
class Resize:
    """Bring the fleet's one group to a size.

    Attributes:
        size: How many instances the fleet shall have.
    """

    size: int

    def __attrs_post_init__(self) -> None:
        if self.size < 0:
            raise InvalidValue("size", self.size, "a fleet can't have fewer than 0 instances")

    def __str__(self) -> str:
        return f"{self.size} instances"


Step = Shift | Commit | Resize
"""A goal to reach."""


class Strategy(Protocol):
    """A frozen value that says by which steps a fleet moves to a new revision."""

    def steps(self, state: FleetState) -> tuple[Step, ...]:
        """Return the steps for a fleet that looks like *state*. Pure."""
        ...
