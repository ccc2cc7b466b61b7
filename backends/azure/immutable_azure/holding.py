"""Keeping everybody else from removing or replacing a set's members, and restoring that."""

from __future__ import annotations

from typing import Any

from immutable.backend import Context, Hold, Transient
from immutable.toolkit.owning import held
from immutable_azure.calls import SETS
from immutable_azure.hands import Hands, current_tags
from immutable_azure.marks import Marks, Saved, hold_tags, without_hold
from immutable_azure.names import autoscale_name, key
from immutable_azure.ownpools import sweep_pool
from immutable_azure.reading import Described, size_of
from immutable_azure.scaling import (
    ENABLED,
    enabled,
    handed_over,
    minimum_of,
    target_of,
    with_minimum,
    with_switch,
)

__all__ = ["hold", "keep_still", "release", "restore"]

_RUNNING, _SUSPENDED = "Running", "Suspended"


async def hold(hands: Hands, fleet: str, revision: int, until: float, ctx: Context) -> None:
    """Take hold of a set, or renew that: first the mark, then what fights is stopped."""
    group = await hands.owned(fleet, revision, ctx)
    before = group.marks
    setting = await hands.setting(group)
    repairs = await hands.eyes.repairs(group, anew=True)
    saved = _saved(before, setting, repairs)
    mark = held(before.hold, ctx, until, size_of(group))
    await hands.tag(group, {**current_tags(group), **hold_tags(mark, saved)})
    hands.eyes.still.discard(f"{group.id}/{mark.rollout}/{mark.fence}")
    await keep_still(hands, group, saved, mark)


async def keep_still(hands: Hands, group: Described, saved: Saved, mark: Hold) -> None:
    """Stop what fights with a rollout, as far as that isn't done yet.

    Args:
        hands: How sets are changed.
        group: The set; it is marked as held.
        saved: What the mark says that is to be restored.
        mark: Who holds it.
    """
    fleet, revision = group.marks.fleet, group.marks.revision
    unique = f"{group.id}/{mark.rollout}/{mark.fence}"
    if unique in hands.eyes.still:
        return
    ctx = Context(mark.rollout, mark.plan, mark.fence, "", 0)
    setting = await hands.setting(group) if saved.enabled else None
    if setting is not None and enabled(setting):
        await hands.owned(fleet, revision, ctx)
        by = f"{mark.rollout}/{mark.until:.0f}"
        await hands.put_setting(setting["name"], with_switch(setting, on=False, by=by))
    if saved.repairs and await hands.eyes.repairs(group, anew=True) == _RUNNING:
        await hands.owned(fleet, revision, ctx)
        await _service(hands, group, "Suspend")
    hands.eyes.still.add(unique)


def _saved(before: Marks, setting: Any, repairs: str) -> Saved:
    """Return how a set was before it was first held; the first originals stay."""
    if before.hold is not None and before.saved is not None:
        was = before.saved
        return Saved(
            was.minimum,
            was.enabled or (setting is not None and enabled(setting)),
            was.repairs or repairs == _RUNNING,
        )
    on = setting is not None and enabled(setting)
    return Saved(minimum_of(setting) if on else 0, on, repairs == _RUNNING)


async def _service(hands: Hands, group: Described, action: str) -> None:
    hands.eyes.forget_repairs(group)
    await hands.begin(
        f"{SETS}.begin_set_orchestration_service_state",
        hands.calls.place.group,
        group.name,
        {"serviceName": "AutomaticRepairs", "action": action},
        about=group.name,
        wait=True,
    )


async def release(hands: Hands, fleet: str, revision: int, ctx: Context) -> None:
    """End the hold of a set; the fleet's autoscale setting and minimum end up on it."""
    group = await hands.owned(fleet, revision, ctx)
    groups = await hands.eyes.groups(fleet)
    for other in groups:
        if other.marks.revision != revision:
            await _hand_over(hands, other, group, ctx)
    saved = [each.marks.saved.minimum for each in groups if each.marks.saved is not None]
    await restore(hands, fleet, revision, ctx, minimum=max(saved, default=None))
    await sweep_pool(hands, group)
    group = await hands.owned(fleet, revision, ctx)
    tags = without_hold(current_tags(group))
    if tags != group.tags:
        await hands.tag(group, tags)


async def restore(
    hands: Hands, fleet: str, revision: int, ctx: Context, *, minimum: int | None
) -> None:
    """Undo what a hold has changed of a set, all but its mark.

    Args:
        hands: How sets are changed.
        fleet: The fleet.
        revision: Whose set; its autoscale setting is on it already.
        ctx: On whose behalf.
        minimum: The fleet's minimum as it was; the set's becomes that, at most its size.
    """
    group = await hands.owned(fleet, revision, ctx)
    saved = group.marks.saved or Saved()
    setting = await hands.setting(group)
    if setting is not None:
        wanted = (setting.get("tags") or {}).get(ENABLED)
        on = enabled(setting) or saved.enabled or wanted == "true"
        least = minimum_of(setting) if minimum is None else minimum
        body = with_switch(with_minimum(setting, min(least, size_of(group))), on=on)
        if body["properties"] != setting["properties"] or body["tags"] != setting.get("tags", {}):
            await hands.put_setting(setting["name"], body)
    if saved.repairs and await hands.eyes.repairs(group, anew=True) == _SUSPENDED:
        await hands.owned(fleet, revision, ctx)
        await _service(hands, group, "Resume")


async def _hand_over(hands: Hands, other: Described, group: Described, ctx: Context) -> None:
    """Bring another set's autoscale setting to this one, off; check; take it off there."""
    setting = await hands.setting(other)
    if setting is None:
        return
    await hands.owned(other.marks.fleet, other.marks.revision, ctx)
    saved = other.marks.saved or Saved()
    wanted = enabled(setting) or saved.enabled
    name = autoscale_name(group.name)
    if await hands.setting(group) is None:
        body = handed_over(setting, name, group.id, wanted=wanted)
        await hands.put_setting(name, body)
    arrived = await hands.setting(group)
    if arrived is None or target_of(arrived) != key(group.id):
        raise Transient(f"{group.name} doesn't show its autoscale setting {name} yet")
    await hands.owned(other.marks.fleet, other.marks.revision, ctx)
    await hands.drop_setting(setting["name"])
