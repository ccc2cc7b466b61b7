"""Which temporary changes of a fleet are to be undone, and by what right. Pure.

A hold names its rollout and its end. One whose rollout has ended, or whose time is over, is
nobody's any more; what it changed stays changed until somebody undoes it. So is an empty group
that a rollout made and did not remove, or emptied and did not remove.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from immutable.model import (
    Action,
    Delete,
    FleetState,
    Group,
    InstanceState,
    Release,
    Status,
)
from immutable.model.quantities import duration

__all__ = ["Leftover", "leftovers"]


@frozen
class Leftover:
    """What a rollout has left behind.

    Attributes:
        action: What undoes it: `Release` for a hold, `Delete` for an empty group.
        rollout: Whose it is.
        plan: The digest of that rollout's plan; empty where the backend doesn't tell.
        fence: The number of the lease that it names.
        sweep: Whether it is to be undone, or was.
        why: Why it is, or why it is not.
    """

    action: Action
    rollout: str
    plan: str
    fence: int
    sweep: bool
    why: str

    @property
    def revision(self) -> int:
        """The number of the revision whose group it is."""
        return self.action.revision

    def __str__(self) -> str:
        group = f"r{self.revision}"
        if isinstance(self.action, Delete):
            what, undone = f"{group}, empty, of rollout {self.rollout}", "removed"
        else:
            what, undone = f"{group}, held by rollout {self.rollout}", "restored"
        return f"{what}: {undone if self.sweep else 'left'}, {self.why}"


# r1 alone, its hold over: it is restored.
# r1 with members, r2 empty, nobody at work: r1 is restored, then r2 is removed.
# r1 and r2 with members, nobody at work: the one that serves is restored; which one is to stay
# is for `recover` or `rollback` to say. Where the rollout that holds the other one is known to have
# ended, that is restored too, and before, so that the scaling settings come to the one that serves;
# where it is lost, the marks are all that tells how to go on.
# Anybody at work, or perhaps at work: nothing is touched.
def leftovers(state: FleetState, known: Mapping[str, Status]) -> tuple[Leftover, ...]:
    """Return what rollouts have left on a fleet, each with what is to become of it, in order.

    Args:
        state: The fleet.
        known: How the fleet's rollouts stand, as far as the journal knows them, by identifier.
    """
    if not state.groups:
        return ()
    serving = max(state.groups, key=lambda group: _service(state, group))
    manned = [group for group in state.groups if group.size or state.members(group.number)]
    others = [group for group in state.groups if group is not serving]
    busy = _at_work(state, known)
    undecided = _undecided(manned, others)
    found = []
    for group in others:
        if group in manned and group.mark is not None and group.mark.rollout in known:
            why = _why(group, state, known)
            found.append(_leftover(Release(group.number), group, busy, why))
    if serving.mark or (others and not undecided):
        found.append(_leftover(Release(serving.number), serving, busy, _why(serving, state, known)))
    for group in others:
        if group not in manned:
            reason = busy or undecided or _unsafe(state, serving, group)
            found.append(_leftover(Delete(group.number), group, reason, "nobody needs it"))
        elif group.mark is not None and group.mark.rollout not in known:
            found.append(_leftover(Release(group.number), group, busy or undecided, ""))
    return tuple(found)


def _service(state: FleetState, group: Group) -> tuple[float, int, int, int]:
    """Return what tells the group that the fleet serves from: it has the most of this."""
    ready = [e for e in state.members(group.number) if e.state is InstanceState.READY]
    return group.weight or 0.0, len(ready), group.size, -group.number


def _leftover(action: Action, group: Group, reason: str, right: str) -> Leftover:
    """Return a leftover that stays for *reason*, or else is undone by a *right*."""
    hold = group.mark
    return Leftover(
        action,
        rollout=hold.rollout if hold is not None else group.rollout,
        plan=hold.plan if hold is not None else group.plan,
        fence=hold.fence if hold is not None else 0,
        sweep=not reason,
        why=reason or right,
    )


def _at_work(state: FleetState, known: Mapping[str, Status]) -> str:
    """Return why somebody is, or may be, at work on the fleet; empty when nobody is."""
    for rollout, status in known.items():
        if not status.ended:
            return f"for rollout {rollout} has not ended: recover it"
    for group in state.groups:
        if group.hold is not None and group.hold.rollout not in known:
            left = duration(round(max(0.0, group.hold.until - state.at)))
            return (
                f"for this journal doesn't know rollout {group.hold.rollout},"
                f" and it may be alive: its time is over in {left}"
            )
    return ""


def _undecided(manned: list[Group], others: list[Group]) -> str:
    """Return why it can't be told which group is the fleet; empty when it can, or is alone."""
    if not others or len(manned) == 1:
        return ""
    numbers = " and ".join(f"r{group.number}" for group in manned) or "none of the groups"
    return f"for {numbers} have members: recover, or rollback to one of them"


def _unsafe(state: FleetState, serving: Group, empty: Group) -> str:
    """Return why an empty group must not be removed, if so."""
    if not any(e.state is InstanceState.READY for e in state.members(serving.number)):
        return f"for nobody in r{serving.number} is READY"
    hold = empty.mark
    owner = hold.rollout if hold is not None else empty.rollout
    return "" if owner else "for no mark says whose it is"


def _why(group: Group, state: FleetState, known: Mapping[str, Status]) -> str:
    """Return by what right a group that nobody works on is restored."""
    hold = group.mark
    if hold is None:
        return "for it is all of the fleet"
    if hold.rollout in known:
        return "for its rollout has ended"
    return f"for its time was over {duration(round(max(0.0, state.at - hold.until)))} ago"
