"""How long nobody drives a rollout whose controller has died, by the length of its lease.

Two controllers of one journal, on virtual time. The first drives all rollouts and then dies: of
what it says from then on nothing reaches the journal. ``takeover_s`` is the longest time from there
to the second one's claim on record, over several moments. The same with
processes that are killed, on real time: ``benchmarks.controllers``.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from benchmarks.common import Benchmark, Row, say
from benchmarks.controllers import GRACE, takeovers
from benchmarks.fleets import simulated, submit_all
from immutable import Journal, open_journal
from immutable.controller import Controller
from immutable.memory import MemoryBackend
from immutable.testing import LoopClock, run

__all__ = ["BENCHMARK", "broken", "row", "rows"]

MOMENTS, GOLDEN = 8, 0.618034
"""At how many moments the first one dies, spread over a lease in no step with its renewals."""


async def _never(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


@contextmanager
def _unheard(journal: Journal) -> Iterator[None]:
    """Let nothing that is asked of a journal reach it meanwhile, nor be answered."""
    asked = Journal.__abstractmethods__ - {"close"}
    for name in asked:
        setattr(journal, name, _never)
    yield
    for name in asked:
        delattr(journal, name)


async def _taken_over(path: str, count: int, lease: float, moment: float) -> list[float]:
    """Return for how long each rollout was driven by nobody."""
    clock = LoopClock()
    backend = MemoryBackend(simulated(count, clock))
    books = [await open_journal(path, clock=clock) for _ in range(2)]
    for book in books:
        book.ttl = lease
    await submit_all(backend, books[1], clock, count)
    first, second = (
        Controller(book, clock=clock, connect=lambda _: nullcontext(backend)) for book in books
    )
    dying = asyncio.ensure_future(first.run())
    await asyncio.sleep(100)
    living = asyncio.ensure_future(second.run())
    await asyncio.sleep(10 + moment * lease)
    died = clock.now()
    with _unheard(books[0]):
        await asyncio.sleep(2 * lease + 10)
    found = await takeovers(books[1], {first.name: died})
    for task in (dying, living):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    for book in books:
        await book.close()
    return found


def row(lease: float, count: int, deaths: int = MOMENTS) -> Row:
    """Return the longest takeover of several."""
    found: list[float] = []
    for number in range(deaths):
        moment = number * GOLDEN % 1
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "journal.db")
            found += run(_taken_over(path, count, lease, moment))
    return {
        "lease_s": lease,
        "rollouts": count,
        "deaths": deaths,
        "taken_over": len(found),
        "takeover_s": round(max(found, default=0.0), 2),
    }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each lease and number of rollouts."""
    for lease, count in ((3.0, 1), (30.0, 5)) if quick else ((3.0, 1), (3.0, 20), (30.0, 20)):
        say(f"lease={lease} rollouts={count}")
        yield row(lease, count)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for each in listed:
        name, most = f"lease {each['lease_s']:g} s", each["lease_s"] + GRACE
        if each["taken_over"] != each["rollouts"] * each["deaths"]:
            found.append(f"{name}: {each['taken_over']} of all rollouts were taken over, once each")
        if each["takeover_s"] >= most:
            found.append(f"{name}: taken over after {each['takeover_s']} s, below {most:g} asked")
    return found


BENCHMARK = Benchmark(
    "When a controller dies",
    f"""\
A controller that drives so many rollouts dies, {MOMENTS} times, each at another moment of its
lease, on virtual time: the longest time until another one has claimed a rollout. It has to be below
the lease and {GRACE:g} s, and all have to be claimed.""",
    {
        "lease_s": "lease, s",
        "rollouts": "rollouts",
        "taken_over": "claimed",
        "takeover_s": "longest takeover, s",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
