"""What the engine costs: processor time and memory of one rolling replacement.

Each row runs in a process of its own, on virtual time. ``cpu`` is the whole process from the first
plan to the end, the simulated cloud included; ``cloud`` is the cloud's part of it, which a real
backend would spend elsewhere. ``journal`` is where records go: a file (written through to disk),
memory, or nowhere. ``poll`` is how often the engine looks: 5 s is usual for a cloud.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from benchmarks.common import Benchmark, Row, alone, peak_mb, say
from immutable import Fleet, Image, Limits, Revision, Rolling, open_journal
from immutable.backend import Capabilities, Group
from immutable.journal import Entry, Given, Journal, Leaf, Lease
from immutable.journal.merkle import Frontier
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, vm
from immutable.model import Event, Order, Record
from immutable.testing import LoopClock, run

T = TypeVar("T")

KINDS: tuple[tuple[str, float], ...] = (("off", 5), ("memory", 5), ("file", 5), ("file", 2))
SIZES = (1_000, 10_000, 100_000)
MOST_SECONDS, MOST_MB, MOST_TIMES, MOST_CALLS = 10.0, 150.0, 12.0, 0.12


class NoJournal(Journal):
    """Forgets everything at once: what the engine costs without one."""

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def begin(self, entry: Entry, records: Sequence[Record]) -> Lease:
        """Keep the first records only: the engine folds them."""
        self._first = [Event(entry.rollout, n, 0.0, r) for n, r in enumerate(records, 1)]
        self._entry = entry
        return Lease(entry.rollout, entry.controller, 1)

    async def submit(self, entry: Entry) -> None:
        """Do nothing."""

    async def claim_some(
        self, controller: str, most: int, *, but: Collection[str] = ()
    ) -> list[Lease]:
        """Find nothing."""
        return []

    async def beat(self, controller: str) -> dict[str, int]:
        """Have the one rollout."""
        return {self._entry.rollout: 0}

    async def leaves(self, *, after: int = -1, limit: int = 10_000) -> list[Leaf]:
        """Return nothing."""
        return []

    async def frontier(self) -> Frontier:
        """Return an empty log's."""
        return Frontier()

    async def checkpoints(self) -> list[str]:
        """Return nothing."""
        return []

    async def keep_checkpoint(self, size: int, note: str) -> None:
        """Do nothing."""

    async def claim(self, rollout: str, controller: str) -> Lease:
        """Give the lease to anybody."""
        return Lease(rollout, controller, 1)

    async def renew(self, lease: Lease) -> int:
        """Do nothing."""
        return 0

    async def release(self, lease: Lease) -> None:
        """Do nothing."""

    async def append(self, lease: Lease, records: Sequence[Record]) -> int:
        """Do nothing."""
        return 0

    async def order(self, rollout: str, order: Order, *, actor: str, reason: str) -> None:
        """Do nothing."""

    async def orders(self, rollout: str, *, after: int = 0) -> list[Given]:
        """Return nothing."""
        return []

    async def events(self, rollout: str, *, after: int = 0) -> list[Event]:
        """Return the first records."""
        return self._first[after:]

    async def entries(
        self, *, fleet: str | None = None, rollout: str | None = None, unfinished: bool = False
    ) -> list[Entry]:
        """Return nothing."""
        return []


class TimedBackend(MemoryBackend):
    """Adds up the processor time that the simulated cloud takes."""

    spent = 0.0

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        began = time.thread_time()
        try:
            return super()._call(name, effect)
        finally:
            TimedBackend.spent += time.thread_time() - began


async def _opened(kind: str, folder: str, clock: LoopClock) -> Journal:
    if kind == "off":
        return NoJournal()
    where = ":memory:" if kind == "memory" else str(Path(folder) / "journal.db")
    return await open_journal(where, clock=clock)


async def measure(n: int, journal: str, folder: str, poll: float) -> Row:
    """Replace a fleet of *n* with a surge of 5 %, looking every *poll* seconds."""
    clock = LoopClock()
    laws = Laws(boot=vm(90), drain=fixed(20), terminate=fixed(30))
    cloud = Cloud(clock, laws=laws)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), n)
    backend = TimedBackend(cloud)
    backend.capabilities = Capabilities(poll=poll)
    book = await _opened(journal, folder, clock)
    limits = Limits("5%", min_ready=30, boot_timeout=3600)
    TimedBackend.spent = 0.0
    began = time.process_time()
    async with Fleet.connect("memory://web", backend=backend, journal=book, clock=clock) as web:
        result = await web.replace("v2", Rolling(probe=False), limits=limits)
    cpu = time.process_time() - began
    await book.close()
    assert result.wanted == n
    return {
        "n": n,
        "journal": journal,
        "poll": poll,
        "cpu": round(cpu, 3),
        "cloud": round(TimedBackend.spent, 3),
        "us_per_replacement": round(1e6 * cpu / n, 1),
        "rss_mb": round(peak_mb(), 1),
        "calls": sum(cloud.calls.values()),
    }


def measured(n: int, journal: str, poll: float) -> Row:
    """Measure one replacement on virtual time."""
    with tempfile.TemporaryDirectory() as folder:
        return run(measure(n, journal, folder, poll))


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each size, and each kind of a journal and a poll."""
    for n, (journal, poll) in product((1_000,) if quick else SIZES, KINDS):
        say(f"n={n} journal={journal} poll={poll}")
        yield alone("benchmarks.engine:measured", n, journal, poll)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold for 100,000 with the journal in a file, and doesn't."""
    found = []
    kept = {(row["n"], row["poll"]): row for row in listed if row["journal"] == "file"}
    for (n, poll), row in kept.items():
        if n < 100_000:
            continue
        own, smaller = row["cpu"] - row["cloud"], kept.get((n // 10, poll))
        if own >= MOST_SECONDS:
            found.append(f"{n}, poll {poll}: {own:.1f} s, less than {MOST_SECONDS:g} asked")
        if row["calls"] > MOST_CALLS * n:
            found.append(
                f"{n}, poll {poll}: {row['calls'] / n:.3f} calls each, at most {MOST_CALLS}"
            )
        if row["rss_mb"] >= MOST_MB:
            found.append(f"{n}, poll {poll}: {row['rss_mb']} MB, less than {MOST_MB:g} asked")
        if smaller and row["cpu"] > MOST_TIMES * smaller["cpu"]:
            found.append(f"{n}, poll {poll}: more than {MOST_TIMES:g} x what {n // 10} take")
    return found


BENCHMARK = Benchmark(
    "What the engine costs",
    f"""\
One rolling replacement with a surge of 5 %, and the journal nowhere, in memory, or in a file and
written through to disk. *CPU* is of the whole process, *of it cloud* what the simulated cloud
takes; memory is that of the process, the cloud included (Python and the SDK alone take 34 MB).
With the journal in a file 100,000 have to take less than {MOST_SECONDS:g} s (without the cloud) and
{MOST_MB:g} MB, at most {MOST_TIMES:g} times what 10,000 take, and {MOST_CALLS} calls each.""",
    {
        "n": "instances",
        "journal": "journal",
        "poll": "poll, s",
        "cpu": "CPU, s",
        "cloud": "of it cloud, s",
        "us_per_replacement": "µs each",
        "rss_mb": "memory, MB",
        "calls": "calls",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
