"""The journal in a file: durable, in one order, fenced, shared by processes of a host."""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from immutable import FleetBusy, InvalidValue, JournalError, open_journal
from immutable.journal import Journal
from immutable.journal.opening import default_path
from immutable.journal.transactions import Statement
from immutable.model.records import Entered
from immutable.testing import LoopClock, run
from tests.support.entries import STARTED, entry


async def opened(path: Path | str = ":memory:") -> Journal:
    return await open_journal(path, clock=LoopClock())


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


def _set_frontier(path: Path, frontier: bytes) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE log SET frontier = ?", (frontier,))
    connection.close()


@pytest.mark.parametrize("frontier", [b"\x00", b""])
def test_a_log_that_somebody_broke_is_an_error_and_hangs_nobody(tmp_path, frontier):
    path = tmp_path / "journal.db"

    async def main():
        journal = await opened(path)
        lease = await journal.begin(entry(), [STARTED])
        whole = (await journal.frontier()).to_bytes()
        await asyncio.to_thread(_set_frontier, path, frontier)
        async with asyncio.timeout(60):
            # The first goes alone; the others share the transaction that fails.
            ends = await asyncio.gather(
                journal.beat("one"),
                journal.append(lease, [Entered(1)]),
                journal.beat("one"),
                return_exceptions=True,
            )
            assert [type(end) for end in ends] == [dict, JournalError, JournalError]
            assert "frontier" in str(ends[1])
            await asyncio.to_thread(_set_frontier, path, whole)
            await journal.append(lease, [Entered(2)])
        assert [e.record for e in await journal.events("r1")] == [STARTED, Entered(2)]
        await journal.close()

    run(main())
