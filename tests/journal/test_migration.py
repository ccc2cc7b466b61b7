"""Journals of earlier versions are carried forward, and no record is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from immutable import Status, open_journal
from immutable.audit.verify import verify
from immutable.catalog import add
from immutable.model import Order, Record
from immutable.model.catalog import PolicySet
from immutable.model.records import Ended, Entered, Proved, Turned
from immutable.model.serial import canonical, to_json
from tests.support.cataloguing import added, digest_of
from tests.support.entries import STARTED, entry

OLD = (
    """
CREATE TABLE rollouts (
    rollout TEXT PRIMARY KEY, fleet TEXT NOT NULL, plan TEXT NOT NULL, actor TEXT NOT NULL,
    reason TEXT NOT NULL, started_at REAL NOT NULL, status TEXT NOT NULL,
    controller TEXT NOT NULL, fence INTEGER NOT NULL, expires_at REAL NOT NULL,
    seq INTEGER NOT NULL
);
CREATE UNIQUE INDEX one_rollout_per_fleet ON rollouts (fleet) WHERE status = 'running';
CREATE TABLE records (
    rollout TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, fence INTEGER NOT NULL,
    record TEXT NOT NULL, PRIMARY KEY (rollout, seq)
) WITHOUT ROWID;
""",
    """
ALTER TABLE rollouts ADD COLUMN orders INTEGER NOT NULL DEFAULT 0;
CREATE TABLE orders (
    rollout TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, word TEXT NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (rollout, number)
) WITHOUT ROWID;
""",
)
"""What brought the tables to versions 1 and 2."""

DONE = [STARTED, Entered(1), Ended(Status.SUCCEEDED)]
UNDER_WAY = [STARTED, Proved("i-ü"), Turned("bäd")]


def old_journal(path: Path, version: int) -> None:
    """A journal as an earlier version left it: a rollout that has ended, one under way."""
    connection = sqlite3.connect(path)
    connection.executescript("".join(OLD[:version]))
    connection.execute(f"PRAGMA user_version = {version}")
    plan = canonical(to_json(entry().plan)).decode()
    for name, fleet, at, status, records in (
        ("late", "memory://b", 9.5, "running", UNDER_WAY),
        ("early", "memory://web", 5.0, "succeeded", DONE),
    ):
        row = (name, fleet, plan, "ädä", "why", at, status, "host/1", 2, 99.0, len(records))
        columns = "rollout, fleet, plan, actor, reason, started_at, status, controller, fence,"
        connection.execute(
            f"INSERT INTO rollouts ({columns} expires_at, seq) VALUES (?,?,?,?,?,?,?,?,?,?,?)", row
        )
        for seq, record in enumerate(records, 1):
            text = canonical(to_json(record, Record)).decode()
            connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?)", (name, seq, at + seq, 1, text)
            )
    if version > 1:
        connection.execute("UPDATE rollouts SET orders = 1 WHERE rollout = 'late'")
        connection.execute("INSERT INTO orders VALUES ('late', 1, 10, 'pause', 'bob', 'lunch')")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", [1, 2])
def test_a_journal_of_an_earlier_version_is_carried_forward_whole(tmp_path, version):
    path = tmp_path / "journal.db"
    old_journal(path, version)

    async def main():
        for _ in range(2):  # Opening it again changes nothing.
            journal = await open_journal(path)
            early, late = await journal.entries()
            assert (early.rollout, early.status, early.started_at) == ("early", "succeeded", 5.0)
            assert (late.rollout, late.status, late.live) == ("late", Status.RUNNING, False)
            assert (late.plan, late.actor, late.reason) == (entry().plan, "ädä", "why")
            for name, at, records in (("early", 5.0, DONE), ("late", 9.5, UNDER_WAY)):
                events = await journal.events(name)
                assert [event.record for event in events] == records
                assert [(e.seq, e.at) for e in events] == [(n, at + n) for n in (1, 2, 3)]
            report = await verify(journal)
            assert (report.size, report.findings) == (8, ())
            await journal.close()
        journal = await open_journal(path)
        lease = await journal.claim("late", "two")
        assert lease.fence == 3
        await journal.append(lease, [Ended(Status.ROLLED_BACK, "bäd")])
        await journal.begin(entry("next", "memory://b"), [STARTED])
        assert (await verify(journal)).findings == ()
        await journal.close()

    asyncio.run(main())


def test_orders_that_waited_are_carried_forward(tmp_path):
    path = tmp_path / "journal.db"
    old_journal(path, 2)

    async def main():
        journal = await open_journal(path)
        (given,) = await journal.orders("late")
        assert (given.number, given.order, given.actor) == (1, Order.PAUSE, "bob")
        lease = await journal.claim("late", "two")
        assert await journal.renew(lease) == 1
        await journal.order("late", Order.RESUME, actor="bob", reason="")
        assert [each.number for each in await journal.orders("late")] == [1, 2]
        await journal.close()

    asyncio.run(main())


_POLICIES = ("policies", "bypasses", "retirements", "followers", "offers", "approvals")
NEWER = {
    3: ("catalog", "versions", "channels", "revocations", *_POLICIES),
    4: _POLICIES,
}
"""The tables that a journal of an earlier version has not."""


@pytest.mark.parametrize("version", NEWER)
def test_a_journal_of_an_earlier_version_gets_a_catalog_and_keeps_its_log(tmp_path, version):
    path = tmp_path / "journal.db"

    async def write():
        journal = await open_journal(path)
        await journal.begin(entry(), [STARTED])
        await journal.close()

    async def read():
        journal = await open_journal(path)
        assert [each.record for each in await journal.events("r1")] == [STARTED]
        await journal.change_catalog(lambda catalog, _: add(catalog, added("1")))
        await journal.change_catalog(lambda *_: [PolicySet("memory://web", "{}")])
        catalog = await journal.catalog()
        assert (list(catalog.versions), list(catalog.policies)) == (
            [digest_of("1")],
            ["memory://web"],
        )
        assert await journal.approvals(digest_of("1")) == ()
        report = await verify(journal)
        assert (report.size, report.findings) == (5, ())
        await journal.close()

    asyncio.run(write())
    connection = sqlite3.connect(path)
    for table in NEWER[version]:
        connection.execute(f"DROP TABLE {table}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    asyncio.run(read())
