"""Keeping everybody else from removing or replacing a group's members, and restoring that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from immutable.backend import Context
from immutable.toolkit.owning import held
from immutable_aws.calls import Answer
from immutable_aws.handover import hand_over, put_policy
from immutable_aws.hands import Hands
from immutable_aws.marks import Saved, held_keys, hold_tags
from immutable_aws.reading import Described, size_of
from immutable_aws.scaling import held_policy, restored_policy, saved_now

__all__ = ["hold", "is_still", "keep_still", "release", "restore"]


async def hold(hands: Hands, fleet: str, revision: int, until: float, ctx: Context) -> None:
    """Take hold of a group, or renew that: first the mark, then what fights is stopped."""
    group = await hands.owned(fleet, revision, ctx)
    scaling = await hands.eyes.scaling(group, anew=True)
    before = group.marks
    saved = saved_now(group.group, scaling.policies, before.saved if before.hold else None)
    mark = held(before.hold, ctx, until, size_of(group))
    await hands.tag(group, hold_tags(mark, saved))
    await keep_still(hands, fleet, revision, ctx, scaling.policies)


async def keep_still(
    hands: Hands, fleet: str, revision: int, ctx: Context, policies: Sequence[Answer] = ()
) -> None:
    """Stop what fights with a rollout, as far as that isn't done yet.

    Args:
        hands: How groups are changed.
        fleet: The fleet.
        revision: Whose group; it is marked as held.
        ctx: On whose behalf.
        policies: The group's scaling policies.
    """
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved or Saved()
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    missing = [name for name in saved.suspended if name not in there]
    if missing:
        await hands.scale("SuspendProcesses", group, ScalingProcesses=missing)
    change: dict[str, Any] = {}
    if saved.lifetime and group.group.get("MaxInstanceLifetime"):
        change["MaxInstanceLifetime"] = 0
    if saved.rebalance and group.group.get("CapacityRebalance"):
        change["CapacityRebalance"] = False
    if change:
        group = await hands.owned(fleet, revision, ctx)
        await hands.scale("UpdateAutoScalingGroup", group, **change)
    for policy in policies:
        stopped = held_policy(policy)
        if stopped is not None:
            group = await hands.owned(fleet, revision, ctx)
            await put_policy(hands, group, stopped)


def is_still(group: Described) -> bool:
    """Return whether everything is suspended that a group's hold says."""
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    return group.marks.hold is None or there.issuperset(
        group.marks.saved.suspended if group.marks.saved else ()
    )


async def release(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """End the hold of a group; the fleet's scaling settings and minimum end up on it."""
    await hands.owned(fleet, revision, ctx)
    for other in await hands.eyes.groups(fleet):
        if other.marks.revision != revision:
            await hand_over(hands, other, revision, ctx)
    groups = await hands.eyes.groups(fleet)
    saved = [each.marks.saved.minimum for each in groups if each.marks.saved is not None]
    group = await hands.owned(fleet, revision, ctx)
    least = max(saved, default=int(group.group["MinSize"]))
    await restore(hands, fleet, revision, ctx, minimum=min(least, size_of(group)))
    group = await hands.owned(fleet, revision, ctx)
    await hands.untag(group, held_keys(group.tags))


async def restore(
    hands: Hands, fleet: str, revision: int, ctx: Context, *, minimum: int | None
) -> None:
    """Undo what a hold has changed of a group, all but its mark.

    Args:
        hands: How groups are changed.
        fleet: The fleet.
        revision: Whose group.
        ctx: On whose behalf.
        minimum: What its minimum becomes; None leaves it.
    """
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved or Saved()
    change: dict[str, Any] = {}
    if minimum is not None and minimum != int(group.group["MinSize"]):
        change["MinSize"] = minimum
    if saved.lifetime and not group.group.get("MaxInstanceLifetime"):
        change["MaxInstanceLifetime"] = saved.lifetime
    if saved.rebalance and not group.group.get("CapacityRebalance"):
        change["CapacityRebalance"] = True
    if change:
        await hands.scale("UpdateAutoScalingGroup", group, **change)
    scaling = await hands.eyes.scaling(group, anew=True)
    for policy in scaling.policies:
        was = saved.policies.get(policy["PolicyName"], {})
        if restored_policy(policy, was) != policy:
            group = await hands.owned(fleet, revision, ctx)
            await put_policy(hands, group, restored_policy(policy, was))
    group = await hands.owned(fleet, revision, ctx)
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    ours = {*saved.suspended, *group.marks.paused}
    stopped = sorted(ours & there)
    if stopped:
        await hands.scale("ResumeProcesses", group, ScalingProcesses=stopped)
    hands.eyes.forget_scaling()
