"""Updates of managed groups: what a member lacks, and how far PROACTIVE goes at once.

"Automatically apply VM configuration updates in a MIG"
(https://cloud.google.com/compute/docs/instance-groups/rolling-out-updates-to-managed-instance-groups).
OPPORTUNISTIC groups change only members that somebody names; PROACTIVE ones change all, never
more than maxSurge above and maxUnavailable below the target size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .groups import Group, Member

if TYPE_CHECKING:
    from .world import World

ORDER = ("NONE", "REFRESH", "RESTART", "REPLACE")


def needed(group: Group, member: Member, old: list[Member]) -> str:
    """The least disruptive action that brings a member up to date."""
    if any(member is each for each in old):
        return "REPLACE"
    return "REFRESH" if member.vm is not None and member.config != group.config else "NONE"


def apply(
    world: World, group: Group, member: Member, least: str, most: str, old: list[Member]
) -> bool:
    """Bring one member up to date, in place; whether something is done."""
    action = needed(group, member, old)
    if action == "NONE" and least == "NONE":
        return False
    action = max(action, least, key=ORDER.index)
    if ORDER.index(action) > ORDER.index(most) or member.action != "NONE":
        return False
    _do(world, group, member, action)
    return True


def _do(world: World, group: Group, member: Member, action: str) -> None:
    from .managing import nudge, recreate

    if action == "REPLACE":
        recreate(world, group, member, drain=True, latest=True)
        return
    member.action = "REFRESHING" if action == "REFRESH" else "RESTARTING"
    wait = world.laws.reaction if action == "REFRESH" else world.chances.draw(world.laws.boot)
    world.clock.after(wait, _refreshed, world, group, member)
    nudge(world, group)


def _refreshed(world: World, group: Group, member: Member) -> None:
    """Metadata and labels are the group's now, in the same VM."""
    from .managing import nudge, properties

    if member.action in {"REFRESHING", "RESTARTING"} and member.vm is not None:
        data = properties(world, group, member)
        member.vm.resource.data.update(metadata=data["metadata"], labels=data["labels"])
        member.vm.resource.claimed += 1
        member.vm.resource.shown = member.vm.resource.claimed
        member.config, member.action = group.config, "NONE"
    nudge(world, group)


def surge(group: Group) -> int:
    """By how many members an update may exceed the target at the moment."""
    policy = group.policy
    substitutes = policy.get("replacementMethod", "SUBSTITUTE") == "SUBSTITUTE"
    if policy["type"] != "PROACTIVE" or not substitutes or not group.outdated():
        return 0
    return group.limits()[0]


def update(world: World, group: Group) -> None:
    """One look of the updater at a PROACTIVE group."""
    policy = group.policy
    if policy["type"] != "PROACTIVE":
        return
    most = policy.get("mostDisruptiveAllowedAction", "REPLACE")
    least = policy.get("minimalAction", "REPLACE")
    old = group.outdated()
    for member in group.live:
        if needed(group, member, old) == "REFRESH":
            apply(world, group, member, least if least != "NONE" else "REFRESH", most, [])
    if old and most == "REPLACE":
        if policy.get("replacementMethod", "SUBSTITUTE") == "RECREATE":
            _recreate_some(world, group, old)
        else:
            _substitute_some(world, group, old)


def _available(group: Group) -> list[Member]:
    """RUNNING, and healthy at least once where somebody checks, says maxUnavailable."""
    return [
        m
        for m in group.live
        if m.vm is not None and m.vm.status == "RUNNING" and m.proven and m.action != "RECREATING"
    ]


def _spare(group: Group, old: list[Member]) -> list[Member]:
    """Old members that may go now: those that are not available cost nothing."""
    available = _available(group)
    room = max(0, len(available) - (group.target - group.limits()[1]))
    broken = [m for m in old if m.action in {"NONE", "VERIFYING"} and m not in available]
    whole = [m for m in old if m.action == "NONE" and m in available]
    return broken + whole[:room]


def _recreate_some(world: World, group: Group, old: list[Member]) -> None:
    for member in _spare(group, old):
        _do(world, group, member, "REPLACE")


def _substitute_some(world: World, group: Group, old: list[Member]) -> None:
    from .managing import add, remove

    room = group.target + group.limits()[0] - len(group.members)
    fresh: Any = [m for m in group.live if not any(m is each for each in old)]
    for _ in range(min(room, group.target - len(fresh))):
        add(world, group)
    over = len(group.live) - (group.target - group.limits()[1])
    for member in _spare(group, old)[: max(0, over)]:
        remove(world, group, member)
