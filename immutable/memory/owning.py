"""Who may change a simulated group: holds, leases, and what a hold has changed. Pure."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from immutable.backend import Conflict, Group, Hold

__all__ = ["check", "held", "released", "told"]


def told(shown: Group, at: float) -> Group:
    """Return a group as observers see it: a hold that is over binds nobody."""
    hold = shown.hold
    if hold is None or hold.until > at:
        return shown
    minimum = min(hold.minimum or 0, shown.size)
    return evolve(shown, hold=None, lapsed=hold, minimum=minimum)


def held(shown: Group, hold: Hold) -> Group:
    """Return a group that a rollout holds; what an earlier hold has saved stays saved."""
    old = shown.hold
    size = old.size if old is not None and old.rollout == hold.rollout else shown.size
    minimum = old.minimum if old is not None else shown.minimum
    return evolve(shown, hold=evolve(hold, size=size, minimum=minimum))


def released(shown: Group, fleet: Collection[Group]) -> Group:
    """Return a group without its hold, with the bounds that the groups of its fleet have saved."""
    holds = [each.hold for each in fleet]
    saved = [hold.minimum for hold in holds if hold is not None and hold.minimum]
    least = max(saved, default=shown.minimum)
    return evolve(shown, hold=None, minimum=min(least, shown.size))


def check(shown: Group, rollout: str, fence: int, at: float) -> None:
    """Refuse a call of anybody but the holder of a group.

    Raises:
        Conflict: Another rollout holds it, or a later lease of the same one does.
    """
    hold = shown.hold
    if hold is None or hold.until <= at:
        return
    if hold.rollout != rollout:
        raise Conflict(f"held by rollout {hold.rollout}", owner=hold.rollout)
    if hold.fence > fence:
        raise Conflict(f"lease {fence} is older than {hold.fence}", owner=hold.rollout)
