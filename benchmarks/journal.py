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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from benchmarks.common import options, say, show
from immutable import Image, Journal, Limits, Revision, Rolling, open_journal
from immutable.backend import Capabilities, FleetState, Group
from immutable.engine.beginning import new_entry
from immutable.journal import Entry, Lease
from immutable.model import Grow, Record, SystemClock
from immutable.model.records import Done, Intended, Started
from immutable.planning.compile import replacement
from tests.support.postgres import PostgresServer

_SECONDS = 4.0


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


async def measure(journal: Journal, writers: int) -> dict[str, Any]:
    """Let so many write at once for some seconds."""
    leases = []
    for number in range(writers):
        entry = _entry(number)
        group = Group(entry.plan.stable, 3)
        leases.append(await journal.begin(entry, [Started("", (group,), wanted=3, ready=3)]))
    before, began = (await journal.frontier()).size, time.perf_counter()
    await asyncio.gather(*(_write(journal, lease, began + _SECONDS) for lease in leases))
    took = time.perf_counter() - began
    written = (await journal.frontier()).size - before
    return {"records_s": round(written / took), "ms_per_append": 2000 * writers * took / written}


@asynccontextmanager
async def _sqlite(folder: Path, number: int) -> AsyncIterator[Journal]:
    journal = await open_journal(folder / f"{number}.db")
    yield journal
    await journal.close()


@asynccontextmanager
async def _postgres(server: PostgresServer) -> AsyncIterator[Journal]:
    journal = await open_journal(server.make_database())
    yield journal
    await journal.close()


def rows(counts: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Yield a row for each database and number of writers."""
    with tempfile.TemporaryDirectory() as name, PostgresServer() as server:
        folder = Path(name)
        synced = fdatasync(folder)
        for kind in ("sqlite", "postgres"):
            for writers in counts:
                say(f"{kind}, {writers} writers")

                async def main(kind: str = kind, writers: int = writers) -> dict[str, Any]:
                    place = _sqlite(folder, writers) if kind == "sqlite" else _postgres(server)
                    async with place as journal:
                        return await measure(journal, writers)

                row = {"journal": kind, "writers": writers, "fdatasync_ms": synced}
                yield row | asyncio.run(main())


def main() -> None:
    """Print the table."""
    chosen = options(__doc__ or "").parse_args()
    show(rows((1, 100) if chosen.quick else (1, 10, 100, 1000)), as_json=chosen.json)


if __name__ == "__main__":
    main()
