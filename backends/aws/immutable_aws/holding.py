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
from immutable_aws.monitoring import watch_alike
from immutable_aws.reading import Described, pattern_of, size_of
from immutable_aws.scaling import held_policy, restored_policy, saved_now

__all__ = ["hold", "is_still", "keep_still", "release", "restore"]


async def hold(hands: Hands, fleet: str, revision: int, until: float, ctx: Context) -> None:
    """Take hold of a group, or renew that: first the mark, then what fights is stopped."""
    group = await hands.owned(fleet, revision, ctx)
    scaling = await hands.eyes.scalings.read(group)
    before = group.marks
    saved = saved_now(group.group, scaling.policies, before.saved if before.hold else None)
    mark = held(before.hold, ctx, until, size_of(group))
    await hands.tag(group, hold_tags(mark, saved))
    group = await hands.owned(fleet, revision, ctx)
    await keep_still(hands, group, ctx, scaling.policies)


async def keep_still(
    hands: Hands, group: Described, ctx: Context, policies: Sequence[Answer] = ()
) -> None:
    """Stop what fights with a rollout, as far as that isn't done yet.

    Args:
        hands: How groups are changed.
        group: The group, marked as held, read right before, and found to be *ctx*'s to change.
        ctx: On whose behalf.
        policies: The group's scaling policies.
    """
    fleet, revision = group.marks.fleet, group.marks.revision
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
    groups, group = await hands.owned_beside(fleet, revision, ctx)
    others = [each for each in groups if each.marks.revision != revision]
    brought = [await hand_over(hands, other, revision, ctx) for other in others]
    if any(brought):
        groups = await hands.eyes.groups(fleet)
    saved = [each.marks.saved.minimum for each in groups if each.marks.saved is not None]
    group = await hands.owned(fleet, revision, ctx)
    least = max(saved, default=int(group.group["MinSize"]))
    await restore(hands, group, ctx, least=least)
    if others and group.marks.rollout:
        # What a creation whose answers were lost has left out: it is not always repeated.
        await watch_alike(hands, group, pattern_of(others))
    group = await hands.owned(fleet, revision, ctx)
    await hands.untag(group, held_keys(group.tags))
    if group.marks.rollout != ctx.rollout:
        hands.eyes.scalings.forget()  # Who goes back compares the end with the start.


async def restore(hands: Hands, group: Described, ctx: Context, *, least: int) -> None:
    """Undo what a hold has changed of a group, all but its mark.

    Args:
        hands: How groups are changed.
        group: The group, read right before, and found to be *ctx*'s to change.
        ctx: On whose behalf.
        least: What its minimum becomes; no more than its size.
    """
    fleet, revision = group.marks.fleet, group.marks.revision
    saved = group.marks.saved or Saved()
    change = _lasting(group, saved, min(least, size_of(group)))
    if change:
        await hands.scale("UpdateAutoScalingGroup", group, **change)
    if saved.policies:
        scaling = await hands.eyes.scalings.read(group)
        for policy in scaling.policies:
            was = saved.policies.get(policy["PolicyName"], {})
            if restored_policy(policy, was) != policy:
                group = await hands.owned(fleet, revision, ctx)
                await put_policy(hands, group, restored_policy(policy, was))
        hands.eyes.scalings.forget()
    if change or saved.policies:
        group = await hands.owned(fleet, revision, ctx)
    there = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    ours = {*saved.suspended, *group.marks.paused}
    stopped = sorted(ours & there)
    if stopped:
        await hands.scale("ResumeProcesses", group, ScalingProcesses=stopped)


def _lasting(group: Described, saved: Saved, minimum: int) -> dict[str, Any]:
    """Return which settings of a group differ from those before a hold."""
    change: dict[str, Any] = {}
    if minimum != int(group.group["MinSize"]):
        change["MinSize"] = minimum
    if saved.lifetime and not group.group.get("MaxInstanceLifetime"):
        change["MaxInstanceLifetime"] = saved.lifetime
    if saved.rebalance and not group.group.get("CapacityRebalance"):
        change["CapacityRebalance"] = True
    return change
