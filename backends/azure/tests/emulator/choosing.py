"""Which zone a new member goes to, and which member goes first.

Zones: "Zone balancing" (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-zone-balancing).
Victims: "Use scale-in policies" (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-scale-in-policy).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from .machines import Machine


def zone_for(
    zones: list[str], members: list[Machine], room: Callable[[str], bool], strict: bool
) -> str | None:
    """The emptiest zone with room; strictly balanced: one of the emptiest, or None."""
    count = Counter(member.zone for member in members)
    ordered = sorted(zones, key=lambda zone: (count[zone], zones.index(zone)))
    if strict:
        least = min(count[zone] for zone in zones)
        ordered = [zone for zone in ordered if count[zone] == least]
    return next((zone for zone in ordered if room(zone)), None)


def victims(members: list[Machine], count: int, rule: str) -> list[Machine]:
    """Who goes when a set shrinks: from the fullest zones, by the rule; protected ones never."""
    here = list(members)
    chosen: list[Machine] = []
    for _ in range(count):
        full = Counter(member.zone for member in here)
        open_to = [m for m in here if not protected(m)]
        if not open_to:
            break
        most = max(full[m.zone] for m in open_to)
        fullest = [m for m in open_to if full[m.zone] == most]
        age = min if rule == "oldestvm" else max
        goes = age(fullest, key=lambda member: member.number)
        chosen.append(goes)
        here.remove(goes)
    return chosen


def protected(member: Machine) -> bool:
    """Whether the set may not take it away by itself.

    "Instance protection": either kind protects from scale-in and from repairs, neither from a user
    who deletes the instance
    (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-instance-protection).
    """
    said = member.protection
    return bool(said.get("protectFromScaleIn") or said.get("protectFromScaleSetActions"))
