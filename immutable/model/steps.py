"""What a strategy compiles to: goals that a rollout reaches one after the other.

Third parties write strategies by composing these.
"""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen

from immutable.errors import InvalidValue
from immutable.model.capabilities import Capabilities
from immutable.model.fleet import FleetState
from immutable.model.gates import Gate
from immutable.model.quantities import duration

__all__ = ["Bake", "Commit", "Renew", "Resize", "Route", "Shift", "Step", "Strategy"]


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
class Route:
    """Give the candidate a percentage of the traffic and stable the rest, at once.

    Attributes:
        candidate: The candidate's percentage.
    """

    candidate: float = field(validator=_percentage)

    def __str__(self) -> str:
        return f"{self.candidate:g} % of the traffic to the candidate"


@frozen
class Bake:
    """Stay as it is for a time, under gates; they watch the steps that lead here too.

    Attributes:
        seconds: How long at least.
        gates: What must pass before it goes on.
    """

    seconds: float
    gates: tuple[Gate, ...] = ()

    def __str__(self) -> str:
        under = f" under {', '.join(str(gate) for gate in self.gates)}" if self.gates else ""
        return f"bake {duration(self.seconds)}{under}"


@frozen
class Commit:
    """Give up the way back: from here on only forward.

    Attributes:
        keep_stable: Seconds for which stable's instances are kept afterwards, without traffic,
            so that a new rollout can switch back to them at once.
    """

    keep_stable: float = 0.0

    def __str__(self) -> str:
        kept = f"kept for {duration(self.keep_stable)}, then " if self.keep_stable else ""
        return f"point of no return: stable's group is {kept}given up"


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


@frozen
class Renew:
    """Replace instances of the fleet's one group by new ones of the same revision.

    Attributes:
        instances: Their identifiers.
    """

    instances: tuple[str, ...]

    def __str__(self) -> str:
        count = f"{len(self.instances)} instance{'s' * (len(self.instances) != 1)}"
        return f"{count} by new ones of the same revision: {', '.join(self.instances)}"


Step = Shift | Route | Bake | Commit | Resize | Renew
"""A goal to reach."""


class Strategy(Protocol):
    """A frozen value that says by which steps a fleet moves to a new revision."""

    def steps(self, state: FleetState, able: Capabilities) -> tuple[Step, ...]:
        """Return the steps for a fleet that looks like *state* on a backend that is *able*. Pure.

        Raises:
            PlanRefused: The backend can't do exactly that.
        """
        ...
