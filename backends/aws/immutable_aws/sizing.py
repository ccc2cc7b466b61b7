"""Sizes: growing a group, and lowering it to the members that it has."""

from __future__ import annotations

from immutable.backend import Conflict, Context, Invalid
from immutable_aws.hands import Hands
from immutable_aws.holding import is_still, keep_still
from immutable_aws.keeping import make_slots
from immutable_aws.marks import PAUSED
from immutable_aws.reading import Described, live, size_of, standby

__all__ = ["grow", "resume_paused", "settle"]

_STOPPED = ("Launch", "Terminate")


async def grow(
    hands: Hands, fleet: str, revision: int, size: int, expected: int, ctx: Context
) -> int:
    """Raise the size of a group; see the contract, section 8.

    ``SetDesiredCapacity`` is absolute, takes no token and no condition, and can lower too: so the
    size is read right before, and the request is sent only if it raises.
    """
    group = await hands.owned(fleet, revision, ctx)
    if group.marks.paused:
        await resume_paused(hands, group)
        group = await hands.owned(fleet, revision, ctx)
    found = size_of(group)
    if found >= size:
        return found
    if not is_still(group):
        await keep_still(hands, group, ctx)  # Its creation was cut off.
        group = await hands.owned(fleet, revision, ctx)
    aside = standby(group.members)
    most = int(group.group["MaxSize"])
    if size - aside > most:
        raise Invalid(
            f"{group.name} can't have {size} members: its maximum is {most}; raise it first"
        )
    if found != expected:
        raise Conflict(f"{group.name} has size {found}, not {expected}")
    if group.marks.volumes:
        group = await _with_slots(hands, fleet, revision, size, ctx)
    await hands.scale(
        "SetDesiredCapacity", group, DesiredCapacity=size - aside, HonorCooldown=False
    )
    return size


async def _with_slots(
    hands: Hands, fleet: str, revision: int, size: int, ctx: Context
) -> Described:
    """Make the slots that a larger size needs; return the group, its holder read after that."""
    groups, group = await hands.owned_beside(fleet, revision, ctx)
    wanted = size + sum(size_of(each) for each in groups if each is not group)
    made = await make_slots(hands, groups, group, wanted)
    return await hands.owned(fleet, revision, ctx) if made else group


# Size 5, 3 live, one more on its way: with Launch suspended nothing more begins, with Terminate
# suspended a lower size ends nobody. Then the one that came meanwhile is counted again.
async def settle(hands: Hands, fleet: str, revision: int, ctx: Context) -> int:
    """Lower the size of a group to its live members, and end none of them."""
    group = await hands.owned(fleet, revision, ctx)
    if group.marks.paused:
        await resume_paused(hands, group)
        group = await hands.owned(fleet, revision, ctx)
    if live(group.members) >= size_of(group):
        return size_of(group)
    suspended = {each["ProcessName"] for each in group.group.get("SuspendedProcesses", ())}
    stopped = [name for name in _STOPPED if name not in suspended]
    if stopped:
        # Written down first: whoever comes after a crash lets them go on.
        await hands.tag(group, {PAUSED: " ".join(stopped)})
        await hands.scale("SuspendProcesses", group, ScalingProcesses=stopped)
    size = size_of(group)
    for _ in range(2):
        group = await hands.owned(fleet, revision, ctx)
        wanted = live(group.members)
        if wanted != size_of(group):
            await _lower(hands, group, wanted)
        size = wanted
    if stopped:
        await resume_paused(hands, await hands.owned(fleet, revision, ctx))
    return size


async def _lower(hands: Hands, group: Described, size: int) -> None:
    desired = size - standby(group.members)
    await hands.scale(
        "UpdateAutoScalingGroup",
        group,
        DesiredCapacity=desired,
        MinSize=min(int(group.group["MinSize"]), desired),
    )


async def resume_paused(hands: Hands, group: Described) -> None:
    """Let processes go on that a call which was cut off has stopped."""
    await hands.scale("ResumeProcesses", group, ScalingProcesses=list(group.marks.paused))
    await hands.untag(group, [PAUSED])
