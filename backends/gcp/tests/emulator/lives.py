"""VMs in time: PROVISIONING, STAGING, RUNNING, answering, sick, STOPPING, gone.

"VM instance lifecycle" (https://cloud.google.com/compute/docs/instances/instance-lifecycle). A VM
that was deleted is gone from every answer, and whoever makes one under its name again gets another
id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.emulators.clock import Timer

from . import images
from .laws import Fate
from .names import ROOT, Scope
from .store import Resource

if TYPE_CHECKING:
    from .world import World


@define(eq=False)
class Vm:
    """What is true about one VM, whatever anybody was told.

    Args:
        template: name of the instance template that it was made of.
        answering: whether health checks succeed, and since when that is so.
        running: since when it is RUNNING.
        draining: since when load balancers send it nothing new.
        owner: path of the managed group that made it.
    """

    resource: Resource
    machine: str
    image: str
    template: str | None
    owner: str | None
    status: str = "PROVISIONING"
    answering: tuple[bool, float] = (False, 0.0)
    running: float | None = None
    draining: float | None = None
    timers: list[Timer] = field(factory=list)

    @property
    def id(self) -> int:
        """Its number, never given out again."""
        return self.resource.id

    @property
    def name(self) -> str:
        """Its name, which may come back."""
        return self.resource.name

    @property
    def zone(self) -> str:
        """Its zone."""
        return self.resource.scope.name


@define(eq=False)
class Lives:
    """All VMs of the project, by id."""

    world: World
    fates: list[Fate] = field(factory=list)
    all: dict[int, Vm] = field(factory=dict)
    address: int = 1

    def create(
        self, zone: str, name: str, data: dict[str, Any], template: str | None, owner: str | None
    ) -> Vm:
        """Make a VM, PROVISIONING, with everything that will become of it on timers.

        Raises:
            OperationFailed: there is no room, or no quota.
            GoogleError: the name is taken, or the image can't be used any more.
        """
        machine = data["machineType"].rpartition("/")[2]
        boot = next(disk for disk in data["disks"] if disk.get("boot"))
        source = boot["initializeParams"]["sourceImage"]
        image, _ = images.used(self.world, source, "sourceImage")
        self.world.supply.take(zone, machine)
        scope = Scope("zones", zone)
        resource = self.world.store.make("instances", scope, name, self._body(zone, name, data))
        resource.ready = True
        vm = Vm(resource, machine, image.link, template, owner)
        self.all[vm.id] = vm
        self._foresee(vm)
        return vm

    def _body(self, zone: str, name: str, data: dict[str, Any]) -> dict[str, Any]:
        self.address += 1
        inside = f"10.132.{self.address // 250}.{self.address % 250 + 2}"
        nics = [{"name": "nic0", "networkIP": inside, **nic} for nic in data["networkInterfaces"]]
        here = f"{ROOT}projects/{self.world.store.project}/zones/{zone}"
        disks = [
            {
                "deviceName": disk.get("deviceName", f"persistent-disk-{index}"),
                "index": index,
                "boot": disk.get("boot", False),
                "autoDelete": disk.get("autoDelete", True),
                "mode": "READ_WRITE",
                "type": "PERSISTENT",
                "source": f"{here}/disks/{name}",
            }
            for index, disk in enumerate(data["disks"])
        ]
        kept = {k: v for k, v in data.items() if k not in {"disks", "networkInterfaces"}}
        machine = f"{here}/machineTypes/{data['machineType'].rpartition('/')[2]}"
        return kept | {"machineType": machine, "disks": disks, "networkInterfaces": nics}

    def _foresee(self, vm: Vm) -> None:
        laws, draw = self.world.laws, self.world.chances.draw
        fate = self._fate(vm)
        boot = draw(laws.boot if fate.boot in {"law", None} else fate.boot)
        self._later(vm, boot / 2, setattr, vm, "status", "STAGING")
        if fate.boot is not None:
            self._later(vm, boot, self._runs, vm, fate)
        if fate.dies is not None:
            self._later(vm, fate.dies, self.stop, vm)

    def _fate(self, vm: Vm) -> Fate:
        called = images.names(self.world, vm.image)
        return next((f for f in self.fates if f.matches(called, vm.template, vm.zone)), Fate())

    def _later(self, vm: Vm, seconds: float, do: Callable[..., None], *args: Any) -> None:
        vm.timers.append(self.world.clock.after(seconds, do, *args))

    def _runs(self, vm: Vm, fate: Fate) -> None:
        vm.status, vm.running = "RUNNING", self.world.clock.now()
        vm.answering = (False, vm.running)
        self.world.bodies.begin(vm)
        if fate.answers is not None:
            law = self.world.laws.answers if fate.answers == "law" else fate.answers
            wait = self.world.chances.draw(law)
            self._later(vm, wait, self.turn, vm, True)
            if fate.sickens is not None:
                self._later(vm, wait + fate.sickens, self.turn, vm, False)
        self.world.groups.look(vm)

    def turn(self, vm: Vm, answering: bool) -> None:
        """From now on health checks succeed, or fail."""
        if vm.answering[0] != answering:
            self.world.probing.settle(vm)
            vm.answering = (answering, self.world.clock.now())

    def stop(self, vm: Vm) -> None:
        """It stands still, and is there: TERMINATED."""
        self._cancel(vm)
        self.world.bodies.end(vm)
        self.turn(vm, False)
        vm.status, vm.running = "TERMINATED", None
        self.world.groups.look(vm)

    def delete(self, vm: Vm, then: Callable[[], None] = lambda: None) -> None:
        """It shuts down and is gone, name and all."""
        if vm.status == "STOPPING":
            return
        self._cancel(vm)
        self.world.bodies.end(vm)
        self.turn(vm, False)
        vm.status = "STOPPING"
        wait = self.world.chances.draw(self.world.laws.shutdown)
        self.world.clock.after(wait, self._gone, vm, then)

    def _gone(self, vm: Vm, then: Callable[[], None]) -> None:
        del self.all[vm.id]
        self.world.store.drop(vm.resource)
        self.world.probing.forget(vm)
        then()
        self.world.groups.look(vm)

    def _cancel(self, vm: Vm) -> None:
        for timer in vm.timers:
            timer.cancel()
        vm.timers.clear()

    def named(self, name: str) -> Vm:
        """By name or id, in any zone.

        Raises:
            LookupError: there is none.
        """
        for vm in self.all.values():
            if name in {vm.name, str(vm.id)}:
                return vm
        raise LookupError(f"no VM {name!r}; there are {sorted(v.name for v in self.all.values())}")
