"""Which images may be cleared away: what no fleet runs, and what none would go back to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Protocol, runtime_checkable

from immutable.journal import Journal
from immutable.model import Image, Plan

__all__ = ["SupportsCollecting", "ways_back"]


@runtime_checkable
class SupportsCollecting(Protocol):
    """A backend that keeps images itself, and clears them away."""

    async def collect_images(
        self, keep: Collection[str], *, older: float, dry_run: bool
    ) -> tuple[Image, ...]:
        """Remove images, and return them.

        Those that a fleet has a group of stay, whatever else holds.

        Args:
            keep: Artifacts that stay too.
            older: Seconds that an image must not have been made, or made ready for a fleet.
            dry_run: Whether to touch nothing.
        """
        ...


async def ways_back(journal: Journal, most: int) -> frozenset[str]:
    """Return the artifacts that fleets would go back to, and those of rollouts that are unfinished.

    Args:
        journal: Where the rollouts of all fleets are.
        most: How many rollouts of each fleet count, the newest first.
    """
    plans: defaultdict[str, list[Plan]] = defaultdict(list)
    kept = set()
    for entry in await journal.entries():
        if not entry.status.ended:
            kept |= _both(entry.plan)
        plans[entry.fleet].append(entry.plan)
    for each in plans.values():
        for plan in each[-most:] if most else ():
            kept |= _both(plan)
    return frozenset(kept)


def _both(plan: Plan) -> set[str]:
    return {plan.stable.image.artifact, plan.candidate.image.artifact}
