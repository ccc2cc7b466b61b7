"""Keeping everybody else from removing or replacing a group's members, and restoring that."""

from __future__ import annotations

from attrs import evolve

from immutable.backend import Context, Invalid, Transient
from immutable.toolkit.owning import held
from immutable_gcp.calls import Answer
from immutable_gcp.hands import Hands
from immutable_gcp.marks import Marks, Saved
from immutable_gcp.names import group_name
from immutable_gcp.reading import Described
from immutable_gcp.scaling import OFF, bounds, copied, mode_of

__all__ = ["hold", "keep_still", "lower_minimum", "release", "saved_now"]


def saved_now(group: Described, scaler: Answer | None) -> Saved:
    """Return what a hold of a group will have to restore; what an earlier one has saved stays."""
    known = group.marks.saved if group.marks.hold is not None else None
    saved = known or Saved(minimum=bounds(scaler)[0] if scaler is not None else 0)
    if scaler is not None and not saved.mode and mode_of(scaler) != OFF:
        saved = evolve(saved, mode=mode_of(scaler))
        if known is not None and not known.minimum:
            saved = evolve(saved, minimum=bounds(scaler)[0])
    if not saved.redistribution and redistribution(group) == "PROACTIVE":
        saved = evolve(saved, redistribution="PROACTIVE")
    return saved


def redistribution(group: Described) -> str:
    """Return whether a regional group evens out its zones by ending members."""
    policy = group.group.get("update_policy", {})
    return str(policy.get("instance_redistribution_type", ""))


async def hold(hands: Hands, fleet: str, revision: int, until: float, ctx: Context) -> None:
    """Take hold of a group, or renew that: first the mark, then what fights is stopped."""
    group = await hands.owned(fleet, revision, ctx)
    scaler = (await hands.eyes.scalers()).get(group.name)
    mark = held(group.marks.hold, ctx, until, group.size)
    saved = saved_now(group, scaler)
    await hands.patch(group, evolve(group.marks, hold=mark, saved=saved))
    await keep_still(hands, fleet, revision, ctx, scaler, saved)


async def keep_still(
    hands: Hands, fleet: str, revision: int, ctx: Context, scaler: Answer | None, saved: Saved
) -> None:
    """Stop what fights with a rollout, as far as that isn't done yet.

    Args:
        hands: How groups are changed.
        fleet: The fleet.
        revision: Whose group; it is marked as held.
        ctx: On whose behalf.
        scaler: Its autoscaler.
        saved: What its marks say is to be restored.
    """
    # In this order: redistribution can be switched off only where nothing scales.
    if scaler is not None and saved.mode and mode_of(scaler) != OFF:
        await hands.owned(fleet, revision, ctx)
        await _patch_policy(hands, scaler, mode=OFF)
    if saved.redistribution:
        group = await hands.owned(fleet, revision, ctx)
        if redistribution(group) != "NONE":
            await _redistribute(hands, group, group.marks, "NONE")


async def _patch_policy(hands: Hands, scaler: Answer, **changes: object) -> None:
    resource = {"autoscaling_policy": changes}
    await hands.scale(
        "patch", scaler["name"], autoscaler=scaler["name"], autoscaler_resource=resource
    )


async def _redistribute(hands: Hands, group: Described, marks: Marks, how: str) -> None:
    await hands.patch(group, marks, update_policy={"instance_redistribution_type": how})


async def lower_minimum(hands: Hands, group: Described, size: int) -> None:
    """Lower an autoscaler's minimum that would refill a group of this size."""
    scaler = (await hands.eyes.scalers()).get(group.name)
    if scaler is not None and mode_of(scaler) != OFF and bounds(scaler)[0] > size:
        await _patch_policy(hands, scaler, min_num_replicas=size)


async def release(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """End the hold of a group; the fleet's autoscaler and minimum end up on it.

    One autoscaler has one target for ever: another one is made here, switched off, looked for, and
    only then the one there is deleted and this one switched on.
    """
    group = await hands.owned(fleet, revision, ctx)
    groups = await hands.eyes.groups(fleet)
    scalers = await hands.eyes.scalers()
    others = [each for each in groups if each.marks.revision != revision]
    moved = group
    for other in others:
        if other.name in scalers:
            moved = await _hand_over(hands, other, scalers, group, ctx)
            group = await hands.owned(fleet, revision, ctx)
    scaler = (await hands.eyes.scalers()).get(group.name)
    if scaler is not None:
        # In this order: an autoscaler acts only where redistribution is on.
        await _even_out(hands, group, group.marks)
        await _restore(hands, fleet, revision, ctx, scaler, [*groups, moved])
    group = await hands.owned(fleet, revision, ctx)
    if group.marks.hold is not None or group.marks.saved is not None:
        plain = group.marks.without_hold()
        if not await _even_out(hands, group, plain):
            await hands.patch(group, plain)


async def _even_out(hands: Hands, group: Described, marks: Marks) -> bool:
    """Switch redistribution on again, if the hold has switched it off; whether it had to be."""
    saved = group.marks.saved
    if saved is None or not saved.redistribution or redistribution(group) != "NONE":
        return False
    try:
        await _redistribute(hands, group, marks, saved.redistribution)
    except Invalid as error:
        raise Invalid(
            f"{error}; a group that is uneven can't redistribute: resize it to a multiple of its"
            " zones, or delete a member in the fullest one, then release it (immutable sweep)"
        ) from error
    return True


async def _hand_over(
    hands: Hands, other: Described, scalers: dict[str, Answer], group: Described, ctx: Context
) -> Described:
    """Bring another group's autoscaler to this one, switched off; returns this one as marked."""
    fleet, revision = group.marks.fleet, group.marks.revision
    there = scalers[other.name]
    theirs = other.marks.saved or Saved(minimum=bounds(there)[0])
    mode = theirs.mode or mode_of(there)
    saved = group.marks.saved or Saved()
    if (saved.mode, saved.minimum) != (mode, theirs.minimum):
        # Written down before it arrives: it is OFF then, and this is all that says what it was.
        saved = evolve(saved, mode=mode, minimum=theirs.minimum)
        await hands.patch(group, evolve(group.marks, saved=saved))
        group = await hands.owned(fleet, revision, ctx)
    if group.name not in scalers:
        await hands.owned(fleet, other.marks.revision, ctx)
        least = min(theirs.minimum, group.size)
        resource = copied(there, group_name(fleet, revision), group.link, least)
        await hands.scale("insert", group.name, autoscaler_resource=resource)
        if group.name not in await hands.eyes.scalers():
            raise Transient(f"{group.name} doesn't show its autoscaler yet")
    await hands.owned(fleet, other.marks.revision, ctx)
    await hands.scale("delete", there["name"], autoscaler=there["name"])
    return group


async def _restore(
    hands: Hands,
    fleet: str,
    revision: int,
    ctx: Context,
    scaler: Answer,
    groups: list[Described],
) -> None:
    """Switch the autoscaler on again, with the fleet's minimum, at most the size."""
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved
    if saved is None:
        return
    least = max((each.marks.saved.minimum for each in groups if each.marks.saved), default=0)
    minimum = min(max(least, saved.minimum), group.size)
    mode = saved.mode or mode_of(scaler)
    if (bounds(scaler)[0], mode_of(scaler)) != (minimum, mode):
        await _patch_policy(hands, scaler, mode=mode, min_num_replicas=minimum)
