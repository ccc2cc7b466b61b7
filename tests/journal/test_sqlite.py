"""The journal in a file: durable, in one order, fenced, shared by processes of a host."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from attrs import evolve

from immutable import FleetBusy, InvalidValue, JournalError, Limits, Rolling, Status, open_journal
from immutable.backend import Capabilities, FleetState, Group
from immutable.errors import LeaseLost
from immutable.journal import Entry, Journal
from immutable.journal.opening import default_path
from immutable.journal.transactions import Statement
from immutable.model.records import Committed, Ended, Entered, Proved, Started, Turned
from immutable.planning.compile import replacement
from immutable.testing import LoopClock, run
from tests.support.world import revision

STARTED = Started("sha256:0", (Group(revision(), 3),), wanted=3, ready=3)


def entry(rollout: str = "r1", fleet: str = "memory://web", **facts: object) -> Entry:
    state = FleetState("web", 0.0, (Group(revision(), 3),))
    image = revision(2, "v2").image
    plan = replacement(fleet, state, image, None, Rolling(), Limits(), Capabilities())
    made = Entry(
        rollout, fleet, plan, "ada", "why not", 5.0, Status.RUNNING, "one", 1, 0.0
    )  # fmt: skip
    return evolve(made, **facts)


async def opened(path: Path | str = ":memory:") -> Journal:
    return await open_journal(path, clock=LoopClock())


def test_records_come_back_in_order_numbered_without_a_gap_after_reopening(tmp_path):
    async def main():
        path = tmp_path / "deep" / "er" / "journal.db"
        journal = await opened(path)
        lease = await journal.begin(entry(), [STARTED])
        await journal.append(lease, [Entered(1), Committed()])
        await journal.append(lease, [Ended(Status.SUCCEEDED)])
        await journal.close()
        journal = await opened(path)
        events = await journal.events("r1")
        assert [event.seq for event in events] == [1, 2, 3, 4]
        assert [event.record for event in events] == [
            STARTED, Entered(1), Committed(), Ended(Status.SUCCEEDED),
        ]  # fmt: skip
        assert await journal.events("r1", after=3) == events[3:]
        (found,) = await journal.entries()
        assert (found.status, found.actor, found.plan) == (Status.SUCCEEDED, "ada", entry().plan)
        await journal.close()

    run(main())


def test_a_fleet_has_one_unfinished_rollout():
    async def main():
        journal = await opened()
        lease = await journal.begin(entry(), [STARTED])
        with pytest.raises(FleetBusy, match="r1 runs on memory://web"):
            await journal.begin(entry("r2"), [STARTED])
        await journal.begin(entry("r3", fleet="memory://other"), [STARTED])
        await journal.append(lease, [Ended(Status.SUCCEEDED)])
        await journal.begin(entry("r4"), [STARTED])
        assert [e.rollout for e in await journal.entries(fleet="memory://web")] == ["r1", "r4"]
        assert [e.rollout for e in await journal.entries(unfinished=True)] == ["r3", "r4"]
        assert [e.rollout for e in await journal.entries(rollout="r4")] == ["r4"]
        await journal.close()

    run(main())


def test_a_rollout_is_entered_with_its_first_records_or_not_at_all():
    async def main():
        journal = await opened()

        def in_the_way(_):
            yield Statement("INSERT INTO records VALUES (9, 'r1', 1, '{}', x'00')")

        await journal._do(in_the_way)
        with pytest.raises(JournalError, match="UNIQUE"):
            await journal.begin(entry(), [STARTED])
        assert await journal.entries() == []
        assert (await journal.frontier()).size == 0
        await journal.close()

    run(main())


def test_a_lease_can_be_claimed_when_it_ends_and_the_old_one_writes_no_more():
    async def main():
        journal = await opened()
        old = await journal.begin(entry(), [STARTED])
        with pytest.raises(FleetBusy, match="alive"):
            await journal.claim("r1", "two")
        await asyncio.sleep(journal.ttl - 1)
        await journal.renew(old)
        await asyncio.sleep(journal.ttl - 1)
        with pytest.raises(FleetBusy):
            await journal.claim("r1", "two")
        await asyncio.sleep(1.1)
        new = await journal.claim("r1", "two")
        assert new.fence > old.fence
        for stale in (journal.append(old, [Entered(1)]), journal.renew(old)):
            with pytest.raises(LeaseLost, match="another controller"):
                await stale
        await journal.release(old)
        await journal.append(new, [Proved("i-1")])
        assert [e.record for e in await journal.events("r1")] == [STARTED, Proved("i-1")]
        await journal.close()

    run(main())


def test_a_lease_that_was_given_back_can_be_claimed_at_once():
    async def main():
        journal = await opened()
        await journal.release(await journal.begin(entry(), [STARTED]))
        lease = await journal.claim("r1", "two")
        await journal.append(lease, [Ended(Status.ROLLED_BACK, "bad")])
        with pytest.raises(JournalError, match="has ended"):
            await journal.claim("r1", "three")
        with pytest.raises(JournalError, match="is unknown"):
            await journal.claim("r9", "three")
        await journal.close()

    run(main())


def test_a_refused_write_does_not_hurt_others_of_the_same_commit():
    async def main():
        journal = await opened()
        lease = await journal.begin(entry(), [STARTED])
        other = await journal.begin(entry("r2", fleet="memory://b"), [STARTED])
        stale = evolve(other, fence=0)
        ends = await asyncio.gather(
            journal.append(lease, [Entered(1)]),
            journal.append(stale, [Entered(1)]),
            journal.append(lease, [Entered(2)]),
            return_exceptions=True,
        )
        assert [type(end) for end in ends] == [int, LeaseLost, int]
        assert [e.record for e in await journal.events("r1")] == [STARTED, Entered(1), Entered(2)]
        assert [e.record for e in await journal.events("r2")] == [STARTED]
        await journal.close()

    run(main())


def test_many_writers_share_a_commit():
    async def main():
        journal = await opened()
        commits = 0
        inner = journal._commit

        def counted(works):
            nonlocal commits
            commits += 1
            return inner(works)

        journal._commit = counted
        lease = await journal.begin(entry(), [STARTED])
        commits = 0
        await asyncio.gather(*(journal.append(lease, [Entered(n)]) for n in range(200)))
        assert commits <= 3
        assert len(await journal.events("r1")) == 201
        await journal.close()

    run(main())


def test_news_wakes_who_waits_for_them():
    async def main():
        journal = await opened()
        lease = await journal.begin(entry(), [STARTED])
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(journal.wait("r1", 100))
        await asyncio.sleep(7)
        await journal.append(lease, [Turned("bad")])
        await waiting
        assert loop.time() == 7
        await journal.wait("r1", 100)
        assert loop.time() == 107
        await journal.close()

    run(main())


def test_a_journal_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match=r"version 99.*upgrade the SDK"):
        run(opened(path))


def test_a_journal_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"can't be opened"):
        run(opened(tmp_path / "file" / "journal.db"))
    (tmp_path / "garbage.db").write_bytes(b"no database" * 100)
    with pytest.raises(JournalError, match="not a database"):
        run(opened(tmp_path / "garbage.db"))


def test_which_journal_is_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_path() == tmp_path / "state" / "immutable" / "journal.db"
    monkeypatch.setenv("IMMUTABLE_JOURNAL", str(tmp_path / "mine.db"))

    async def main():
        await (await open_journal()).close()

    run(main())
    assert (tmp_path / "mine.db").exists()
    with pytest.raises(InvalidValue, match="mysql"):
        run(open_journal("mysql://host/db"))


def _write_many(path: str, fleet: str, count: int) -> None:
    async def main() -> None:
        journal = await open_journal(path)
        lease = await journal.begin(entry(fleet, fleet=fleet), [STARTED])
        for number in range(count):
            await journal.append(lease, [Entered(number)])
        await journal.close()

    asyncio.run(main())


def test_several_processes_write_to_one_file(tmp_path):
    path = str(tmp_path / "journal.db")
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_many, args=(path, f"memory://{n}", 50)) for n in range(3)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]

    async def count() -> list[int]:
        journal = await open_journal(path)
        entries = await journal.entries()
        counts = [len(await journal.events(each.rollout)) for each in entries]
        await journal.close()
        return counts

    assert asyncio.run(count()) == [51, 51, 51]


def _begin_race(path: str, name: str, results: multiprocessing.Queue) -> None:
    async def main() -> None:
        journal = await open_journal(path)
        try:
            await journal.begin(entry(name), [STARTED])
            results.put("won")
        except FleetBusy:
            results.put("busy")
        await journal.close()

    asyncio.run(main())


def test_of_several_processes_one_begins_a_rollout(tmp_path):
    path = str(tmp_path / "journal.db")
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    racers = [context.Process(target=_begin_race, args=(path, f"r{n}", results)) for n in range(4)]
    for racer in racers:
        racer.start()
    ends = [results.get(timeout=30) for _ in racers]
    for racer in racers:
        racer.join()
    assert sorted(ends) == ["busy", "busy", "busy", "won"]


def test_nothing_stays_open(tmp_path):
    async def main():
        for _ in range(5):
            await (await opened(tmp_path / "journal.db")).close()

    run(main())
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(main())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
