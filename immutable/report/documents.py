"""Values as the JSON documents that ``--json`` prints; their fields are documented and stable."""

from __future__ import annotations

from typing import Any

from immutable.journal import Entry
from immutable.model import (
    Event,
    FleetState,
    Image,
    InstanceState,
    Order,
    Record,
    Result,
    RolloutStatus,
)
from immutable.model.serial import digest, to_json
from immutable.report.words import words
from immutable.scanning import Report
from immutable.trust import ImageManifest

__all__ = [
    "built",
    "entry",
    "event",
    "fleet",
    "image",
    "order",
    "result",
    "scan",
    "status",
    "tried",
]


def fleet(address: str, state: FleetState) -> dict[str, Any]:
    """Return a fleet: its groups, how many instances are in which state, and each instance.

    ``fleet`` is its address, ``at`` the backend's time, ``size`` of all groups together, ``states``
    the number of instances by state, ``groups`` and ``instances`` each as
    `immutable.backend.Group` and `immutable.Instance`: a group's ``weight`` is its percentage of
    the traffic, null where all share one pool.
    """
    states = [each.state for each in state.instances]
    return {
        "fleet": address,
        "at": state.at,
        "size": sum(group.size for group in state.groups),
        "states": {each.value: states.count(each) for each in InstanceState if each in states},
        "groups": [to_json(group) for group in state.groups],
        "instances": [to_json(instance) for instance in state.instances],
    }


def event(happened: Event, said: str | None = None) -> dict[str, Any]:
    """Return an event: its place, its words, and the record itself.

    ``rollout`` and ``seq`` say which it is, ``at`` when it was written down (seconds since 1970),
    ``words`` what it says as a sentence, ``record`` all of it, with its kind as ``type``.

    Args:
        happened: The event.
        said: Its words, from somebody who knows the plan.
    """
    return {
        "rollout": happened.rollout,
        "seq": happened.seq,
        "at": happened.at,
        "words": words(happened.record) if said is None else said,
        "record": to_json(happened.record, Record),
    }


def result(end: Result) -> dict[str, Any]:
    """Return how a rollout ended, as `immutable.Result`: ``status``, ``reason``, ``left``, more."""
    document: dict[str, Any] = to_json(end)
    return document


def status(now: RolloutStatus) -> dict[str, Any]:
    """Return where a rollout stands, as `immutable.RolloutStatus`."""
    document: dict[str, Any] = to_json(now)
    return document


def entry(listed: Entry) -> dict[str, Any]:
    """Return a rollout as a row of the fleet's history.

    ``from`` and ``to`` are revision numbers, ``image`` is the one that it went to, ``strategy`` is
    as it would be written in code, ``plan`` is the plan's digest.
    """
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


def order(
    given: Order, reason: str, by: str, now: RolloutStatus, end: Result | None
) -> dict[str, Any]:
    """Return what became of an order that was given to a rollout.

    ``order`` and ``reason`` are what was said, ``taken_up_by`` is the controller that took it up:
    null when none is alive, ``taken_over`` whether this process drove the rollout to its end
    instead: then ``result`` says how that was. ``status`` is how the rollout stands now.
    """
    return {
        "order": given.value,
        "reason": reason,
        "taken_up_by": by or None,
        "taken_over": end is not None,
        "status": status(now),
        "result": result(end) if end is not None else None,
    }


def built(manifest: ImageManifest, build: str, *, reused: bool) -> dict[str, Any]:
    """Return an image that was built.

    ``artifact`` is the identifier that instances are launched by, of the first of ``artifacts``;
    ``manifest`` and ``spec`` are the digests of what it is and of what it was made of; ``build`` is
    the build that made it, and ``reused`` whether that was an earlier one.
    """
    return {
        "name": manifest.name,
        "version": manifest.version,
        "artifact": manifest.artifacts[0].id,
        "artifacts": [to_json(each) for each in manifest.artifacts],
        "manifest": manifest.digest,
        "spec": manifest.spec.digest,
        "commit": manifest.source.commit if manifest.source else "",
        "sbom": manifest.sbom,
        "tests": [to_json(each) for each in manifest.tests],
        "build": build,
        "reused": reused,
    }


def tried(manifest: ImageManifest) -> dict[str, Any]:
    """Return what tests have said: ``manifest`` is the digest that it has with their results."""
    tests = [to_json(each) for each in manifest.tests]
    passed = all(each.passed for each in manifest.tests)
    return {"image": str(manifest.spec), "manifest": manifest.digest, "passed": passed} | {
        "tests": tests
    }


def image(found: Image) -> dict[str, Any]:
    """Return an image."""
    document: dict[str, Any] = to_json(found)
    return document


def scan(report: Report) -> dict[str, Any]:
    """Return what a scan for secrets came to.

    ``verdict`` is ``clean``, ``found``, ``partly scanned`` or ``not scanned``; ``findings`` have
    ``name``, ``line`` (0 in what has no lines), ``rule``, ``how`` (what it was decoded from) and
    ``fingerprint``; ``skipped`` and ``excused`` say of what, and why.
    """
    return {"verdict": report.verdict.value, **to_json(report)}
