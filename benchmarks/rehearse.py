"""Rehearsals: how long they take, and how near they come.

``python -m benchmarks.rehearse`` rehearses a canary of four virtual hours on 1,000 servers 200
times, under the sequential analysis of simulated traffic, and runs the same plan a few times on the
memory backend as anybody would: `Fleet.replace` with the SQLite journal, other seeds, and a boot
law that the rehearsal knows of only by the boots of one earlier rollout. ``seconds`` is the time on
the wall of the whole rehearsal, worker processes included. ``off`` is by how much the predicted
median length differs from the median of the actual runs.

``python -m benchmarks.rehearse local`` does the same with real processes: a fleet on the local
backend is replaced twice, which is its history; then each strategy is rehearsed, and run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from typing import Any

from attrs import frozen

from benchmarks.common import Benchmark, Row, options, say
from immutable import BlueGreen, Canary, Fleet, Image, Limits, Revision, Rolling, Strategy
from immutable.backend import Group
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, vm
from immutable.model import LoopClock
from immutable.simulation import Rehearsal
from immutable.virtual import run

HOURS = Canary(stages=("5%", "25%", "100%"), bake=4800)
LIMITS = Limits(max_surge="100%", boot_timeout=600, drain_timeout=60)
TRAFFIC = 1000.0

MOST_OFF, MOST_SECONDS, CORES = 0.05, 60.0, 2
"""How far off the median may be; how long 200 trials of 1,000 servers may take so many cores."""

SAMPLES = Path(__file__).resolve().parents[1] / "examples" / "webapp"


@frozen
class Took:
    """What a rehearsal took: seconds on the wall, and of processor time, workers included."""

    seconds: float
    cpu: float


def _spent() -> float:
    used = (getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def cloud(clock: LoopClock, size: int, seed: int) -> Cloud:
    """Return a simulated cloud with a fleet on it, as a rehearsal doesn't know it."""
    made = Cloud(clock, laws=Laws(vm(), fixed(5), fixed(10)), seed=seed)
    made.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), size)
    clients = made.fleet("web").clients
    clients.rate, clients.by_zone = TRAFFIC, True
    return made


async def rehearsed(size: int, trials: int, workers: int | None) -> tuple[Rehearsal, Took]:
    """Return a rehearsal after one rollout, from which it knows how servers boot."""
    clock = LoopClock()
    async with Fleet.connect(
        "memory://web",
        backend=MemoryBackend(cloud(clock, size, 1)),
        journal=":memory:",
        clock=clock,
    ) as web:
        await web.replace("v2", Rolling(), limits=LIMITS)
        began, spent = time.perf_counter(), _spent()
        made = await web.rehearse(
            "v3", HOURS, limits=LIMITS, trials=trials, workers=workers, traffic=TRAFFIC
        )
        return made, Took(time.perf_counter() - began, _spent() - spent)


async def actual(size: int, seed: int) -> float:
    """Return how long the same takes."""
    clock = LoopClock()
    async with Fleet.connect(
        "memory://web",
        backend=MemoryBackend(cloud(clock, size, seed)),
        journal=":memory:",
        clock=clock,
    ) as web:
        return (await web.replace("v2", HOURS, limits=LIMITS).end()).seconds


def memory_row(size: int, trials: int, runs: int) -> Row:
    """Return one row: a rehearsal, and actual runs with other seeds."""
    say(f"{trials} trials of {size} servers")
    made, took = run(rehearsed(size, trials, None))
    say(f"{runs} actual runs of {size} servers")
    lengths = [run(actual(size, 1000 + seed)) for seed in range(runs)]
    succeeded = made.ends.get("succeeded", 0)
    return _row("memory", made, lengths, took) | {"succeeded": succeeded}


def _row(where: str, made: Rehearsal, lengths: list[float], took: Took) -> Row:
    real = median(lengths)
    return {
        "backend": where,
        "strategy": made.plan.strategy,
        "servers": made.plan.bounds.wanted,
        "trials": len(made.trials),
        "seconds": round(took.seconds, 2),
        "cpu": round(took.cpu, 2),
        "boots": made.spans.boots,
        "p50": round(made.length(0.5), 2),
        "p95": round(made.length(0.95), 2),
        "actual": round(real, 2),
        "runs": len(lengths),
        "off": round(made.length(0.5) / real - 1, 4),
    }


# -- the local backend -----------------------------------------------------------------------------


def image(folder: Path, version: str) -> str:
    """Lay out a version of the sample application, and return where."""
    place = folder / f"web-{version}"
    place.mkdir()
    shutil.copy(SAMPLES / "app.py", place)
    (place / "VERSION").write_text(version)
    recipe = (SAMPLES / "immutable.toml").read_text()
    (place / "immutable.toml").write_text(recipe.replace('"1"', f'"{version}"'))
    return str(place)


LOCAL: tuple[Strategy, ...] = (
    Rolling(),
    Canary(stages=("25%", "100%"), bake=5, gates=()),
    BlueGreen(bake=5),
)


async def local_rows(size: int, trials: int, runs: int) -> list[Row]:
    """Return a row for each strategy, on real processes of this machine."""
    folder = Path(tempfile.mkdtemp(prefix="im-"))
    os.environ["IMMUTABLE_LOCAL_DIR"] = str(folder / "local")
    versions = iter(range(1, 1000))
    try:
        async with Fleet.create(
            "local://rehearsed", image(folder, f"{next(versions)}"), size,
            journal=folder / "journal.db",
        ) as web:  # fmt: skip
            try:
                for _ in range(2):
                    await web.replace(image(folder, f"{next(versions)}"), reason="history")
                rows = [await _local(web, folder, each, versions, trials, runs) for each in LOCAL]
            finally:
                await web.delete()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


async def _local(
    web: Fleet, folder: Path, strategy: Strategy, versions: Any, trials: int, runs: int
) -> Row:
    say(f"local: {strategy}")
    began, spent = time.perf_counter(), _spent()
    new = image(folder, f"{next(versions)}")
    made = await web.rehearse(new, strategy, trials=trials, traffic=0.0)
    took = Took(time.perf_counter() - began, _spent() - spent)
    lengths = []
    for _ in range(runs):
        end = await web.replace(image(folder, f"{next(versions)}"), strategy).end()
        lengths.append(end.seconds)
    return _row("local", made, lengths, took)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the row of a rehearsal on the memory backend."""
    yield memory_row(50, 20, 3) if quick else memory_row(1000, 200, 9)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold in virtual time and doesn't; real processes have no such promise."""
    found = []
    for row in (each for each in listed if each["backend"] == "memory"):
        name = f"{row['servers']} servers"
        if abs(row["off"]) > MOST_OFF:
            found.append(f"{name}: p50 is off by {row['off']:.1%}, {MOST_OFF:.0%} may be")
        if row["cpu"] >= CORES * MOST_SECONDS:
            found.append(
                f"{name}: {row['cpu']} s of CPU, less than {CORES} x {MOST_SECONDS:g} asked"
            )
    return found


BENCHMARK = Benchmark(
    "Rehearsals",
    f"""\
A canary of four virtual hours on 1,000 servers, rehearsed 200 times under the analysis of simulated
traffic by the boots of one earlier rollout, and then run with other seeds: by how much the median
that was predicted is off, in shares of the median of the runs; {100 * MOST_OFF:g} % may be. It has
to take less than {MOST_SECONDS:g} s on {CORES} cores, that is so much processor time of each;
*took* is on the wall, with others at work.""",
    {
        "servers": "servers",
        "trials": "trials",
        "cpu": "CPU, s",
        "seconds": "took, s",
        "p50": "p50, s",
        "p95": "p95, s",
        "actual": "actual, s",
        "runs": "runs",
        "off": "off",
    },
    rows,
    broken,
)


def main() -> None:
    """Measure on the backend that is named."""
    parser = options()
    parser.add_argument("backend", nargs="?", choices=("memory", "local"), default="memory")
    chosen = parser.parse_args()
    local, found = (20, 2) if chosen.quick else (100, 5), rows(quick=chosen.quick)
    if chosen.backend == "local":
        found = iter(asyncio.run(local_rows(8, *local)))
    BENCHMARK.finish(found, as_json=chosen.json)


if __name__ == "__main__":
    main()
