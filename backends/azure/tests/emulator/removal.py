"""How machines go: one, several, or behind everybody's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import ids
from .machines import Machine

if TYPE_CHECKING:
    from .world import World


class Removal:
    """Takes machines away, with what belongs to them."""

    def __init__(self, world: World) -> None:
        self.world = world

    def remove(self, machine: Machine, then: Callable[[Machine], None] = lambda _: None) -> None:
        """Delete a machine; `then` when it is gone."""

        def gone(machine: Machine) -> None:
            self._forget(machine)
            then(machine)

        self.world.lives.leave(machine, gone)

    def several(self, machines: list[Machine], then: Callable[[], None]) -> None:
        """Delete some; `then` when all are gone. Of none, it takes as long as an operation."""
        left = {machine.id for machine in machines}
        if not left:
            self.world.clock.after(self.world.chances.draw(self.world.laws.settle), then)

        def one(machine: Machine) -> None:
            left.discard(machine.id)
            if not left:
                then()

        for machine in machines:
            self.remove(machine, one)

    def chosen(self, machines: list[Machine], then: Callable[[], None]) -> None:
        """Delete members by name: the capacity falls by them, when they are gone.

        A deletion decrements the capacity (https://github.com/kubernetes/autoscaler/pull/3284), and
        it shows late (https://github.com/kubernetes/autoscaler/issues/3510).
        """
        counted = [m for m in machines if not m.leaves]

        def gone() -> None:
            for machine in counted:
                if machine.group is not None:
                    machine.group.capacity -= 1
            then()

        self.several(counted, gone)

    def vanish(self, machine: Machine) -> None:
        """Somebody deletes it; a set's capacity falls by it."""
        if machine.leaves:
            return
        self.chosen([machine], lambda: None)

    def _forget(self, machine: Machine) -> None:
        self.world.lives.still(machine)
        if machine.group is not None:
            members = machine.group.members
            for name in [name for name, member in members.items() if member is machine]:
                del members[name]
        self.world.vms.pop(ids.key(machine.id), None)
        self.world.network.unplug(machine)
