"""A walk within one group: instances that are named give way to new ones of their revision. Pure.

The group is counted as if it were two: those that are named, and all others. So
`immutable.planning.kernel` decides as in any rollout, inside the same limits: the others grow
while the named ones shrink. Going back, the named ones that are left stay.
"""

from __future__ import annotations

from attrs import evolve

from immutable.model import Plan, PlanKind, Renew
from immutable.planning.arithmetic import Counts
from immutable.planning.goals import Goals

__all__ = ["named", "parts", "renewal_goals"]


def named(plan: Plan) -> frozenset[str]:
    """Return the instances that a plan replaces by name; none unless it is a repair."""
    if plan.kind is not PlanKind.REPAIR:
        return frozenset()
    return frozenset(
        name for step in plan.steps if isinstance(step, Renew) for name in step.instances
    )


# A group of size 11 with 10 READY ones, of which 2 are named, and one that is starting. The named
# ones: size 2, 2 READY. All others: size 9, 8 READY, one starting.
# One of the named died and the cloud replaces it: size 1; all others: size 10.
def parts(group: Counts, old: Counts) -> tuple[Counts, Counts]:
    """Return a group as two: those that are named, and all others.

    Args:
        group: The whole group.
        old: Those that are named, counted; whatever *size* says, it is those that are there.
    """
    rest = Counts(
        size=max(0, group.size - old.live),
        starting=group.starting - old.starting,
        ready=group.ready - old.ready,
        proven=group.proven - old.proven,
        unready=group.unready - old.unready,
        leaving=group.leaving - old.leaving,
    )
    return evolve(old, size=old.live), rest


# N = 10, 2 named: none of them, and 10 others. Going back while one is left: that one, and 9.
def renewal_goals(wanted: int, left: int, *, back: bool) -> Goals:
    """Return how many named ones (as stable) and others (as candidate) a repair leads to.

    Args:
        wanted: The fleet's size, N.
        left: How many of the named ones are there.
        back: Whether it has given up.
    """
    stays = min(left, wanted) if back else 0
    return Goals(stable=stays, candidate=wanted - stays)
