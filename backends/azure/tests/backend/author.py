"""How the conformance suite gets at the emulated Azure, past the backend on it."""

from __future__ import annotations

from typing import ClassVar

from immutable.backend import Capabilities, FrozenMap, Limits
from immutable.testing.checks import rolling
from immutable_azure import AzureBackend
from tests.emulators.authoring import EmulatorAuthor
from tests.emulators.waiting import eventually

QUICK = Capabilities(
    create_fleet=True,
    weighted_traffic=True,
    weight_step=100.0,
    heals=False,
    poll=0.1,
    staleness=0.0,
    late_effect=3.0,
    boot=0.5,
    drain=0.3,
    terminate=0.3,
    limits=Limits(min_ready=0, boot_timeout=20, drain_timeout=0.3, progress_deadline=30),
)
"""What the emulated subscription is like: everything is quick, and seen at once."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV2ZXJ5Ym9keWtub3dzdGhpc29uZQ== tests"
SETS = "compute:virtual_machine_scale_sets"

REQUESTS = {
    "grow": f"{SETS}.update",
    "retire": f"{SETS}.update",
    "hold": f"{SETS}.update",
    "create_revision": f"{SETS}.create_or_update",
    "delete_revision": f"{SETS}.delete",
    "route": "network:load_balancers.create_or_update",
    "observe": f"{SETS}.list",
}
"""The request of each call that does what it is for."""

WHOLE = {f"test_{name}" for name, each in vars(rolling).items() if callable(each)}
"""Checks that play whole rollouts: there, a write to a set that is being written to is refused.

Azure's pages leave open whether it is (the emulator's README, "Overlapping writes"). If it is, the
second call is `Throttled`, which the engine repeats; a check that calls twice in a row doesn't.
"""


class AzureAuthor(EmulatorAuthor):
    """What the author of this backend declares; `emulator` and `stage` are the fixtures."""

    drain_timeout = 0.3
    missing = "gallery/web/9.9.9"
    flexible = False
    timeout = 10.0
    requests = REQUESTS
    first: ClassVar = {"create_revision": f"{SETS}.update"}
    throttled: ClassVar = {"kind": "error", "status": 429, "code": "TooManyRequests"}
    denied: ClassVar = {"code": "AuthorizationFailed"}

    @property
    def lost_page(self):
        kind = "virtual_machines" if self.flexible else "virtual_machine_scale_set_vms"
        return f"compute:{kind}.list"

    def make(self, emulator, stage, request):
        """Return a backend, with a pool, two images and a template on its cloud."""
        self.emulator, self.cloud = emulator, stage
        quick = {"boot": 0.1, "answers": 0.05, "shutdown": 0.05, "settle": 0.005}
        overlap = "conflict" if request.node.name in WHOLE else "supersede"
        emulator.laws(**quick, replicate=0.01, minute=None, overlap=overlap)
        # Only who sends requests that arrive late gives up on them soon.
        self.timeout = self.hasty if "late" in request.node.name else 10.0
        self.url = f"azure://{emulator.subscription}/{stage.place}/{{fleet}}"
        for version in ("1.0.0", "2.0.0"):
            stage.image(version)
        self.images = ("gallery/web/1.0.0", "gallery/web/2.0.0")
        (self.pool,) = stage.balancer()
        self.template = FrozenMap(
            {
                "location": emulator.location,
                "subnet": stage.subnet,
                "vm_size": "Standard_B2s",
                "ssh_key": KEY,
                "pool": self.pool,
                "zones": "1, 2, 3",
                "health_port": "80",
                "orchestration": "flexible" if self.flexible else "uniform",
            }
        )
        return self.second()

    def second(self):
        return backend_on(self.emulator, self.cloud, timeout=self.timeout)

    # -- what there really is ------------------------------------------------------------------

    def _group(self, fleet, revision):
        names = self.emulator.everything()["groups"]
        return fleet if fleet in names and revision == 1 else f"{fleet}-r{revision}"

    async def raw_members(self, fleet, revision):
        group = self._group(fleet, revision)
        return {_id(each) for each in self.emulator.members(group=group)}

    async def raw_serving(self, fleet):
        there = self.emulator.members()
        mine = [e for e in there if e["group"] and e["group"].startswith(fleet)]
        return {_id(each) for each in mine if each["serving"]}

    async def send(self, fleet, count):
        """Deal requests out to those that the load balancer sends new connections to."""
        serving = sorted(await self.raw_serving(fleet))
        return {name: count // len(serving) for name in serving}

    async def raw_kept(self, fleet):
        found = self.emulator.everything()["groups"].get(fleet)
        return None if found is None else found["sku"]["capacity"]

    # -- what others do ------------------------------------------------------------------------

    async def raw_kill(self, fleet, instance):
        self.emulator.kill(machine=_name(instance))

    async def raw_fail_health(self, fleet, instance):
        self.emulator.sicken(machine=_name(instance))

    async def raw_resize(self, fleet, revision, size):
        self.emulator.resize(group=self._group(fleet, revision), capacity=size)

    def _setting(self, group, minimum=1, maximum=100, rules=()):
        path = self.cloud.id("Microsoft.Insights", "autoscalesettings", f"{group}-theirs")
        target = self.cloud.id("Microsoft.Compute", "virtualMachineScaleSets", group)
        bounds = {"minimum": str(minimum), "maximum": str(maximum), "default": str(minimum)}
        profile = {"name": "usual", "capacity": bounds, "rules": list(rules)}
        said = {"targetResourceUri": target, "enabled": True, "profiles": [profile]}
        self.cloud.put(path, properties=said)

    async def raw_scale_in(self, fleet, revision):
        group = self._group(fleet, revision)
        path = f"{group}-theirs"
        size = self.emulator.everything()["groups"][group]["sku"]["capacity"]
        try:
            self.emulator.alarm(setting=path, capacity=size - 1)
        except RuntimeError as error:
            if "is disabled" not in str(error):
                raise

    async def raw_protect(self, fleet, instance):
        if self.flexible:
            # "Orchestration modes": a Flexible set has no instance protection.
            await super().raw_protect(fleet, instance)
        policy = {"protectFromScaleIn": True}
        (member,) = [e for e in self.emulator.members() if e["name"] == _name(instance)]
        self.emulator.arm(
            "PUT",
            member["id"],
            {"location": self.emulator.location, "properties": {"protectionPolicy": policy}},
        )

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        self._setting(self._group(fleet, revision), minimum, maximum or 100)

    async def raw_scaling(self, fleet, revision):
        group = self._group(fleet, revision)
        target = self.cloud.id("Microsoft.Compute", "virtualMachineScaleSets", group)
        self._setting(group, 1, 5, [rule_of(target)])

    async def make_fleet(self, backend, fleet, revision, size):
        name = await super().make_fleet(backend, fleet, revision, size)
        self._setting(f"{fleet}-r1", 0)
        return name

    async def raw_foreign_group(self, name, size):
        image = f"{self.cloud.gallery}/images/web/versions/1.0.0"
        self.cloud.group(name, size, image, pools=[self.pool], flexible=self.flexible)
        there = self.emulator.members
        await eventually(lambda: sum(bool(e["serving"]) for e in there(group=name)) >= size)

    # -- what goes wrong -----------------------------------------------------------------------

    async def no_room(self, fleet, full):
        for zone in ("1", "2", "3"):
            there = [e for e in self.emulator.members() if e["zone"] == zone]
            self.emulator.capacity(zone=zone, machines=len(there) if full else None)


def rule_of(target):
    """An autoscale rule on the processors of a set."""
    return {
        "metricTrigger": {
            "metricName": "Percentage CPU",
            "metricResourceUri": target,
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": "PT5M",
            "timeAggregation": "Average",
            "operator": "GreaterThan",
            "threshold": 70.0,
        },
        "scaleAction": {
            "direction": "Increase",
            "type": "ChangeCount",
            "value": "1",
            "cooldown": "PT5M",
        },
    }


def backend_on(emulator, stage, *, timeout=10.0, capabilities=QUICK):
    """Return a backend, not open, on the emulator."""
    return AzureBackend(
        emulator.subscription,
        stage.place,
        credential=emulator.credential(),
        endpoint=emulator.url,
        ca_bundle=emulator.trusted,
        capabilities=capabilities,
        timeout=timeout,
        interval=0.02,
    )


def _id(member):
    return f"{member['name']}.{member['vm_id'][:8]}"


def _name(instance):
    return instance.rsplit(".", 1)[0]
