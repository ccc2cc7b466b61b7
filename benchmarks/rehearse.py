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
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.common import options, say, show
from immutable import BlueGreen, Canary, Fleet, Image, Limits, Revision, Rolling, Strategy
from immutable.backend import Group
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, vm
from immutable.model import LoopClock
from immutable.simulation import Rehearsal
from immutable.virtual import run

HOURS = Canary(stages=("5%", "25%", "100%"), bake=4800)
LIMITS = Limits(max_surge="100%", boot_timeout=600, drain_timeout=60)
TRAFFIC = 1000.0
SAMPLES = Path(__file__).resolve().parents[1] / "examples" / "webapp"


def cloud(clock: LoopClock, size: int, seed: int) -> Cloud:
    """Return a simulated cloud with a fleet on it, as a rehearsal doesn't know it."""
    made = Cloud(clock, laws=Laws(vm(), fixed(5), fixed(10)), seed=seed)
    made.settled_fleet("web", Group(Revision(1, Image.of_artifact("memory", "v1")), 0), size)
    clients = made.fleet("web").clients
    clients.rate, clients.by_zone = TRAFFIC, True
    return made


async def rehearsed(size: int, trials: int, workers: int | None) -> tuple[Rehearsal, float]:
    """Return a rehearsal after one rollout, from which it knows how servers boot."""
    clock = LoopClock()
    async with Fleet.connect(
        "memory://web",
        backend=MemoryBackend(cloud(clock, size, 1)),
        journal=":memory:",
        clock=clock,
    ) as web:
        await web.replace("v2", Rolling(), limits=LIMITS)
        began = time.perf_counter()
        made = await web.rehearse(
            "v3", HOURS, limits=LIMITS, trials=trials, workers=workers, traffic=TRAFFIC
        )
        return made, time.perf_counter() - began


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


def memory_row(size: int, trials: int, runs: int) -> dict[str, Any]:
    """Return one row: a rehearsal, and actual runs with other seeds."""
    say(f"{trials} trials of {size} servers")
    made, seconds = run(rehearsed(size, trials, None))
    say(f"{runs} actual runs of {size} servers")
    lengths = [run(actual(size, 1000 + seed)) for seed in range(runs)]
    succeeded = made.ends.get("succeeded", 0)
    return _row("memory", made, lengths, seconds) | {"succeeded": succeeded}


def _row(where: str, made: Rehearsal, lengths: list[float], seconds: float) -> dict[str, Any]:
    real = median(lengths)
    return {
        "backend": where,
        "strategy": made.plan.strategy,
        "servers": made.plan.bounds.wanted,
        "trials": len(made.trials),
        "seconds": round(seconds, 2),
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


async def local_rows(size: int, trials: int, runs: int) -> list[dict[str, Any]]:
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
) -> dict[str, Any]:
    say(f"local: {strategy}")
    began = time.perf_counter()
    new = image(folder, f"{next(versions)}")
    made = await web.rehearse(new, strategy, trials=trials, traffic=0.0)
    seconds = time.perf_counter() - began
    lengths = []
    for _ in range(runs):
        end = await web.replace(image(folder, f"{next(versions)}"), strategy).end()
        lengths.append(end.seconds)
    return _row("local", made, lengths, seconds)


def broken(rows: Iterable[dict[str, Any]], *, quick: bool) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for row in rows:
        if row["backend"] == "memory" and abs(row["off"]) > 0.05:
            found.append(f"{row['servers']} servers: p50 is off by {row['off']:.1%}, 5 % may be")
        if not quick and row["backend"] == "memory" and row["seconds"] >= 60:
            found.append(
                f"{row['servers']} servers: {row['seconds']} s, less than 60 are asked for"
            )
    return found


def main() -> None:
    """Print the table."""
    parser = options(__doc__ or "")
    parser.add_argument("backend", nargs="?", choices=("memory", "local"), default="memory")
    chosen = parser.parse_args()
    if chosen.backend == "local":
        trials, runs = (20, 2) if chosen.quick else (100, 5)
        rows = asyncio.run(local_rows(8, trials, runs))
    else:
        size, trials, runs = (50, 20, 3) if chosen.quick else (1000, 200, 9)
        rows = [memory_row(size, trials, runs)]
    wrong = broken(rows, quick=chosen.quick)
    show(rows, as_json=chosen.json, broken=wrong)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
