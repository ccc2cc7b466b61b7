"""On whose behalf a call that changes a fleet is made."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Context"]


@frozen
class Context:
    """On whose behalf, and under which lease, a mutating call is made.

    Attributes:
        rollout: The rollout's identifier; goes into the tags of what is created.
        plan: The digest of its plan; goes into the tags too.
        fence: The lease's number; a call with a lower one than the group has seen is stale.
        token: Derived from what the call does and which attempt it is: the same for a repeated
            call, another for a new one. Passed to the cloud where it takes such a token.
        deadline: Seconds that the call may take.
    """

    rollout: str
    plan: str
    fence: int
    token: str
    deadline: float
