"""The journal's tables, and the way to them from those of earlier versions.

The names of types are PostgreSQL's; SQLite stores the same values under them.
"""

from __future__ import annotations

from immutable.journal.base import Lease
from immutable.journal.merkle import Frontier
from immutable.journal.transactions import Run, Statement, Transaction, seal
from immutable.model.serial import canonical

__all__ = ["VERSION", "migration"]

VERSION = 5
"""The version that this SDK reads and writes."""

_TABLES = """
CREATE TABLE controllers (
    controller TEXT PRIMARY KEY,
    expires_at DOUBLE PRECISION NOT NULL,
    shares SMALLINT NOT NULL
);
CREATE TABLE rollouts (
    rollout TEXT PRIMARY KEY,
    fleet TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    status TEXT NOT NULL,
    controller TEXT NOT NULL,
    fence BIGINT NOT NULL,
    held SMALLINT NOT NULL,
    seq BIGINT NOT NULL,
    orders BIGINT NOT NULL
);
CREATE UNIQUE INDEX one_rollout_per_fleet ON rollouts (fleet) WHERE status = 'running';
CREATE INDEX rollouts_of_controllers ON rollouts (controller) WHERE status = 'running';
CREATE TABLE records (
    leaf BIGINT PRIMARY KEY,
    rollout TEXT NOT NULL,
    seq BIGINT NOT NULL,
    text TEXT NOT NULL,
    hash BYTEA NOT NULL,
    UNIQUE (rollout, seq)
);
CREATE TABLE orders (
    rollout TEXT NOT NULL,
    number BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    word TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
);
CREATE TABLE log (
    frontier BYTEA NOT NULL
);
CREATE TABLE checkpoints (
    size BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    note TEXT NOT NULL
);
"""

_CATALOG = """
CREATE TABLE catalog (
    seq BIGINT NOT NULL,
    at DOUBLE PRECISION NOT NULL
);
CREATE TABLE versions (
    digest TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    parent TEXT NOT NULL,
    artifacts TEXT NOT NULL,
    added_at DOUBLE PRECISION NOT NULL,
    manifest TEXT NOT NULL,
    signed TEXT NOT NULL,
    UNIQUE (name, version)
);
CREATE TABLE channels (
    channel TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    back SMALLINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (channel, number)
);
CREATE TABLE revocations (
    digest TEXT PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL
);
INSERT INTO catalog (seq, at) VALUES (-1, 0);
"""
"""What version 4 has more than version 3."""

_POLICIES = """
CREATE TABLE policies (
    fleet TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE bypasses (
    fleet TEXT PRIMARY KEY,
    until DOUBLE PRECISION NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL
);
CREATE TABLE retirements (
    digest TEXT PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL
);
CREATE TABLE followers (
    fleet TEXT PRIMARY KEY,
    following TEXT NOT NULL
);
CREATE TABLE offers (
    fleet TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    number BIGINT NOT NULL,
    plan TEXT NOT NULL
);
CREATE TABLE approvals (
    plan TEXT NOT NULL,
    number BIGINT NOT NULL,
    signed TEXT NOT NULL,
    PRIMARY KEY (plan, number)
);
"""
"""What version 5 has more than version 4."""


def migration(version: int) -> Run[None]:
    """Bring the tables of *version* to `VERSION`, within one transaction; 0 is an empty database.

    No record is lost: those of earlier versions enter the log in the order in which their rollouts
    began.
    """
    if version == VERSION:
        return
    if version < _MERKLE:
        yield from _to_merkle(version)
    if version < _CATALOGUED:
        yield from _each(_CATALOG)
    yield from _each(_POLICIES)


_MERKLE = 3
"""The version from which on all records are in one log."""

_CATALOGUED = 4
"""The version from which on there is a catalog of images."""


def _to_merkle(version: int) -> Run[None]:
    old = ("rollouts", "records", "orders")[: (0, 2, 3)[version]]
    for table in old:
        yield Statement(f"ALTER TABLE {table} RENAME TO old_{table}")
    if old:
        yield Statement("DROP INDEX one_rollout_per_fleet")
    yield from _each(_TABLES)
    yield Statement("INSERT INTO log (frontier) VALUES (?)", (Frontier(0, ()).to_bytes(),))
    if old:
        yield from _carry_over(version)
    for table in old:
        yield Statement(f"DROP TABLE old_{table}")


def _each(script: str) -> Run[None]:
    for statement in filter(str.strip, script.split(";")):
        yield Statement(statement)


def _carry_over(version: int) -> Run[None]:
    orders = "orders" if version > 1 else "0"
    yield Statement(
        "INSERT INTO rollouts (rollout, fleet, started_at, status, controller, fence, held, seq,"
        " orders) SELECT rollout, fleet, started_at, status, controller, fence, 0, seq,"
        f" {orders} FROM old_rollouts"
    )
    if version > 1:
        yield Statement(
            "INSERT INTO orders (rollout, number, at, word, actor, reason)"
            " SELECT rollout, number, at, word, actor, reason FROM old_orders"
        )
    rollouts = yield Statement(
        "SELECT rollout, controller, fleet, plan, actor, reason, started_at FROM old_rollouts"
        " ORDER BY started_at, rollout"
    )
    for rollout, controller, *asked, at in rollouts:
        yield from _add(rollout, 1, controller, at, 0, [_asked(*asked)])
        records = yield Statement(
            "SELECT seq, at, fence, record FROM old_records WHERE rollout = ? ORDER BY seq",
            (rollout,),
        )
        for seq, then, fence, text in records:
            yield from _add(rollout, fence, controller, then, seq, [text])


def _asked(fleet: str, plan: str, actor: str, reason: str) -> str:
    import json

    asked = {"actor": actor, "fleet": fleet, "plan": json.loads(plan), "reason": reason}
    return canonical(asked | {"type": "asked"}).decode()


def _add(
    rollout: str, fence: int, controller: str, at: float, seq: int, texts: list[str]
) -> Run[None]:
    tx = Transaction(at, 0)
    tx.add(Lease(rollout, controller, fence), seq, texts)
    yield from seal(tx)
