"""Two whole fleets side by side, and one switch between them."""

from __future__ import annotations

from attrs import field, frozen

from immutable.errors import PlanRefused, Problem
from immutable.model import (
    Bake,
    Capabilities,
    Commit,
    FleetState,
    Gate,
    Health,
    Route,
    Shift,
    Step,
)
from immutable.model.quantities import length

__all__ = ["BlueGreen"]


@frozen
class BlueGreen:
    """Bring the candidate to full size beside stable, check it, and switch all traffic at once.

    The fleet doubles meanwhile. Until the point of no return the way back is one switch.

    Attributes:
        keep_stable: Seconds, or a ``datetime.timedelta``, for which stable is kept after the point
            of no return, so that ``rollback`` is a switch too.
        preview: Gates that the candidate must pass before it gets any traffic.
        bake: How long it must serve all the traffic before the point of no return.
        gates: What watches the bake.
    """

    keep_stable: float = field(default=0.0, converter=length)
    preview: tuple[Gate, ...] = (Health(),)
    bake: float = field(default=300.0, converter=length)
    gates: tuple[Gate, ...] = (Health(),)

    def steps(self, state: FleetState, able: Capabilities) -> tuple[Step, ...]:
        """Return: grow beside stable, preview, switch, bake, give stable up.

        Raises:
            PlanRefused: The backend has no weighted traffic, so it can't switch at once.
        """
        del state
        if not able.weighted_traffic:
            problem = "the backend can't switch all traffic at once: it has no weighted traffic"
            raise PlanRefused((Problem(problem, "use Rolling() or Canary()"),))
        return (
            Shift(candidate=100, stable=100, probe=True),
            Bake(0.0, self.preview),
            Route(100),
            Bake(self.bake, self.gates),
            Commit(self.keep_stable),
        )
