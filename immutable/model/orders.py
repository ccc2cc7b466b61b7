"""What somebody can tell a rollout to do while it runs, and the record that it was told."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

__all__ = ["Order", "Ordered"]


class Order(StrEnum):
    """What somebody can tell a rollout to do, from any process."""

    PAUSE = "pause"
    """Stop until ``resume``; gates go on watching."""
    RESUME = "resume"
    """Undo a pause; a bake begins again."""
    PROMOTE = "promote"
    """Go on without waiting for the rest of the bake, unless a gate says FAIL."""
    ABORT = "abort"
    """Return to stable."""
    CANCEL = "cancel"
    """Stop and leave everything as it is."""
    YIELD = "yield"
    """After the point of no return: end now, and leave stable to the next rollout."""


@frozen
class Ordered:
    """An order arrived.

    Attributes:
        number: Its number in the rollout, 1, 2, 3 …
        order: What to do.
        actor: Who gave it, as claimed.
        reason: Why, in the actor's words.
        at: When it arrived, by the backend's clock.
        waited: Seconds of the step so far that no deadline counts: a bake's, or a pause's.
    """

    number: int
    order: Order
    actor: str = ""
    reason: str = ""
    at: float = 0.0
    waited: float = 0.0
