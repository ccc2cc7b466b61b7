"""Who is launched where, and who goes: pure decisions, as Auto Scaling documents them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .groups import Member


def emptiest(zones: Sequence[str], members: Iterable[Member]) -> list[str]:
    """The zones of a group, those with the fewest members first.

    "Auto Scaling benefits": instances are spread evenly; a new one goes where the fewest are
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-availability-zone-balanced.html).

        a: 2 members, b: 1, c: 1  ->  b, c, a
    """
    count = Counter(member.zone for member in members)
    return sorted(dict.fromkeys(zones), key=lambda zone: count[zone])


def lopsided(zones: Sequence[str], members: Iterable[Member]) -> str | None:
    """The zone that ought to get a member, where two or more are missing against another."""
    count = Counter(dict.fromkeys(zones, 0))
    count.update(member.zone for member in members)
    low = min(zones, key=lambda zone: count[zone])
    return low if max(count.values()) - count[low] >= 2 else None


def victims(
    members: Sequence[Member],
    surplus: int,
    policies: Sequence[str],
    born: Callable[[Member], float],
) -> list[Member]:
    """Who is terminated on scale-in: one after the other, each from the fullest zone.

    "Default termination policy" and "Configure termination policies"
    (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html):
    of the zones that hold an unprotected member, the one with the most; in it, by the policies;
    protected members are never chosen.
    """
    left, chosen = list(members), []
    while surplus > 0:
        free = [member for member in left if not member.protected]
        if not free:
            break
        count = Counter(member.zone for member in left)
        zone = max({member.zone: None for member in free}, key=lambda z: count[z])
        here = [member for member in free if member.zone == zone]
        for policy in policies:
            here = _narrowed(here, policy, born)
        victim = here[0]
        chosen.append(victim)
        left.remove(victim)
        surplus -= victim.weight
    return chosen


def _narrowed(here: list[Member], policy: str, born: Callable[[Member], float]) -> list[Member]:
    if policy == "OldestInstance":
        return [min(here, key=born)]
    if policy == "NewestInstance":
        return [max(here, key=born)]
    if policy in {"OldestLaunchTemplate", "Default"}:
        oldest = min(int(member.template["Version"]) for member in here)
        same = [member for member in here if int(member.template["Version"]) == oldest]
        # Default ends with whoever is closest to the next billing hour: the oldest, within one.
        return [min(same, key=born)] if policy == "Default" else same
    return here
