"""The order of a rollout: from the hold on stable to the comparison at the end. Pure.

Sizes are left to `immutable.planning.kernel`; this says when it is its turn (`Walk`). Everything
is derived from what is seen and what the journal says, so any process can go on at any point.
"""

from __future__ import annotations

from attrs import frozen

from immutable.model import (
    Action,
    Bake,
    Commit,
    Create,
    Delete,
    FrozenMap,
    Group,
    HoldGroup,
    Plan,
    PlanKind,
    Pool,
    Release,
    Reroute,
    Snapshot,
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
        others: Further groups, of other rollouts.
        created: Whether the candidate's group has been made, by the journal.
        settled: Whether everything that was done so far must be visible.
        answered: Whether no call is without an answer.
        echoing: Whether an attempt that was repeated since may still take effect.
        share: The candidate's percentage of the traffic that the step leads to, or that the way
            back allows by now; None without weights.
        routable: Whether that share can be served.
        halted: Why nothing may move, if so: somebody paused it, or a gate freezes it.
        rested: Whether the step's bake is over, and nothing keeps it from going on.
        kept: Whether stable is to be kept still, after the point of no return.
        yielded: Whether stable is left to the next rollout.
        cancelled: Why it stops as it is, if somebody said so.
        back: Whether the rollout goes back.
        reason: Why it goes back.
        committed: Whether the point of no return is behind.
        reached: Whether the sizes that the step leads to are reached.
        differences: How the fleet differs from the start, at the end of the way back.
        unsaved: Slots that nobody holds, and that are to be saved before somebody gets them.
        saving: Whether a snapshot is being taken.
        unrenewed: What of the instances that a repair names is there still.
    """

    plan: Plan
    step: int
    at: float
    fence: int
    rollout: str
    stable: Group | None
    candidate: Group | None
    others: tuple[Group, ...] = ()
    created: bool = False
    settled: bool = True
    answered: bool = True
    echoing: bool = False
    share: float | None = None
    routable: bool = True
    halted: str = ""
    rested: bool = False
    kept: bool = False
    yielded: bool = False
    cancelled: str | None = None
    back: bool = False
    reason: str = ""
    committed: bool = False
    reached: bool = False
    differences: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()
    saving: bool = False
    unrenewed: tuple[str, ...] = ()


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
    """Do nothing until more is known; when *patient*, no deadline runs meanwhile."""

    why: str
    patient: bool = False


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
    if facts.cancelled is not None:
        return _cancelled(facts, facts.cancelled)
    if facts.plan.kind is PlanKind.SCALE:
        return _scaling(facts)
    if facts.plan.kind is PlanKind.REPAIR:
        return _renewing(facts)
    if facts.back:
        return _backward(facts)
    return _after_commit(facts) if facts.committed else _forward(facts)


def _cancelled(facts: Facts, why: str) -> Next:
    """End the holds, and leave everything as it is."""
    for group in (facts.stable, facts.candidate):
        hold = group.hold if group is not None else None
        held = hold is not None and hold.rollout == facts.rollout and hold.until > facts.at
        if group is not None and held:
            return Act(HoldGroup(group.number, facts.at), "cancelled: the hold ends")
    return Ends(Status.CANCELLED, why)


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
        made = ", ".join(
            f"rollout {each.rollout or 'unknown'} made r{each.number}" for each in facts.others
        )
        return Turns(f"{made} at the same time")
    hold = _held(facts, stable)
    if hold is not None:
        return hold
    if candidate is None:
        return Waits(facts.halted, patient=True) if facts.halted else _missing_candidate(facts)
    hold = _held(facts, candidate)
    if hold is not None:
        return hold
    if candidate.size == 0 and not facts.settled:
        return Waits("until a rival's group would be visible too")
    if facts.halted:
        return Waits(facts.halted, patient=True)
    return _stepping(facts, stable, candidate)


def _stepping(facts: Facts, stable: Group, candidate: Group) -> Next:
    """Bring the present step to its end: first the sizes, then the traffic, then the time."""
    step = facts.plan.steps[facts.step]
    if isinstance(step, Commit):
        return Commits()
    if not facts.reached:
        return _saves(facts, candidate) or Walk()
    if facts.share is not None and candidate.weight != facts.share:
        if not facts.routable:
            return Waits("until enough are READY for their share of the traffic")
        return _reroute(stable, candidate, facts.share)
    if isinstance(step, Bake) and not facts.rested:
        return Waits("until the bake is over", patient=True)
    return Enters(facts.step + 1)


def _saves(facts: Facts, candidate: Group) -> Next | None:
    """Save what a new instance is about to get; until that is done nobody gets it."""
    if facts.saving:
        return Waits("until the snapshot is complete", patient=True)
    if not facts.unsaved:
        return None
    if not facts.settled:
        return Waits("until the slots are seen as they are")
    slot = facts.unsaved[0]
    return Act(Snapshot(candidate.number, slot), f"slot {slot} is free, and not saved as it is")


def _reroute(stable: Group, candidate: Group, share: float) -> Act:
    rising = candidate if share > (candidate.weight or 0.0) else stable
    weights = FrozenMap({stable.number: 100 - share, candidate.number: share})
    return Act(Reroute(rising.number, weights), f"{share:g} % of the traffic to the candidate")


def _missing_candidate(facts: Facts) -> Next:
    if facts.plan.kept:
        return Turns("the group that was kept is gone")
    if not facts.created:
        pool = Pool.SHARED if facts.share is None else Pool.OWN
        create = Create(facts.plan.candidate.number, pool, facts.at + HOLD)
        return Act(create, "the candidate's group, still empty")
    if not facts.settled:
        return Waits("until the candidate's group is visible")
    return Turns("the candidate's group is gone")


def _after_commit(facts: Facts) -> Next:
    """Empty stable, hand the scaling settings over, then delete stable: in this order."""
    candidate = facts.candidate
    if candidate is None:
        return Ends(Status.FAILED, "the candidate's group is gone", ("somebody else deleted it",))
    if facts.stable is not None and facts.kept:
        keep = _left if facts.yielded else _keeping
        return keep(facts, facts.stable, candidate)
    if facts.stable is not None and not facts.reached:
        return _held(facts, facts.stable) or _held(facts, candidate) or Walk()
    if candidate.mark is not None:
        return Act(Release(candidate.number), "the candidate is the fleet from here on")
    if facts.stable is not None:
        return Act(Delete(facts.stable.number), "stable is empty and given up")
    if not facts.settled or facts.echoing:
        return Waits("until stable's group is seen to be gone")
    return Ends(Status.SUCCEEDED)


def _keeping(facts: Facts, stable: Group, candidate: Group) -> Next:
    """Keep stable's instances, without traffic, while the candidate is the fleet."""
    if candidate.mark is not None:
        return Act(Release(candidate.number), "the candidate is the fleet from here on")
    return _held(facts, stable) or Waits("while stable is kept for a way back", patient=True)


def _left(facts: Facts, stable: Group, candidate: Group) -> Next:
    """Let go of both groups as they are, so that the next rollout can take them."""
    if candidate.mark is not None:
        return Act(Release(candidate.number), "the candidate is the fleet from here on")
    if stable.hold is not None and stable.hold.until > facts.at:
        return Act(HoldGroup(stable.number, facts.at), "the hold ends: another rollout takes over")
    kept = f"r{stable.number} of size {stable.size} is kept, without traffic"
    return Ends(Status.SUCCEEDED, left=(kept,))


def _backward(facts: Facts) -> Next:
    stable, candidate = facts.stable, facts.candidate
    if _is_anothers(facts):
        if not (facts.settled and facts.answered):
            return Waits("until it is certain that nothing of ours is left")
        return Ends(Status.ROLLED_BACK, facts.reason)
    if stable is None:
        return Ends(Status.FAILED, facts.reason, ("stable's group is gone: nowhere to go back to",))
    reroute = _less_to(facts, stable, candidate)
    if reroute is not None:
        return reroute
    if not facts.reached:
        return _held(facts, stable) or (candidate and _held(facts, candidate)) or Walk()
    # What a hold has changed is undone also when nobody was there until its time was over.
    ours = stable.mark is not None and stable.mark.rollout == facts.rollout
    # One that was there before may have the scaling settings: they are handed over first.
    if candidate is not None and not (ours and candidate.settings):
        return Act(Delete(candidate.number), "the candidate is empty and given up")
    if ours:
        return Act(Release(stable.number), "the fleet is itself again")
    if not facts.settled or facts.echoing:
        return Waits("until the fleet can be compared with the start")
    if facts.differences:
        return Ends(Status.FAILED, facts.reason, facts.differences)
    return Ends(Status.ROLLED_BACK, facts.reason)


# The rollout was beaten by another one, which goes on with the fleet: what it makes of it is its
# own affair, and of ours nothing is left: no group of the candidate's, unless it was kept before.
def _is_anothers(facts: Facts) -> bool:
    if facts.candidate is not None and not facts.plan.kept:
        return False
    if facts.stable is None:
        return bool(facts.others)
    holds = [group.hold for group in (facts.stable, facts.candidate) if group is not None]
    return all(
        hold is not None and hold.rollout != facts.rollout and hold.until > facts.at
        for hold in holds
    )


# Traffic first, instances after: the candidate's share falls as fast as stable can take it.
def _less_to(facts: Facts, stable: Group, candidate: Group | None) -> Act | None:
    if candidate is None or candidate.weight is None or facts.share is None:
        return None
    less = facts.share < candidate.weight
    return _reroute(stable, candidate, facts.share) if less else None


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
    if stable.mark is not None:
        return Act(Release(stable.number), "the size is reached" if facts.reached else "given up")
    if not facts.settled or facts.echoing:
        return Waits("until the group is seen as it was left")
    if facts.reached:
        return Ends(Status.SUCCEEDED)
    return Ends(Status.FAILED, facts.reason, (f"the fleet has size {stable.size}",))


def _renewing(facts: Facts) -> Next:
    """Replace what is named; whoever gives up leaves the fleet with its size, and says what stays.

    There is nothing to go back to: what was replaced is of the same revision.
    """
    group = facts.stable
    if group is None:
        return Ends(Status.FAILED, "the fleet's group is gone", ("somebody else deleted it",))
    if not facts.reached:
        if facts.halted and not facts.back:
            return _held(facts, group) or Waits(facts.halted, patient=True)
        return _held(facts, group) or Walk()
    if group.mark is not None:
        why = "given up, with its size as it was" if facts.back else "all that was named is new"
        return Act(Release(group.number), why)
    if not facts.settled or facts.echoing:
        return Waits("until the group is seen as it was left")
    if not facts.back:
        return Ends(Status.SUCCEEDED)
    left = tuple(f"{each} was not replaced" for each in facts.unrenewed)
    return Ends(Status.FAILED, facts.reason, (f"the fleet has size {group.size}", *left))
