"""What is looked up in the journal's tables, and what the rows say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from immutable.journal.base import Build, Entry, Given, Leaf
from immutable.journal.transactions import BUILDS, Run, Statement, Transaction
from immutable.model import Event, Order, Record, Status
from immutable.model.records import Asked, BuildAsked
from immutable.model.serial import from_json

if TYPE_CHECKING:
    from immutable.journal.merkle import Frontier

__all__ = [
    "build",
    "builds",
    "checkpoints",
    "entries",
    "entry",
    "event",
    "events",
    "frontier",
    "leaves",
    "orders",
]


def orders(_: Transaction, rollout: str, after: int) -> Run[list[Given]]:
    """Return the orders of a rollout above a number."""
    rows = yield Statement(
        "SELECT number, word, actor, reason FROM orders"
        " WHERE rollout = ? AND number > ? ORDER BY number",
        (rollout, after),
    )
    return [Given(number, Order(word), actor, reason) for number, word, actor, reason in rows]


def events(_: Transaction, rollout: str, after: int) -> Run[list[str]]:
    """Return a rollout's leaves above a number."""
    rows = yield Statement(
        "SELECT text FROM records WHERE rollout = ? AND seq > ? ORDER BY seq", (rollout, after)
    )
    return [text for (text,) in rows]


def event(text: str) -> Event:
    """Return what a leaf says has happened."""
    leaf = json.loads(text)
    return Event(leaf["rollout"], leaf["seq"], leaf["at"], from_json(Record, leaf["record"]))


def entries(
    tx: Transaction, fleet: str | None, rollout: str | None, *, unfinished: bool
) -> Run[list[Any]]:
    """Return rollouts, the oldest first; each as a row for `entry`."""
    wanted = {"rollouts.fleet": fleet, "rollouts.rollout": rollout}
    given = {column: value for column, value in wanted.items() if value is not None}
    if unfinished:
        given["status"] = "running"
    return (yield from _listed(tx, given, "NOT LIKE"))


def builds(tx: Transaction, spec: str | None, *, unfinished: bool) -> Run[list[Any]]:
    """Return builds, the oldest first; each as a row for `build`."""
    given = {} if spec is None else {"rollouts.fleet": f"{BUILDS}{spec}"}
    if unfinished:
        given["status"] = "running"
    return (yield from _listed(tx, given, "LIKE"))


def _listed(tx: Transaction, given: dict[str, str], like: str) -> Run[list[Any]]:
    where = "".join(f" AND {column} = ?" for column in given)
    rows = yield Statement(
        "SELECT text, started_at, status, rollouts.controller, fence, held, rollouts.seq,"
        " COALESCE(expires_at, 0) FROM rollouts"
        " JOIN records ON records.rollout = rollouts.rollout AND records.seq = 0"
        " LEFT JOIN controllers ON controllers.controller = rollouts.controller"
        f" WHERE rollouts.fleet {like} '{BUILDS}%'{where} ORDER BY started_at, leaf",
        tuple(given.values()),
    )
    return [(*row, tx.now) for row in rows]


def entry(row: Any) -> Entry:
    """Return the rollout that a row is about."""
    leaf, standing = _told(row)
    asked: Asked = from_json(Asked, leaf["record"])
    return Entry(
        rollout=leaf["rollout"],
        fleet=asked.fleet,
        plan=asked.plan,
        actor=asked.actor,
        reason=asked.reason,
        **standing,
    )


def build(row: Any) -> Build:
    """Return the build that a row is about."""
    leaf, standing = _told(row)
    asked: BuildAsked = from_json(BuildAsked, leaf["record"])
    return Build(
        id=leaf["rollout"],
        spec=asked.spec,
        name=asked.name,
        version=asked.version,
        builder=asked.builder,
        actor=asked.actor,
        reason=asked.reason,
        place=asked.place,
        **standing,
    )


def _told(row: Any) -> tuple[Any, dict[str, Any]]:
    """Return the first leaf of what a row is about, and how that stands now."""
    text, started_at, status, controller, fence, held, seq, expires_at, now = row
    pending = status == Status.RUNNING and seq == 0  # Nobody has ever had its lease.
    ends = expires_at if held else 0.0
    return json.loads(text), {
        "started_at": started_at,
        "status": Status.PENDING if pending else Status(status),
        "controller": controller,
        "fence": fence,
        "expires_at": ends,
        "live": ends > now,
    }


def leaves(_: Transaction, after: int, limit: int) -> Run[list[Leaf]]:
    """Return leaves of the log above an index."""
    rows = yield Statement(
        "SELECT leaf, hash, text, rollout, seq FROM records WHERE leaf > ? ORDER BY leaf LIMIT ?",
        (after, limit),
    )
    return [Leaf(index, bytes(hashed), *rest) for index, hashed, *rest in rows]


def frontier(_: Transaction) -> Run[Frontier]:
    """Return what the log keeps of itself."""
    from immutable.journal.merkle import Frontier

    rows = yield Statement("SELECT frontier FROM log")
    return Frontier.from_bytes(rows[0][0])


def checkpoints(_: Transaction) -> Run[list[str]]:
    """Return the checkpoints that were kept, the oldest first."""
    rows = yield Statement("SELECT note FROM checkpoints ORDER BY size, at")
    return [note for (note,) in rows]
