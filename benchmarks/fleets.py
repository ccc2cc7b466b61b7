"""A thousand rollouts at once in one controller.

As many fleets of 20 instances on one simulated cloud, on virtual time: all rollouts are submitted,
one controller drives them all, through one journal in a file. ``ratio`` is the time from its start
to the end of the last rollout, by that of one rollout alone; ``cpu`` is the processor time of the
controller, the simulated cloud and the journal together. No fleet's floor or ceiling may break.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from benchmarks.bounds import DRAIN, MIN_READY, TERMINATE
from benchmarks.common import Benchmark, Row, alone, peak_mb, say
from immutable import Fleet, Image, Journal, Limits, Revision, Rolling, open_journal
from immutable.backend import Group
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, vm
from immutable.testing import LoopClock, run

__all__ = ["BENCHMARK", "broken", "measured", "rows"]

SIZE = 20
LIMITS = Limits(2, min_ready=MIN_READY, boot_timeout=3600)


def simulated(count: int, clock: LoopClock) -> Cloud:
    """Return a cloud with so many fleets."""
    laws = Laws(boot=vm(90), drain=fixed(DRAIN), terminate=fixed(TERMINATE))
    cloud = Cloud(clock, laws=laws)
    for number in range(count):
        group = Group(Revision(1, Image.of_artifact("memory", "v1")), 0)
        cloud.settled_fleet(f"f{number}", group, SIZE)
    return cloud


async def submit_all(
    backend: MemoryBackend, journal: Journal, clock: LoopClock, count: int
) -> None:
    """Hand over one rollout of each fleet."""
    for number in range(count):
        async with Fleet.connect(
            f"memory://f{number}", backend=backend, journal=journal, clock=clock, actor="bench"
        ) as fleet:
            plan = await fleet.plan("v2", Rolling(probe=False), limits=LIMITS)
            await fleet.submit(plan)


async def _measured(count: int, path: str) -> Row:
    clock = LoopClock()
    cloud, journal = simulated(count, clock), await open_journal(path, clock=clock)
    backend = MemoryBackend(cloud)
    await submit_all(backend, journal, clock, count)
    calls, cpu, began = sum(cloud.calls.values()), time.process_time(), clock.now()
    controller = Controller(
        journal, most=count, clock=clock, connect=lambda _: nullcontext(backend)
    )
    running = asyncio.ensure_future(controller.run())
    while await journal.entries(unfinished=True):
        await asyncio.sleep(10)
    cpu, took = time.process_time() - cpu, clock.now() - began
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    ends = await journal.entries()
    await journal.close()
    fleets = cloud.fleets.values()
    return {
        "fleets": count,
        "succeeded": sum(each.status.value == "succeeded" for each in ends),
        "broken": sum(each.lowest_ready < SIZE or each.highest_total > SIZE + 2 for each in fleets),
        "seconds": took,
        "calls_per_replacement": (sum(cloud.calls.values()) - calls) / count / SIZE,
        "cpu": cpu,
    }


def measured(count: int) -> Row:
    """Let so many rollouts go on at once."""
    with tempfile.TemporaryDirectory() as folder:
        row = run(_measured(count, str(Path(folder) / "journal.db")))
        return row | {"rss_mb": peak_mb()}


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each number of fleets, each of a process of its own; the first is of one."""
    first = 0.0
    for count in (1, 50) if quick else (1, 50, 1000):
        say(f"{count} fleets")
        found = alone("benchmarks.fleets:measured", count)
        first = first or found["seconds"]
        yield found | {"ratio": found["seconds"] / first, "ms": 1000 * found["cpu"] / count}


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{row['fleets']} fleets: {row['succeeded']} succeeded, limits of {row['broken']} broken"
        for row in listed
        if row["succeeded"] < row["fleets"] or row["broken"]
    ]


BENCHMARK = Benchmark(
    "Many rollouts at once",
    """\
So many fleets of 20 instances, all replaced at the same time with a surge of 2 by one controller,
one process and one journal in a file. *Time* is until the last one ends, by that of one alone
(whose boots are no worse than usual); *broken* are fleets whose floor or ceiling did not hold at
some moment: none may be, and all have to succeed.""",
    {
        "fleets": "fleets",
        "succeeded": "succeeded",
        "broken": "broken",
        "ratio": "time",
        "calls_per_replacement": "calls each",
        "cpu": "CPU, s",
        "ms": "CPU of a fleet, ms",
        "rss_mb": "memory, MB",
    },
    rows,
    broken,
)

if __name__ == "__main__":
    BENCHMARK.main()
