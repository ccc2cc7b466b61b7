"""Waiting for what has to come, and the usual fleet."""

from __future__ import annotations

import pytest

from tests.emulators import waiting


@pytest.fixture
def until():
    """Wait until something is so."""
    return waiting.until


class Fleet:
    """A managed group `web` of template `web-r1`, behind the backend service `pool`."""

    def __init__(self, stage):
        self.stage, self.emulator = stage, stage.emulator

    def make(self, size=3, drain=0, **fields):
        self.emulator.laws(boot=0.05, answers=0.02, shutdown=0.05, operation=0.0, reaction=0.0)
        self.image = self.stage.image("web-1")
        self.template = self.stage.template("web-r1", self.image)
        self.check = self.stage.check()
        self.stage.group("web", size, self.template, **fields)
        self.stage.service("pool", self.check, "web", drain=drain)
        return self.settled(size)

    def settled(self, size, group="web"):
        waiting.until(lambda: self.stage.told(group), lambda told: told.status.is_stable)
        assert len(self.members(group)) == size
        return self

    def members(self, group="web"):
        return self.stage.members(group)

    def named(self, name):
        return next((m for m in self.members() if m.name == name), None)

    def call(self, method, name="web", **words):
        """A method of the managed group `name`; its operation, DONE."""
        done = getattr(self.stage.groups, f"{method}_unary")(
            project=self.stage.project,
            instance_group_manager=name,
            **self.stage.where,
            **words,
        )
        return self.emulator.wait(done)

    def delete(self, *members, **words):
        kind = "region_" if self.stage.regional else ""
        field = f"{kind}instance_group_managers_delete_instances_request_resource"
        return self.call(
            "delete_instances", **{field: {"instances": [m.instance for m in members], **words}}
        )

    def patch(self, **fields):
        return self.call("patch", instance_group_manager_resource=fields)


@pytest.fixture
def fleet(stage):
    """A fleet in a zone, to be made."""
    return Fleet(stage)


@pytest.fixture
def spread(region):
    """A fleet over a region, to be made."""
    return Fleet(region)
