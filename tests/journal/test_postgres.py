"""The journal on a real PostgreSQL server: what only a server can do to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from immutable import JournalError, open_journal
from immutable.journal.postgres import PostgresJournal
from immutable.model.records import Entered
from tests.support.entries import STARTED, entry


@asynccontextmanager
async def opened(url, patience=20.0):
    journal = PostgresJournal(url, patience=patience)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


async def numbers(journal, rollout="r1"):
    records = [event.record for event in await journal.events(rollout)]
    return [record.step for record in records if isinstance(record, Entered)]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_goes_away_and_comes_back_is_waited_for(postgres, postgres_url, how):
    async def main():
        async with opened(postgres_url) as journal:
            lease = await journal.begin(entry(), [STARTED])
            await journal.append(lease, [Entered(0)])
            await asyncio.to_thread(getattr(postgres, how))
            writing = [asyncio.create_task(journal.append(lease, [Entered(n)])) for n in (1, 2)]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in writing)
            await asyncio.to_thread(postgres.start)
            await asyncio.gather(*writing)
            assert await numbers(journal) == [0, 1, 2]

    asyncio.run(main())


def test_nothing_is_lost_or_done_twice_however_often_the_server_is_killed(postgres, postgres_url):
    async def main():
        async with opened(postgres_url) as journal:
            leases = [
                await journal.begin(entry(f"r{n}", f"memory://{n}"), [STARTED]) for n in range(4)
            ]
            counts, over = [0] * len(leases), False

            async def write(number, lease):
                while not over:
                    await journal.append(lease, [Entered(counts[number])])
                    counts[number] += 1

            async def some_more():
                goals = [count + 5 for count in counts]
                while any(count < goal for count, goal in zip(counts, goals, strict=True)):
                    await asyncio.sleep(0.05)

            writing = [asyncio.create_task(write(*each)) for each in enumerate(leases)]
            for _ in range(4):
                await some_more()
                await asyncio.to_thread(postgres.kill)
                await asyncio.to_thread(postgres.start)
            await some_more()
            over = True
            await asyncio.gather(*writing)
            for lease, count in zip(leases, counts, strict=True):
                assert await numbers(journal, lease.rollout) == list(range(count))
            frontier = await journal.frontier()
            leaves = await journal.leaves(limit=100_000)
            assert [leaf.index for leaf in leaves] == list(range(frontier.size))

    asyncio.run(main())


@pytest.mark.parametrize("committed", [True, False])
def test_an_answer_lost_during_the_commit_is_asked_for(postgres_url, monkeypatch, committed):
    async def main():
        async with opened(postgres_url) as journal:
            lease = await journal.begin(entry(), [STARTED])
            commit = asyncpg.transaction.Transaction.commit
            cut = 0

            async def lost(self):
                nonlocal cut
                cut += 1
                if cut > 1:
                    return await commit(self)
                if committed:
                    await commit(self)
                self._connection.terminate()
                raise asyncpg.ConnectionDoesNotExistError("connection was closed")

            monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", lost)
            await journal.append(lease, [Entered(7)])
            assert await numbers(journal) == [7]
            assert cut == (1 if committed else 2)

    asyncio.run(main())


def test_a_server_that_stays_away_is_a_clear_error(postgres, postgres_url):
    async def main():
        async with opened(postgres_url, patience=0.3) as journal:
            lease = await journal.begin(entry(), [STARTED])
            await asyncio.to_thread(postgres.stop)
            with pytest.raises(JournalError, match="can't be written"):
                await journal.append(lease, [Entered(1)])
            with pytest.raises(JournalError, match="can't be opened"):
                await open_journal(postgres_url)
            await asyncio.to_thread(postgres.start)
            await journal.append(lease, [Entered(1)])

    asyncio.run(main())


def test_time_is_the_servers(postgres_url, monkeypatch):
    # A host whose clock is an hour ahead neither loses its lease nor takes one.
    async def main():
        async with opened(postgres_url) as journal, opened(postgres_url) as ahead:
            monkeypatch.setattr("time.time", lambda: 9e9)
            await journal.begin(entry(), [STARTED])
            (found,) = await ahead.entries()
            assert found.live
            (leaf, _) = await ahead.leaves()
            assert '"at":9000000000' not in leaf.text

    asyncio.run(main())


def test_several_open_an_empty_database_at_once(postgres_url):
    async def main():
        journals = await asyncio.gather(*(open_journal(postgres_url) for _ in range(8)))
        await journals[0].begin(entry(), [STARTED])
        assert len(await journals[7].entries()) == 1
        await asyncio.gather(*(journal.close() for journal in journals))

    asyncio.run(main())


def test_a_database_of_a_newer_version_is_refused(postgres, postgres_url):
    async def main():
        async with opened(postgres_url):
            pass
        postgres.sql("UPDATE immutable.schema_version SET version = 99", url=postgres_url)
        with pytest.raises(JournalError, match=r"version 99.*upgrade the SDK"):
            await open_journal(postgres_url)

    asyncio.run(main())


def test_a_password_is_in_no_error():
    url = "postgresql://ada:" + "not-a-secret" + "@127.0.0.1:1/journal?sslmode=disable"
    with pytest.raises(JournalError, match=r"ada@127\.0\.0\.1:1/journal") as caught:
        asyncio.run(open_journal(url))
    assert "not-a-secret" not in str(caught.value)


def test_other_tables_of_the_database_are_left_alone(postgres, postgres_url):
    postgres.sql("CREATE TABLE records (mine text); CREATE TABLE log (mine text)", url=postgres_url)

    async def main():
        async with opened(postgres_url) as journal:
            await journal.begin(entry(), [STARTED])
            assert len(await journal.events("r1")) == 1

    asyncio.run(main())
    assert postgres.sql("SELECT count(*) FROM public.records", url=postgres_url) == "0"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"database": "nosuch"}, "does not exist"), ({"user": "nobody_here"}, "does not exist")],
)
def test_a_database_that_refuses_is_a_clear_error(postgres, wrong, said):
    url = postgres.url(wrong.get("database", "postgres"))
    url = url.replace("postgres@", f"{wrong.get('user', 'postgres')}@", 1)
    with pytest.raises(JournalError, match=f"can't be opened: .*{said}"):
        asyncio.run(open_journal(url))


def test_an_error_that_nobody_thought_of_hangs_nobody(postgres, postgres_url):
    async def main():
        async with opened(postgres_url) as journal:
            lease = await journal.begin(entry(), [STARTED])
            await asyncio.to_thread(
                postgres.sql, "UPDATE immutable.log SET frontier = '\\x00'", url=postgres_url
            )
            async with asyncio.timeout(20):
                with pytest.raises(JournalError, match="frontier"):
                    await journal.append(lease, [Entered(1)])
            assert len(await journal.events("r1")) == 1

    asyncio.run(main())
