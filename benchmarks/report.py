"""Reports: how large a page is, how long it takes to make, and how long a browser takes to show it.

``python -m benchmarks.report`` replaces fleets of the simulated cloud in virtual time and makes the
page of each rollout from its records. ``course`` and ``page`` are the milliseconds from records to
values and from values to HTML, by the median; ``shown`` those that Chromium takes until the page is
loaded, where there is one, else null. A page of 1,000 instances may have a megabyte and be shown
within two seconds.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import Benchmark, Row, say
from immutable import Fleet, Image, Revision, open_journal
from immutable.backend import Group
from immutable.journal import Entry
from immutable.memory import Cloud, Laws, MemoryBackend, lognormal, vm
from immutable.model import Event
from immutable.report import telling
from immutable.report.course import course
from immutable.testing import LoopClock, run

MOST_BYTES, MOST_MS = 1_000_000, 2_000.0
"""What a page of 1,000 instances may have, and take to be shown."""

ROUNDS = 5


async def rollout(size: int) -> tuple[Entry, list[Event], float]:
    """Return a rollout of a fleet of a size: its line, its records, and when it was over."""
    clock = LoopClock()
    laws = Laws(boot=vm(75), drain=lognormal(15, 0.5), terminate=lognormal(20, 0.3))
    cloud = Cloud(clock, laws=laws, seed=1)
    cloud.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), size)
    journal = await open_journal(":memory:", clock=clock)
    try:
        async with Fleet.connect(
            "memory://web", backend=MemoryBackend(cloud), journal=journal, clock=clock
        ) as web:
            end = await web.replace("v2")
            (entry,) = await journal.entries(rollout=end.rollout)
            return entry, await journal.events(end.rollout), clock.now()
    finally:
        await journal.close()


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median of the milliseconds that a call takes, and what it returned."""
    took, made = [], None
    for _ in range(ROUNDS):
        began = time.perf_counter()
        made = do()
        took.append(1000 * (time.perf_counter() - began))
    return median(took), made


def shown(page: str) -> float | None:
    """Return how many milliseconds a browser takes to show a page; None where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        took, _ = timed(lambda: browser.new_page().goto(file.as_uri()))
        browser.close()
        return took


def row(size: int) -> Row:
    """Return what the report of a rollout of so many instances costs."""
    entry, events, now = run(rollout(size))
    reading, told = timed(lambda: course(entry, events, now))
    making, page = timed(lambda: telling.page(told, now))
    took = shown(page)
    return {
        "instances": size,
        "records": len(events),
        "bytes": len(page.encode()),
        "course": round(reading, 1),
        "page": round(making, 1),
        "shown": round(took, 1) if took is not None else None,
    }


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each size."""
    for size in (10, 100) if quick else (10, 100, 1000):
        say(f"{size} instances")
        yield row(size)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{each['instances']} instances: {each}"
        for each in listed
        if each["bytes"] > MOST_BYTES or (each["shown"] or 0) > MOST_MS
    ]


BENCHMARK = Benchmark(
    "What a report costs",
    f"""\
The page of a rollout, from its records: *course* and *page* are the time from records to values
and from values to HTML, *shown* what Chromium takes to show it, by the median of {ROUNDS}. That of
1,000 instances may have {MOST_BYTES:,} bytes and be shown after {MOST_MS:g} ms.""",
    {
        "instances": "instances",
        "records": "records",
        "bytes": "bytes",
        "course": "course, ms",
        "page": "page, ms",
        "shown": "shown, ms",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
