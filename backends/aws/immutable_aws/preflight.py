"""Everything that would stop a plan, found before anything is touched."""

from __future__ import annotations

from immutable.backend import Plan, Problem
from immutable_aws.hands import Hands

__all__ = ["preflight"]


async def preflight(hands: Hands, fleet: str, plan: Plan) -> tuple[Problem, ...]:
    """Return all problems at once, each with the way out."""
    return ()
