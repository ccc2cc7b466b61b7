"""Rollouts for tests of journals."""

from __future__ import annotations

from attrs import evolve

from immutable import Limits, Rolling, Status
from immutable.backend import Capabilities, FleetState, Group
from immutable.journal import Entry
from immutable.model.records import Started
from immutable.planning.compile import replacement
from tests.support.world import revision

__all__ = ["STARTED", "entry"]

STARTED = Started("sha256:0", (Group(revision(), 3),), wanted=3, ready=3)


def entry(rollout: str = "r1", fleet: str = "memory://web", **facts: object) -> Entry:
    state = FleetState("web", 0.0, (Group(revision(), 3),))
    image = revision(2, "v2").image
    plan = replacement(fleet, state, image, None, Rolling(), Limits(), Capabilities())
    made = Entry(
        rollout, fleet, plan, "ada", "why not", 5.0, Status.RUNNING, "one", 1, 0.0
    )  # fmt: skip
    return evolve(made, **facts)
