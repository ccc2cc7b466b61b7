"""What the journal does to the tables of the catalog of images, said once for every database.

A change is decided by a pure function from the catalog as it is, while nobody else can change it:
the row that counts the catalog's records is locked first. What was decided is applied to the
tables, which are for looking things up, and goes into the log, which is the truth.
"""

from __future__ import annotations

import json
from itertools import groupby

from immutable.catalog.state import (
    Assignment,
    Catalog,
    Revocation,
    Version,
)
from immutable.journal import carrying
from immutable.journal.base import Decision, Lease, Stored
from immutable.journal.transactions import Run, Statement, Transaction
from immutable.model.catalog import (
    CatalogOpened,
    CatalogRecord,
    ChannelAssigned,
    Restored,
    Retired,
    Revoked,
    VersionAdded,
    Withdrawn,
)
from immutable.model.records import Record
from immutable.model.serial import canonical, to_json

__all__ = ["CATALOG", "Known", "change", "newest", "stored"]

CATALOG = "catalog"
"""In place of a rollout's identifier, in the log: no rollout is called so."""


Known = tuple[int, Catalog]
"""A catalog, and the number of its newest record."""


def newest(_: Transaction, known: Known | None) -> Run[Known]:
    """Return the catalog as it is; what is known is not read again if nothing was changed."""
    ((seq,),) = yield Statement("SELECT seq FROM catalog")
    if known is not None and known[0] == seq:
        return known
    return seq, (yield from _catalog())


def _catalog() -> Run[Catalog]:
    versions = yield Statement(
        "SELECT digest, name, version, parent, artifacts, added_at FROM versions ORDER BY number"
    )
    revocations = yield Statement("SELECT digest, at, reason, actor FROM revocations")
    rows = yield Statement(
        "SELECT channel, number, digest, at, back, actor, reason FROM channels"
        " ORDER BY channel, number"
    )
    retirements = yield Statement("SELECT digest, at FROM retirements")
    carried = yield from carrying.carried()
    assigned = [
        Assignment(channel, number, digest, at, bool(back), actor, reason)
        for channel, number, digest, at, back, actor, reason in rows
    ]
    return Catalog(
        {
            digest: Version(digest, name, version, parent, tuple(json.loads(artifacts)), at)
            for digest, name, version, parent, artifacts, at in versions
        },
        {each[0]: Revocation(*each) for each in revocations},
        {name: tuple(each) for name, each in groupby(assigned, lambda one: one.channel)},
        retired=dict(retirements),
        **carried,
    )


def stored(_: Transaction, digest: str) -> Run[Stored | None]:
    """Return the files of an image."""
    rows = yield Statement("SELECT manifest, signed FROM versions WHERE digest = ?", (digest,))
    return Stored(*rows[0]) if rows else None


def change(tx: Transaction, decide: Decision) -> Run[tuple[CatalogRecord, ...]]:
    """Change the catalog as *decide* says, and write that down; returns what was changed."""
    # Locked first: what is read next is then newer than any other change.
    ((seq, last),) = yield Statement(f"SELECT seq, at FROM catalog{tx.lock}")
    # A transaction that began before another may be after it: what that one did has been done.
    now = max(tx.now, last)
    decided = tuple(decide((yield from _catalog()), now))
    for each in decided:
        yield from _applied(each, now)
    if decided:
        records = decided if seq >= 0 else (CatalogOpened(), *decided)
        yield Statement("UPDATE catalog SET seq = ?, at = ?", (seq + len(records), now))
        texts = [canonical(to_json(each, Record)).decode() for each in records]
        tx.add(Lease(CATALOG, "", 0), seq + 1, texts)
    return decided


def _applied(record: CatalogRecord, now: float) -> Run[None]:
    """Do to the tables what a record says."""
    match record:
        case VersionAdded():
            yield from _added(record, now)
        case ChannelAssigned(channel, digest, _, back, actor, reason):
            last = yield Statement(
                "SELECT COALESCE(MAX(number), 0) FROM channels WHERE channel = ?", (channel,)
            )
            yield Statement(
                "INSERT INTO channels (channel, number, digest, at, back, actor, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (channel, last[0][0] + 1, digest, now, int(back), actor, reason),
            )
        case Revoked(digest, at, reason, _, actor):
            yield Statement(
                "INSERT INTO revocations (digest, at, reason, actor) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (digest) DO UPDATE SET at = excluded.at, reason = excluded.reason,"
                " actor = excluded.actor",
                (digest, at, reason, actor),
            )
        case Restored(digest):
            yield Statement("DELETE FROM revocations WHERE digest = ?", (digest,))
            yield Statement("DELETE FROM retirements WHERE digest = ?", (digest,))
        case Retired(digest):
            yield Statement(
                "INSERT INTO retirements (digest, at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (digest, now),
            )
        case Withdrawn():
            pass  # For the log: the cloud itself knows best.
        case _:
            yield from carrying.applied(record, now)


def _added(record: VersionAdded, now: float) -> Run[None]:
    last = yield Statement("SELECT COALESCE(MAX(number), 0) FROM versions")
    yield Statement(
        "INSERT INTO versions (digest, number, name, version, parent, artifacts, added_at,"
        " manifest, signed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET signed = excluded.signed",
        (
            record.digest,
            last[0][0] + 1,
            record.name,
            record.version,
            record.parent,
            json.dumps(record.artifacts),
            now,
            record.manifest,
            record.signed,
        ),
    )
