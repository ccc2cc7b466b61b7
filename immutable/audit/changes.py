"""A change record for each rollout: what auditors ask about a change, answered from the log alone.

The fields are the union of what NIST SP 800-53 (AU-3, CM-3), PCI DSS 6.5.1 and SOC 2 CC8.1 ask
for. None is left out: what the log can't know says `NOT_RECORDED`, so that nobody takes silence
for an answer.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field

from immutable.audit.checkpoint import ORIGIN, Checkpoint
from immutable.audit.stream import all_leaves, standing_hash
from immutable.errors import InvalidValue, JournalError
from immutable.journal import Journal, Leaf
from immutable.journal.merkle import Tree
from immutable.model import Approval, FleetURL, Order, Record, Revision
from immutable.model.records import Asked, Claimed, Ended, Judged, Ordered, Ruled, Started, Turned
from immutable.model.serial import digest, from_json, to_json
from immutable.planning.goals import gates

__all__ = ["NOT_RECORDED", "changes"]

NOT_RECORDED = "not recorded"
"""What stands for everything that the log does not know."""

_TOLD = {"asked", "claimed", "ended", "judged", "ordered", "ruled", "started", "turned"}
"""The kinds of records that a change record is made of; the others are steps on the way."""


async def changes(journal: Journal, *, origin: str = ORIGIN) -> list[dict[str, Any]]:
    """Return a change record for each rollout in a journal's log, in the order of their beginning.

    Each is plain data for JSON. ``log`` says where its first and last record are and proves that
    they are there: inclusion proofs (RFC 6962) in the tree that ``log.checkpoint`` stands for.

    Args:
        journal: The journal.
        origin: The log's name in its checkpoint.

    Raises:
        JournalError: It can't be read, or holds what is not a record of a rollout.
    """
    hashes: list[bytes] = []
    told: dict[str, _Change | None] = {}

    def take(leaves: Sequence[Leaf]) -> None:
        for leaf in leaves:
            hashes.append(standing_hash(leaf))
            try:
                _hear(told, leaf, len(hashes) - 1)
            except (InvalidValue, ValueError, KeyError, TypeError) as error:
                way_out = "find out more with: immutable audit verify"
                what = f"record {leaf.index} of the journal makes no sense; {way_out}"
                raise JournalError(what) from error

    await all_leaves(journal, take)
    tree = Tree(hashes)
    now = str(Checkpoint(origin, len(tree), tree.root()))
    found = [change for change in told.values() if change is not None]
    return [change.document() | {"log": _place(change, tree, now)} for change in found]


def _hear(told: dict[str, _Change | None], leaf: Leaf, place: int) -> None:
    said = json.loads(leaf.text)
    rollout, kind, at = said["rollout"], said["record"]["type"], said["at"]
    if kind == "asked":
        told[rollout] = _Change(rollout, from_json(Asked, said["record"]), at, place)
    elif kind in ("build_asked", "catalog_opened"):
        told[rollout] = None  # An image that is built, or revoked, changes no fleet.
    change = told[rollout]
    if change is None:
        return
    change.last = place
    if said["controller"]:
        change.controllers.setdefault(said["controller"])
    if kind in _TOLD:
        change.hear(from_json(Record, said["record"]), at)


def _place(change: _Change, tree: Tree, checkpoint: str) -> dict[str, Any]:
    def proved(index: int) -> dict[str, Any]:
        siblings = tree.inclusion(index)
        return {"index": index, "proof": [b64encode(each).decode() for each in siblings]}

    first, last = proved(change.first), proved(change.last)
    return {"first": first, "last": last, "checkpoint": checkpoint}


@define
class _Change:
    """What the log has told of one rollout so far.

    Attributes:
        rollout: Its identifier.
        asked: Who wanted what.
        asked_at: When, in seconds since 1970; so are the other times.
        first: Where its first record is in the log.
        last: Where its newest one is.
        started_at: When it was begun with.
        finished_at: When it ended.
        started: The fleet before.
        ended: How it ended.
        turned: Why it went back; empty when it didn't.
        controllers: Who has driven it, in order.
        orders: What it was told, and when.
        judged: What each gate said last.
        ruled: What the fleet's policy said when the candidate was about to be launched.
    """

    rollout: str
    asked: Asked
    asked_at: float
    first: int
    last: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    started: Started | None = None
    ended: Ended | None = None
    turned: str = ""
    controllers: dict[str, None] = field(factory=dict)
    orders: list[tuple[Ordered, float]] = field(factory=list)
    judged: dict[int, Judged] = field(factory=dict)
    ruled: Ruled | None = None

    def hear(self, record: Record, at: float) -> None:
        """Take a record in."""
        match record:
            case Started():
                self.started, self.started_at = record, at
            case Claimed():
                self.controllers.setdefault(record.controller)
            case Ordered():
                self.orders.append((record, at))
            case Judged():
                self.judged[record.gate] = record
            case Ruled():
                self.ruled = record
            case Turned():
                self.turned = record.reason
            case Ended():
                self.ended, self.finished_at = record, at

    def document(self) -> dict[str, Any]:
        """Return the change record, but for its place in the log."""
        plan = self.asked.plan
        return {
            "change": self.rollout,
            "type": plan.kind.value,
            "fleet": self.asked.fleet,
            "where": _where(self.asked.fleet),
            "from": _revision(plan.stable),
            "to": _revision(plan.candidate),
            "plan": digest(plan),
            "strategy": plan.strategy,
            "instances": self._instances(),
            "reason": self.asked.reason or NOT_RECORDED,
            "requested_by": self.asked.actor or NOT_RECORDED,
            "approved_by": self._approvals(),
            "executed_by": {"controllers": list(self.controllers), "sdk": NOT_RECORDED},
            "requested_at": _utc(self.asked_at),
            "started_at": _utc(self.started_at) or "not yet",
            "finished_at": _utc(self.finished_at) or "not yet",
            "orders": [_order(*each) for each in self.orders],
            "policy": self._policy(),
            "security_impact": "not assessed",
            "tests": {"image": NOT_RECORDED, "gates": self._gates()},
            "outcome": self._outcome(),
            "way_back": self._way_back(),
            "emergency": (self.ruled.bypass if self.ruled is not None else "") or "no",
        }

    def _instances(self) -> dict[str, Any]:
        bounds, started = self.asked.plan.bounds, self.started
        return {
            "planned": bounds.wanted,
            "wanted": started.wanted if started else NOT_RECORDED,
            "ready_before": started.ready if started else NOT_RECORDED,
        }

    def _approvals(self) -> dict[str, Any]:
        """Return who said promote; somebody else than who asked for the change, or not."""
        asked = [gate for gate in gates(self.asked.plan.steps) if isinstance(gate, Approval)]
        said = [each for each in self.orders if each[0].order is Order.PROMOTE]
        return {
            "wanted": bool(asked),
            "given": [
                _order(*each) | {"distinct": each[0].actor != self.asked.actor} for each in said
            ],
        }

    def _policy(self) -> Any:
        if self.ruled is None:
            return "no policy"
        rulings = [to_json(each) for each in self.ruled.rulings]
        return {"admitted": self.ruled.admitted, "rulings": rulings}

    def _gates(self) -> list[dict[str, str]]:
        return [
            {
                "gate": str(gate),
                "verdict": self.judged[number].verdict.value if number in self.judged else "none",
                "detail": self.judged[number].detail if number in self.judged else "",
            }
            for number, gate in enumerate(gates(self.asked.plan.steps))
        ]

    def _outcome(self) -> dict[str, Any]:
        if self.ended is None:
            return {"status": "unfinished", "reason": self.turned, "left": []}
        ended = self.ended
        status = ended.status.value
        return {"status": status, "reason": ended.reason, "left": list(ended.left)}

    def _way_back(self) -> dict[str, Any]:
        stable = self.asked.plan.stable
        return {
            "planned": self.asked.plan.on_failure or NOT_RECORDED,
            "revision": stable.number,
            "digest": stable.image.digest or NOT_RECORDED,
            "launchable_now": NOT_RECORDED,
            "used": self.turned or "no",
        }


def _where(address: str) -> dict[str, str]:
    url = FleetURL.parse(address)
    return {"backend": url.scheme, "location": url.location, "account": NOT_RECORDED}


def _revision(revision: Revision) -> dict[str, Any]:
    image = revision.image
    return {
        "revision": revision.number,
        "image": str(image),
        "artifact": image.artifact,
        "digest": image.digest or NOT_RECORDED,
        "assurance": image.assurance.value,
        "commit": image.commit or NOT_RECORDED,
    }


def _order(given: Ordered, at: float) -> dict[str, Any]:
    said = {"order": given.order.value, "by": given.actor or NOT_RECORDED, "reason": given.reason}
    return said | {"at": _utc(at)}


def _utc(seconds: float | None) -> str:
    """Return a time in UTC, as ISO 8601 writes it; empty for none."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
