"""How members come to a new model: by hand, all at once, or in batches.

"Modify a scale set", "Upgrade policy modes"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-upgrade-policy).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from .machines import Machine
from .sets import ScaleSet

if TYPE_CHECKING:
    from .world import World


class Upgrades:
    """Brings members to the latest model."""

    def __init__(self, world: World) -> None:
        self.world = world

    def apply(self, member: Machine, done: Callable[[Machine], None]) -> None:
        """One member: it boots again with what the model says now; its own network stays."""
        assert member.group is not None
        member.profile = copy.deepcopy(member.group.profile)
        member.size = member.group.doc["sku"]["name"]
        member.model = member.group.model
        self.world.lives.restart(member, done)

    def model_changed(self, group: ScaleSet) -> None:
        """Manual: nothing. Automatic: all members at once. Rolling: a batch after the other."""
        if group.mode == "automatic":
            for member in self._old(group):
                self.apply(member, lambda _: None)
        elif group.mode == "rolling":
            self._next(group, group.model)

    def _old(self, group: ScaleSet) -> list[Machine]:
        return [
            member
            for member in group.live()
            if member.model != group.model
            and not member.protection.get("protectFromScaleSetActions")
        ]

    def _next(self, group: ScaleSet, model: int) -> None:
        """A batch of `maxBatchInstancePercent`, 20 without it; no other one before it is done."""
        old = self._old(group)
        if group.model != model or group.deleting or not old:
            return
        policy = group.properties.get("upgradePolicy", {}).get("rollingUpgradePolicy") or {}
        percent = policy.get("maxBatchInstancePercent", 20)
        batch = old[: max(1, math.floor(len(group.live()) * percent / 100))]
        left = {member.id for member in batch}

        def done(member: Machine) -> None:
            left.discard(member.id)
            if not left:
                self._next(group, model)

        for member in batch:
            self.apply(member, done)
