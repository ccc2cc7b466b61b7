"""How the conformance suite gets at the emulated Compute Engine, past the backend on it."""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar

from immutable.backend import Capabilities, FrozenMap, Limits
from immutable_gcp import GcpBackend
from immutable_gcp.tables import STEP
from tests.emulators.authoring import EmulatorAuthor

QUICK = Capabilities(
    create_fleet=True,
    weighted_traffic=True,
    weight_step=STEP,
    poll=0.05,
    staleness=0.15,
    late_effect=3.0,
    boot=0.5,
    drain=0.2,
    terminate=0.3,
    limits=Limits(min_ready=0, boot_timeout=20, drain_timeout=2, progress_deadline=30),
)
"""What the emulated project is like: everything is quick, and seen at once."""

SCALE = 0.1
"""A second that Google is told is so long here: a drain of 2 s takes 0.2."""

MANAGERS = "*nstanceGroupManagers"

REQUESTS = {
    "grow": f"{MANAGERS}.resize",
    "retire": f"{MANAGERS}.deleteInstances",
    "hold": f"{MANAGERS}.patch",
    "create_revision": f"{MANAGERS}.insert",
    "delete_revision": f"{MANAGERS}.delete",
    "route": "urlMaps.update",
    "observe": f"{MANAGERS}.list",
}
"""The request of each call that does what it is for."""


class GcpAuthor(EmulatorAuthor):
    """What the author of this backend declares; `emulator` and `stage` are the fixtures."""

    drain_timeout = 2.0
    missing = "no-such-image"
    expected_failures: ClassVar = {
        "a_late_call_is_held_against_the_fence": (
            "deleteInstances takes no fingerprint: one that arrives late takes effect (README)"
        ),
    }
    timeout = 10.0
    requests = REQUESTS
    first: ClassVar = {"create_revision": f"{MANAGERS}.patch"}
    denied: ClassVar = {"code": "forbidden", "message": "no"}
    lost_page = f"{MANAGERS}.listManagedInstances"
    parted = "immutable_gcp.retiring.AT_ONCE"

    def make(self, emulator, stage, request):
        """Return a backend, with a pool behind a URL map and two images on its cloud."""
        self.emulator, self.cloud = emulator, stage
        emulator.laws(boot=0.1, answers=0.05, shutdown=0.05, operation=0.03, scale=SCALE)
        # Only who sends requests that arrive late gives up on them soon.
        self.timeout = self.hasty if "late" in request.node.name else 10.0
        self.location = emulator.region if stage.regional else emulator.zones[0]
        self.url = (
            f"gcp://acme/{self.location}/{{fleet}}?endpoint={emulator.url}&credentials=anonymous"
        )
        self.images = (stage.image("web-1"), stage.image("web-2"))
        scheme = {"load_balancing_scheme": "EXTERNAL_MANAGED"}
        pool = stage.service("pool", stage.check(), drain=2, **scheme)
        front = {"name": "front", "default_service": pool}
        stage.done(stage.maps.insert_unary(project="acme", url_map_resource=front))
        self.template = FrozenMap({"machine_type": "e2-medium", "backend_service": "pool"})
        # An autoscaler that is ON undoes every size that is set without a hold: only where it is
        # what the check is about.
        self.scaled = "scale_in" in request.node.name
        self.monkeypatch = request.getfixturevalue("monkeypatch")
        return self.second()

    def second(self):
        return GcpBackend(
            "acme",
            self.location,
            api_endpoint=self.emulator.url,
            anonymous=True,
            capabilities=QUICK,
            timeout=self.timeout,
        )

    # -- what there really is ------------------------------------------------------------------

    def _told(self, name):
        try:
            return self.cloud.told(name)
        except Exception:  # noqa: BLE001  Not there: whatever the client says.
            return None

    async def raw_members(self, fleet, revision):
        adopted = revision == 1 and self._told(fleet) is not None
        group = fleet if adopted else f"{fleet}-r{revision}"
        return {each["id"] for each in self.emulator.members(group=group)}

    async def raw_serving(self, fleet):
        return {
            each["id"]
            for each in self.emulator.members()
            if each["group"] and each["group"].startswith(fleet) and each["serving"]
        }

    async def raw_kept(self, fleet):
        told = self._told(fleet)
        return None if told is None else told.target_size

    async def send(self, fleet, count):
        """What the load balancer's own tables would do with requests, evenly spread."""
        table = self.emulator.traffic()["front"]
        answered = {}
        for service, weight in table.items():
            healthy = sorted(m["id"] for m in self.emulator.members() if service in m["serving"])
            for turn in range(round(count * weight / sum(table.values()))):
                name = healthy[turn % len(healthy)]
                answered[name] = answered.get(name, 0) + 1
        return answered

    # -- what others do ------------------------------------------------------------------------

    async def make_fleet(self, backend, fleet, revision, size):
        name = await super().make_fleet(backend, fleet, revision, size)
        if self.scaled:
            self._scaler(f"{fleet}-r1", 0, 10)
        return name

    def _scaler(self, group, minimum, maximum):
        there = {each.name for each in self._scalers()}
        policy = {"min_num_replicas": minimum, "max_num_replicas": maximum or 100}
        scalers, where = self.cloud.scalers, self.cloud.where
        if group in there:
            resource = {"autoscaling_policy": policy}
            call = scalers.patch_unary(
                request={
                    "project": "acme",
                    "autoscaler": group,
                    "autoscaler_resource": resource,
                    **where,
                }
            )
        else:
            self._redistribute(group)
            resource = {
                "name": group,
                "target": self.cloud.told(group).self_link,
                "autoscaling_policy": policy,
            }
            call = scalers.insert_unary(project="acme", autoscaler_resource=resource, **where)
        self.cloud.done(call)

    def _redistribute(self, group):
        """What the owner of a regional group does first: Google's autoscaling needs it."""
        if not self.cloud.regional:
            return
        resource = {"update_policy": {"instance_redistribution_type": "PROACTIVE"}}
        self.cloud.done(
            self.cloud.groups.patch_unary(
                project="acme",
                instance_group_manager=group,
                instance_group_manager_resource=resource,
                **self.cloud.where,
            )
        )

    def _scalers(self):
        return list(self.cloud.scalers.list(project="acme", **self.cloud.where))

    async def raw_resize(self, fleet, revision, size):
        self.emulator.resize(group=f"{fleet}-r{revision}", size=size)

    async def raw_scale_in(self, fleet, revision):
        group = f"{fleet}-r{revision}"
        size = self.cloud.told(group).target_size
        # Its memory of ten minutes is 30 ms from here on, so that it would act at once.
        self.emulator.laws(scale=0.00005)
        self.emulator.demand(group=group, size=size - 1)
        await asyncio.sleep(0.7)

    async def raw_bounds(self, fleet, revision, minimum, maximum):
        self._scaler(f"{fleet}-r{revision}", minimum, maximum)

    async def raw_scaling(self, fleet, revision):
        request = {
            "project": "acme",
            "autoscaler": f"{fleet}-r{revision}",
            "autoscaler_resource": {"autoscaling_policy": {"cool_down_period_sec": 77}},
            **self.cloud.where,
        }
        self.cloud.done(self.cloud.scalers.patch_unary(request=request))

    async def raw_foreign_group(self, name, size):
        template = self.cloud.template(f"{name}-theirs", self.images[0])
        group = self.cloud.group(name, size, template)
        pool = self.cloud.services.get(project="acme", backend_service="pool")
        resource = {"fingerprint": pool.fingerprint, "backends": [{"group": group.instance_group}]}
        self.cloud.done(
            self.cloud.services.patch_unary(
                project="acme", backend_service="pool", backend_service_resource=resource
            )
        )
        await self.there(name, size)

    # -- what goes wrong -----------------------------------------------------------------------

    async def no_room(self, fleet, full):
        for zone in self.emulator.zones:
            there = sum(each["zone"] == zone for each in self.emulator.members())
            self.emulator.capacity(zone=zone, instances=there if full else None)

    async def slow_drains(self, fleet, seconds):
        delay = min(3600, math.ceil(seconds / SCALE))
        for each in self.cloud.services.list(project="acme"):
            resource = {
                "fingerprint": each.fingerprint,
                "connection_draining": {"draining_timeout_sec": delay},
            }
            self.cloud.done(
                self.cloud.services.patch_unary(
                    project="acme", backend_service=each.name, backend_service_resource=resource
                )
            )
