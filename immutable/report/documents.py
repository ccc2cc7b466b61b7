"""Values as the JSON documents that ``--json`` prints; their fields are documented and stable."""

from __future__ import annotations

from typing import Any

from immutable.journal import Entry
from immutable.model import (
    Event,
    FleetState,
    Image,
    InstanceState,
    Plan,
    Record,
    Result,
    RolloutStatus,
)
from immutable.model.serial import digest, to_json
from immutable.report.words import words

__all__ = ["entry", "event", "fleet", "image", "plan", "result", "status"]


def fleet(address: str, state: FleetState) -> dict[str, Any]:
    """Return a fleet: its groups, how many instances are in which state, and each instance."""
    states = [each.state for each in state.instances]
    return {
        "fleet": address,
        "at": state.at,
        "size": sum(group.size for group in state.groups),
        "states": {each.value: states.count(each) for each in InstanceState if each in states},
        "groups": [to_json(group) for group in state.groups],
        "instances": [to_json(instance) for instance in state.instances],
    }


def plan(made: Plan) -> dict[str, Any]:
    """Return a plan with its digest."""
    return {"digest": digest(made), "plan": to_json(made)}


def event(happened: Event) -> dict[str, Any]:
    """Return an event: its place, its words, and the record itself."""
    return {
        "rollout": happened.rollout,
        "seq": happened.seq,
        "at": happened.at,
        "words": words(happened.record),
        "record": to_json(happened.record, Record),
    }


def result(end: Result) -> dict[str, Any]:
    """Return how a rollout ended."""
    document: dict[str, Any] = to_json(end)
    return document


def status(now: RolloutStatus) -> dict[str, Any]:
    """Return where a rollout stands."""
    document: dict[str, Any] = to_json(now)
    return document


def entry(listed: Entry) -> dict[str, Any]:
    """Return a rollout as a row of the fleet's history."""
    return {
        "rollout": listed.rollout,
        "fleet": listed.fleet,
        "status": listed.status.value,
        "started_at": listed.started_at,
        "actor": listed.actor,
        "reason": listed.reason,
        "from": listed.plan.stable.number,
        "to": listed.plan.candidate.number,
        "image": str(listed.plan.candidate.image),
        "strategy": listed.plan.strategy,
        "plan": digest(listed.plan),
    }


def image(found: Image) -> dict[str, Any]:
    """Return an image."""
    document: dict[str, Any] = to_json(found)
    return document
