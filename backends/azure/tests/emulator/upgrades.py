"""How members come to a new model: by hand, all at once, or in batches.

"Modify a scale set", "Upgrade policy modes"
(https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-upgrade-policy).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from .calls import Answer, Call, answers
from .errors import ArmError
from .machines import Machine
from .operations import accepted, stamp
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
            self.roll(group)

    def roll(self, group: ScaleSet) -> None:
        """Begin a rolling upgrade to the present model."""
        started = stamp(self.world)
        group.rolling = {"code": "RollingForward", "lastAction": "Start"}
        group.rolling |= {"startTime": started, "lastActionTime": started}
        self._next(group, group.model)

    def cancel(self, group: ScaleSet) -> None:
        """Begin no further batch."""
        if group.rolling is not None:
            group.rolling |= {"code": "Cancelled", "lastAction": "Cancel"}
            group.rolling["lastActionTime"] = stamp(self.world)

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
        rolls = group.rolling is not None and group.rolling["code"] == "RollingForward"
        if group.model != model or group.deleting or not rolls:
            return
        if not old and group.rolling is not None:
            group.rolling["code"] = "Completed"
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


ROLLING = "compute:virtual_machine_scale_set_rolling_upgrades"


@answers(f"{ROLLING}.get_latest")
def latest(world: World, call: Call) -> Answer:
    """How the last rolling upgrade stands; 404 where there was none.

    "Virtual Machine Scale Set Rolling Upgrades - Get Latest"
    (https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-rolling-upgrades/get-latest).
    """
    group = world.group(call)
    if group.rolling is None:
        said = f"The rolling upgrade resource of {group.name} was not found."
        raise ArmError("NotFound", said, 404)
    old = [member for member in group.live() if member.model != group.model]
    now = [member for member in group.live() if member.provisioning == "Updating"]
    progress = {
        "successfulInstanceCount": len(group.live()) - len(old) - len(now),
        "failedInstanceCount": sum(1 for member in group.live() if member.error),
        "inProgressInstanceCount": len(now),
        "pendingInstanceCount": len(old),
    }
    told = {
        "id": f"{group.id}/rollingUpgrades/latest",
        "name": "latest",
        "type": "Microsoft.Compute/virtualMachineScaleSets/rollingUpgrades",
        "location": world.location,
        "properties": {"runningStatus": dict(group.rolling), "progress": progress},
    }
    return Answer(200, told)


@answers(f"{ROLLING}.cancel")
def cancel(world: World, call: Call) -> Answer:
    """Stop it after the batch that runs; the members that are new stay new."""
    group = world.group(call)
    if group.rolling is None or group.rolling["code"] != "RollingForward":
        said = "There is no rolling upgrade in progress."
        raise ArmError("OperationNotAllowed", said, 409)
    world.upgrades.cancel(group)
    operation = world.operations.begin(call, call.name, "Microsoft.Compute", group.id)
    world.clock.after(world.chances.draw(world.laws.settle), world.operations.end, operation)
    return accepted(world, call, operation, 202, location=True)
