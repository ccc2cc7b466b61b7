"""A subscription as users have it, and what may be different in it after a rollout."""

from __future__ import annotations

import copy
from collections import Counter

from attrs import evolve

from backends.azure.tests.backend.author import QUICK, backend_on, rule_of
from tests.emulators import adopted

__all__ = ["LIMITS", "Account", "marks"]

LIMITS = evolve(adopted.LIMITS, drain_timeout=0.3, progress_deadline=200)
"""A busy machine may be slow for a minute; what never gets on is ended by the test's timeout."""


class Account(adopted.Account):
    """An adopted fleet ``web`` behind a load balancer."""

    def __init__(self, emulator, stage):
        self.emulator, self.stage = emulator, stage
        emulator.laws(boot=0.2, answers=0.1, shutdown=0.1, settle=0.01, replicate=0.01, minute=None)
        self.images = (stage.image("1.0.0"), stage.image("2.0.0"))
        self.pools = stage.balancer()
        self.address = f"azure://{emulator.subscription}/{stage.place}/web"

    def group(self, size, *, identity=None, **fields):
        """Make the set ``web`` of somebody else, with an autoscale setting, tags and repairs."""
        path = self.stage.id("Microsoft.Compute", "virtualMachineScaleSets", "web")
        repairs = {"enabled": True, "gracePeriod": "PT30M"}
        words = {"pools": self.pools, "automaticRepairsPolicy": repairs, **fields}
        body = self.stage.model(size, self.images[0], **words)
        who = {"identity": identity} if identity else {}
        self.stage.put(path, tags={"team": "shop"}, **who, **body)
        bounds = {"minimum": str(size // 2), "maximum": str(size * 2), "default": str(size)}
        profile = {"name": "usual", "capacity": bounds, "rules": [rule_of(path)]}
        self.stage.put(
            self.stage.id("Microsoft.Insights", "autoscalesettings", "web-theirs"),
            tags={"team": "shop"},
            properties={
                "name": "web-theirs",
                "targetResourceUri": path,
                "enabled": True,
                "profiles": [profile],
            },
        )
        self.settle(size)

    def serving(self, group):
        """Return the members of a set that get new connections."""
        return [each for each in self.emulator.members(group=group) if each["serving"]]

    def backend(self, **capabilities):
        """Return a backend, not open."""
        return backend_on(self.emulator, self.stage, capabilities=evolve(QUICK, **capabilities))

    def zones(self, group):
        """Return how many members a set has in each zone."""
        return Counter(each["zone"] for each in self.emulator.members(group=group))

    def everything(self):
        """Return all that there is, without our marks on what was there before."""
        told = copy.deepcopy(self.emulator.everything())
        for group in told["groups"].values():
            group["tags"] = _theirs(group.get("tags"))
            group["members"] = sorted(_untagged(each) for each in group["members"])
        for each in told["resources"].values():
            if "tags" in each:
                each["tags"] = _theirs(each["tags"])
        return told


def _theirs(tags):
    return {k: v for k, v in (tags or {}).items() if not k.startswith("immutable:")}


def _untagged(member):
    before, _, after = member.partition(" tags=")
    return f"{before} {after.rsplit('} ', 1)[-1]}"


def marks(account, group):
    """Return the SDK's marks on a set, without what is told of its revision."""
    tags = account.emulator.everything()["groups"][group].get("tags") or {}
    return {
        key.removeprefix("immutable:"): value
        for key, value in tags.items()
        if key.startswith("immutable:") and not key.startswith("immutable:what")
    }
