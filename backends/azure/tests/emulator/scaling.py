"""How a set comes to its size: launches, allocation that fails, overprovisioning, scale-in."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from attrs import define, field

from . import ids
from .choosing import victims, zone_for
from .errors import ArmError
from .machines import Machine
from .operations import Operation
from .sets import ScaleSet

if TYPE_CHECKING:
    from .world import World


@define(eq=False)
class Batch:
    """Machines that an operation waits for.

    Args:
        needed: when so many have succeeded, whoever else was started goes again.
    """

    group: ScaleSet
    operation: Operation | None
    needed: int
    waiting: set[str] = field(factory=set)
    well: int = 0
    error: ArmError | None = None


class Scaling:
    """Makes sets as big as they are asked to be."""

    def __init__(self, world: World) -> None:
        self.world = world

    def fit(self, group: ScaleSet, operation: Operation | None = None) -> None:
        """Launch what is missing or delete what is too much; the operation ends with it."""
        missing = group.capacity - len(group.live())
        if missing > 0:
            self._grow(group, missing, operation)
        elif missing < 0:
            self._shrink(group, -missing, operation)
        elif operation is not None:
            seconds = self.world.chances.draw(self.world.laws.settle)
            self.world.clock.after(seconds, self.world.operations.end, operation)

    def _end(self, group: ScaleSet, operation: Operation | None, error: ArmError | None) -> None:
        group.failed = error
        if operation is not None:
            self.world.operations.end(operation, error)

    def _grow(self, group: ScaleSet, missing: int, operation: Operation | None) -> None:
        size = group.doc["sku"]["name"]
        if refusal := self.world.supply.over_quota(size, missing):
            seconds = self.world.chances.draw(self.world.laws.settle)
            self.world.clock.after(seconds, self._end, group, operation, refusal)
            return
        batch = Batch(group, operation, missing)
        for _ in range(missing + self._extra(group, missing)):
            self._launch(group, batch)
        if not batch.waiting:
            self._finish(batch)

    def _extra(self, group: ScaleSet, missing: int) -> int:
        """How many more than asked for are started.

        "Overprovisioning": more machines are started, and the extra ones deleted once the number
        that was asked for has been provisioned
        (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-design-overview).
        """
        if group.flexible or not group.properties.get("overprovision"):
            return 0
        return math.ceil(missing * self.world.laws.overprovisioned)

    def _launch(self, group: ScaleSet, batch: Batch) -> None:
        size, number = group.doc["sku"]["name"], group.next
        strict = bool(group.properties.get("zoneBalance"))
        zone = zone_for(
            group.zones, group.live(), lambda z: self.world.supply.room(z, size), strict
        )
        group.next += 1
        machine = self._machine(group, number, zone if zone is not None else group.zones[0])
        if zone is None:
            self.world.lives.fail(machine, self.world.supply.short(group.zones[0]))
            batch.error = batch.error or machine.error
        else:
            batch.waiting.add(machine.id)
            self.world.lives.start(machine, lambda made: self._done(batch, made))

    def _machine(self, group: ScaleSet, number: int, zone: str) -> Machine:
        """A new member, by the present model.

        Names: Uniform `set_number`, Flexible the set's name and eight hexadecimal digits
        (https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-instance-ids).
        """
        if group.flexible:
            name = f"{group.name}_{ids.steady(group.unique, str(number))[:8]}"
            long = ids.resource_id(group.place, "Microsoft.Compute", "virtualMachines", name)
        else:
            name, long = f"{group.name}_{number}", f"{group.id}/virtualMachines/{number}"
        machine = Machine(
            id=long,
            name=name,
            number=number,
            profile=copy.deepcopy(group.profile),
            size=group.doc["sku"]["name"],
            zone=zone,
            launched=self.world.clock.now(),
            group=group,
            model=group.model,
            tags=dict(group.doc.get("tags") or {}),
        )
        group.members[name if group.flexible else str(number)] = machine
        if group.flexible:
            self.world.vms[ids.key(long)] = machine
            self.world.network.plug(machine)
        return machine

    def _done(self, batch: Batch, machine: Machine) -> None:
        batch.waiting.discard(machine.id)
        if machine.error is None and machine.provisioning == "Succeeded":
            batch.well += 1
        else:
            batch.error = batch.error or machine.error
        if batch.well >= batch.needed and batch.waiting:
            surplus = [m for m in batch.group.live() if m.id in batch.waiting]
            batch.waiting.clear()
            for other in surplus:
                other.waits = None
                self.world.removal.remove(other)
        if not batch.waiting:
            self._finish(batch)

    def _finish(self, batch: Batch) -> None:
        enough = batch.well >= batch.needed
        if enough:
            surplus = len(batch.group.live()) - batch.group.capacity
            failed = [member for member in batch.group.live() if member.error]
            for member in failed[: max(0, surplus)]:
                self.world.removal.remove(member)
        self._end(batch.group, batch.operation, None if enough else batch.error)

    def _shrink(self, group: ScaleSet, count: int, operation: Operation | None) -> None:
        """The set chooses who goes."""
        rules = group.properties.get("scaleInPolicy", {}).get("rules") or ["Default"]
        chosen = victims(group.live(), count, str(rules[0]).lower())
        self.world.removal.several(chosen, lambda: self._end(group, operation, None))
