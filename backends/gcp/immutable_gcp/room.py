"""Whether there is room for what a plan wants: quotas of the region and of the project. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from immutable.backend import Problem

__all__ = ["MOST_BACKENDS", "Needs", "most_members", "quota_problems"]

Needs = Mapping[str, float]

MOST_BACKENDS = 50
"""Instance groups in one backend service ("Quotas and limits" of Cloud Load Balancing)."""


def most_members(*, regional: bool) -> int:
    """Return how many members a group can have ("Regional MIGs", "Resource limits")."""
    return 2000 if regional else 1000


def quota_problems(quotas: Iterable[Mapping[str, Any]], needs: Needs, where: str) -> list[Problem]:
    """Return which quotas don't suffice.

    Args:
        quotas: As Google tells them: metric, limit, usage.
        needs: By metric, how much more is needed.
        where: Whose quotas they are.
    """
    problems: list[Problem] = []
    for quota in quotas:
        more = needs.get(str(quota.get("metric")), 0)
        limit, used = float(quota.get("limit", 0)), float(quota.get("usage", 0))
        if more > 0 and used + more > limit:
            problems.append(
                Problem(
                    f"quota {quota['metric']} of {where} is {limit:g}, {used:g} are used and"
                    f" {more:g} more are needed",
                    "lower max_surge, or ask for more in the console (IAM & Admin, Quotas)",
                )
            )
    return problems


# e2-standard-4, 4 vCPUs, 3 more servers: 12 CPUS; n2-standard-4: 12 N2_CPUS.
def needs_of(machine: str, cpus: int, more: int, *, public: bool, preemptible: bool) -> Needs:
    """Return what so many more servers need, by metric.

    Args:
        machine: The machine type.
        cpus: Its vCPUs.
        more: How many servers more.
        public: Whether each needs a public address.
        preemptible: Whether they count as preemptible.
    """
    family = machine.partition("-")[0].upper()
    shared = family in ("E2", "F1", "G1", "N1")
    metric = "CPUS" if shared else f"{family}_CPUS"
    if preemptible:
        metric = "PREEMPTIBLE_CPUS"
    needs: dict[str, float] = {"INSTANCES": more, metric: more * cpus}
    return needs | ({"IN_USE_ADDRESSES": more} if public else {})
