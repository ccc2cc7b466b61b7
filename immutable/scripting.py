"""One call for scripts that change a fleet and nothing else."""

from __future__ import annotations

from pathlib import Path

from immutable.fleet import Fleet, ImageLike
from immutable.journal import Journal
from immutable.model import Limits, Result, Strategy
from immutable.strategies import Rolling

__all__ = ["replace"]

_ROLLING = Rolling()


async def replace(
    url: str,
    image: ImageLike,
    strategy: Strategy = _ROLLING,
    *,
    limits: Limits | None = None,
    journal: Journal | str | Path | None = None,
    reason: str = "",
    actor: str | None = None,
) -> Result:
    """Move the fleet at *url* to another image: connect, plan, apply, and wait for the end.

    Args:
        url: The fleet's address: ``backend://location/name``.
        image: The image to go to.
        strategy: The way to go.
        limits: How far to go; default the backend's.
        journal: Where it is written down; as for `Fleet.connect`.
        reason: Why.
        actor: On whose behalf; as for `Fleet.connect`.

    Raises:
        RolledBack: It did not work out; the fleet is as it was before.
        RolloutFailed: It is neither; the result lists what is left where.
        PlanRefused: It can't be done; with every problem that was found.
    """
    async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
        return await fleet.replace(image, strategy, limits=limits, reason=reason)
