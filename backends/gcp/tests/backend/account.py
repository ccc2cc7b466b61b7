"""A project as users have it, and what may be different in it after a rollout."""

from __future__ import annotations

from collections import Counter

from attrs import evolve

from backends.gcp.tests.backend.author import QUICK, SCALE
from immutable_gcp import GcpBackend
from immutable_gcp.marks import Marks, described, read
from tests.emulators import adopted
from tests.emulators.adopted import LIMITS

DOUBLE = evolve(LIMITS, max_surge="100%")
"""What strategies with weights need: the candidate comes up beside all of stable."""


class Account(adopted.Account):
    """An adopted fleet ``web`` in a zone, or over a region's zones."""

    def __init__(self, emulator, stage):
        self.emulator, self.stage = emulator, stage
        emulator.laws(boot=0.2, answers=0.1, shutdown=0.1, scale=SCALE, operation=0.03)
        self.images = (stage.image("web-1"), stage.image("web-2"))
        self.location = emulator.region if stage.regional else emulator.zones[0]
        self.address = f"gcp://acme/{self.location}/web"

    def group(self, size, *, weights=True, autoscaled=True, **fields):
        """Make the group ``web`` of somebody else, as people make them, behind a URL map."""
        labels = {"labels": {"team": "shop"}, "metadata": {"items": [{"key": "a", "value": "b"}]}}
        template = self.stage.template("web-theirs", self.images[0], **labels)
        check = self.stage.check()
        given = {
            "description": "The shop's front.",
            "auto_healing_policies": [{"health_check": check, "initial_delay_sec": 30}],
            "instance_lifecycle_policy": {"default_action_on_failure": "REPAIR"},
        }
        self.stage.group("web", size, template, **(given | fields))
        scheme = "EXTERNAL_MANAGED" if weights else "EXTERNAL"
        pool = self.stage.service("pool", check, "web", drain=2, load_balancing_scheme=scheme)
        front = {
            "name": "front",
            "default_service": pool,
            "host_rules": [{"hosts": ["api.example.com"], "path_matcher": "api"}],
            "path_matchers": [{"name": "api", "default_service": pool}],
        }
        self.stage.done(self.stage.maps.insert_unary(project="acme", url_map_resource=front))
        if autoscaled:
            self._autoscale(size)
        self.settle(size)

    def _autoscale(self, size):
        policy = {
            "min_num_replicas": max(1, size // 2),
            "max_num_replicas": size * 2,
            "cpu_utilization": {"utilization_target": 0.7},
            "cool_down_period_sec": 45,
        }
        target = self.stage.told("web").self_link
        resource = {"name": "web-scaler", "target": target, "autoscaling_policy": policy}
        call = self.stage.scalers.insert_unary(
            project="acme", autoscaler_resource=resource, **self.stage.where
        )
        self.stage.done(call)

    def serving(self, group):
        """Return the members of a group that are left alone, and that are sent requests."""
        there = self.emulator.members(group=group)
        return [each for each in there if each["action"] == "NONE" and each["serving"]]

    def backend(self, **options):
        """Return a backend, not open, for the fleet ``web``."""
        return backend_at(self.emulator.url, self.location, **options)

    def zones(self, group):
        """Return how many live members a group has in each zone."""
        there = self.emulator.members(group=group)
        return Counter(e["zone"] for e in there if e["action"] in ("NONE", "VERIFYING"))

    def everything(self):
        """Return all that there is, without our marks."""
        return without_marks(self.emulator.everything())

    def marks(self, group):
        """Return the marks on a group."""
        return read(self.stage.told(group).description)


def backend_at(url, location, **capabilities):
    able = evolve(QUICK, **capabilities)
    return GcpBackend(
        "acme",
        location,
        api_endpoint=url,
        anonymous=True,
        fleet="web",
        capabilities=able,
        timeout=10.0,
    )


def without_marks(told):
    """Return a snapshot without the SDK's marks, and without what Google reckons."""
    for group in told["groups"].values():
        for count in ("maxSurge", "maxUnavailable"):
            group["updatePolicy"][count].pop("calculated", None)
    for kind in ("groups", "backendServices", "instanceTemplates"):
        for each in told[kind].values():
            text = described(each.pop("description", ""), Marks())
            if text:
                each["description"] = text
    return told
