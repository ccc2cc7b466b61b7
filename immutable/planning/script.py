"""The order of a rollout: from the hold on stable to the comparison at the end. Pure.

Sizes are left to `immutable.planning.kernel`; this says when it is its turn (`Walk`). Everything
is derived from what is seen and what the journal says, so any process can go on at any point.
"""

from __future__ import annotations

from attrs import frozen

from immutable.model import (
    Action,
    Commit,
    Create,
    Delete,
    Group,
    HoldGroup,
    Plan,
    PlanKind,
    Pool,
    Release,
    Status,
)

__all__ = ["Act", "Commits", "Ends", "Enters", "Facts", "Turns", "Waits", "Walk", "next_act"]

HOLD = 3600.0
"""Seconds that a hold lasts; it is renewed when half of that is over."""


@frozen
class Facts:
    """What the order depends on.

    Attributes:
        plan: The plan.
        step: The number of the step that the rollout works on.
        at: The time of the observation, by the backend's clock.
        fence: The number of the lease.
        rollout: The rollout's identifier.
        stable: Stable's group, if it is seen.
        candidate: The candidate's group, if it is seen.
        others: The numbers of further groups.
        created: Whether the candidate's group has been made, by the journal.
        settled: Whether everything that was done so far must be visible.
        back: Whether the rollout goes back.
        reason: Why it goes back.
        committed: Whether the point of no return is behind.
        reached: Whether the sizes that the step leads to are reached.
        differences: How the fleet differs from the start, at the end of the way back.
    """

    plan: Plan
    step: int
    at: float
    fence: int
    rollout: str
    stable: Group | None
    candidate: Group | None
    others: tuple[int, ...] = ()
    created: bool = False
    settled: bool = True
    back: bool = False
    reason: str = ""
    committed: bool = False
    reached: bool = False
    differences: tuple[str, ...] = ()


@frozen
class Act:
    """Do this."""

    action: Action
    why: str


@frozen
class Walk:
    """Move the sizes on, or wait for them."""


@frozen
class Waits:
    """Do nothing until more is known."""

    why: str


@frozen
class Enters:
    """The step is reached; the next one begins."""

    step: int


@frozen
class Commits:
    """Pass the point of no return."""


@frozen
class Turns:
    """Go back."""

    reason: str


@frozen
class Ends:
    """The rollout is over."""

    status: Status
    reason: str = ""
    left: tuple[str, ...] = ()


Next = Act | Walk | Waits | Enters | Commits | Turns | Ends


def next_act(facts: Facts) -> Next:
    """Return what comes next."""
    if facts.stable is None and not facts.settled:
        return Waits("until stable's group is visible")
    if facts.plan.kind is PlanKind.SCALE:
        return _scaling(facts)
    if facts.back:
        return _backward(facts)
    return _after_commit(facts) if facts.committed else _forward(facts)


def _held(facts: Facts, group: Group) -> Act | None:
    """Return the hold that a group needs: none, an old lease's and a waning one are renewed."""
    hold = group.hold
    if hold is not None and hold.rollout == facts.rollout and hold.fence == facts.fence:
        if hold.until - facts.at > HOLD / 2:
            return None
        why = "half of the hold is over"
    else:
        why = "nobody else may remove or replace members meanwhile"
    return Act(HoldGroup(group.number, facts.at + HOLD), why)


def _forward(facts: Facts) -> Next:
    stable, candidate = facts.stable, facts.candidate
    if stable is None:
        return Ends(Status.FAILED, "stable's group is gone", ("somebody else deleted it",))
    if facts.others and (candidate is None or candidate.size == 0):
        numbers = ", ".join(f"r{number}" for number in facts.others)
        return Turns(f"another rollout made {numbers} at the same time")
    hold = _held(facts, stable)
    if hold is not None:
        return hold
    if candidate is None:
        return _missing_candidate(facts)
    hold = _held(facts, candidate)
    if hold is not None:
        return hold
    if candidate.size == 0 and not facts.settled:
        return Waits("until a rival's group would be visible too")
    if isinstance(facts.plan.steps[facts.step], Commit):
        return Commits()
    return Enters(facts.step + 1) if facts.reached else Walk()


def _missing_candidate(facts: Facts) -> Next:
    if not facts.created:
        create = Create(facts.plan.candidate.number, Pool.SHARED, facts.at + HOLD)
        return Act(create, "the candidate's group, still empty")
    if not facts.settled:
        return Waits("until the candidate's group is visible")
    return Turns("the candidate's group is gone")


def _after_commit(facts: Facts) -> Next:
    """Empty stable, hand the scaling settings over, then delete stable: in this order."""
    candidate = facts.candidate
    if candidate is None:
        return Ends(Status.FAILED, "the candidate's group is gone", ("somebody else deleted it",))
    if facts.stable is not None and not facts.reached:
        return _held(facts, facts.stable) or _held(facts, candidate) or Walk()
    if candidate.hold is not None:
        return Act(Release(candidate.number), "the candidate is the fleet from here on")
    if facts.stable is not None:
        return Act(Delete(facts.stable.number), "stable is empty and given up")
    if not facts.settled:
        return Waits("until stable's group is seen to be gone")
    return Ends(Status.SUCCEEDED)


def _backward(facts: Facts) -> Next:
    stable, candidate = facts.stable, facts.candidate
    if stable is None:
        return Ends(Status.FAILED, facts.reason, ("stable's group is gone: nowhere to go back to",))
    if facts.reached and candidate is not None:
        return Act(Delete(candidate.number), "the candidate is empty and given up")
    if not facts.reached:
        for group in (stable, candidate):
            hold = _held(facts, group) if group is not None else None
            if hold is not None:
                return hold
        return Walk()
    if stable.hold is not None and stable.hold.rollout == facts.rollout:
        return Act(Release(stable.number), "the fleet is itself again")
    if not facts.settled:
        return Waits("until the fleet can be compared with the start")
    if facts.differences:
        return Ends(Status.FAILED, facts.reason, facts.differences)
    return Ends(Status.ROLLED_BACK, facts.reason)


def _scaling(facts: Facts) -> Next:
    stable = facts.stable
    if stable is None:
        return Ends(Status.FAILED, "the fleet's group is gone")
    done = facts.reached or facts.back
    hold = None if done else _held(facts, stable)
    if hold is not None:
        return hold
    if not done:
        return Walk()
    if stable.hold is not None:
        return Act(Release(stable.number), "the size is reached" if facts.reached else "given up")
    if not facts.settled:
        return Waits("until the group is seen as it was left")
    if facts.reached:
        return Ends(Status.SUCCEEDED)
    return Ends(Status.FAILED, facts.reason, (f"the fleet has size {stable.size}",))
