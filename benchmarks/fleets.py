"""A thousand rollouts at once in one controller.

As many fleets of 20 instances on one simulated cloud, on virtual time: all rollouts are submitted,
one controller drives them all, through one journal in a file. ``ratio`` is the time from its start
to the end of the last rollout, by that of one rollout alone; ``cpu`` is the processor time of the
controller, the simulated cloud and the journal together. No fleet's floor or ceiling may break.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from benchmarks.common import options, peak_mb, say, show
from benchmarks.replacing import DRAIN, MIN_READY, TERMINATE
from immutable import Fleet, Image, Journal, Limits, Revision, Rolling, open_journal
from immutable.backend import Group
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, vm
from immutable.testing import LoopClock, run

__all__ = ["broken", "measured", "rows"]

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


async def _submit(backend: MemoryBackend, journal: Journal, clock: LoopClock, count: int) -> None:
    for number in range(count):
        async with Fleet.connect(
            f"memory://f{number}", backend=backend, journal=journal, clock=clock, actor="bench"
        ) as fleet:
            plan = await fleet.plan("v2", Rolling(probe=False), limits=LIMITS)
            await fleet.submit(plan)


async def _measured(count: int, path: str) -> dict[str, Any]:
    clock = LoopClock()
    cloud, journal = simulated(count, clock), await open_journal(path, clock=clock)
    backend = MemoryBackend(cloud)
    await _submit(backend, journal, clock, count)
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


def measured(count: int) -> dict[str, Any]:
    """Let so many rollouts go on at once."""
    with tempfile.TemporaryDirectory() as folder:
        row = run(_measured(count, str(Path(folder) / "journal.db")))
        return row | {"rss_mb": peak_mb()}


def rows(counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return a row for each number of fleets, each of a process of its own."""
    found: list[dict[str, Any]] = []
    for count in counts:
        say(f"{count} fleets")
        command = [sys.executable, "-m", "benchmarks.fleets", "--row", str(count)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(made.stdout))
    return [
        each | {"ratio": each["seconds"] / found[0]["seconds"], "ms": 1000 * each["cpu"] / n}
        for each, n in zip(found, counts, strict=True)
    ]


def broken(listed: Iterable[dict[str, Any]]) -> list[str]:
    """Return what has to hold and doesn't."""
    return [
        f"{row['fleets']} fleets: {row['succeeded']} succeeded, limits of {row['broken']} broken"
        for row in listed
        if row["succeeded"] < row["fleets"] or row["broken"]
    ]


def main() -> None:
    """Print the table."""
    parser = options(__doc__ or "")
    parser.add_argument("--row", type=int, metavar="FLEETS", help="measure one row")
    chosen = parser.parse_args()
    if chosen.row:
        print(json.dumps(measured(chosen.row)))
        return
    listed = rows((1, 50) if chosen.quick else (1, 50, 1000))
    show(listed, as_json=chosen.json, broken=broken(listed))


if __name__ == "__main__":
    main()
