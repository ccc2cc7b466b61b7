"""Several controllers share the rollouts of one PostgreSQL journal; one after the other is killed.

Every fleet lives in one simulated cloud, which the controllers reach through a socket; they, the
database server and the cloud are real processes on real time. Every few seconds one controller is
ended by SIGKILL, and another started. ``takeover_s`` is the longest time from a kill to the claim
of a rollout that the killed one drove; it should stay below the lease and a second.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from attrs import define, field, frozen

from benchmarks.common import Benchmark, Row, options, say
from immutable import Fleet, Image, Journal, Limits, Revision, Rolling, open_journal
from immutable.backend import Group, Instance
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed, lognormal
from immutable.memory.parts import SimulatedFleet
from immutable.model import SystemClock
from tests.support.postgres import PostgresServer
from tests.support.shared_cloud import opened, serving

_SIZE = 2
_LIMITS = Limits(1, 0, min_ready=1, boot_timeout=120)
GRACE = 1.0
"""Seconds after a lease has run out in which somebody has to take over."""

_LAWS = Laws(boot=lognormal(6, 0.4), drain=fixed(1), terminate=fixed(2))


@frozen
class Scale:
    """How much there is to do.

    Attributes:
        rollouts: How many rollouts, each of a fleet of its own.
        controllers: How many processes share them.
        lease: Seconds that a controller's leases last.
        every: Seconds between two kills.
    """

    rollouts: int = 2000
    controllers: int = 3
    lease: float = 3.0
    every: float = 5.0


async def control(journal: str, socket: Path, lease: float) -> None:
    """Be a controller until stopped."""
    book = await open_journal(journal)
    book.ttl = lease
    worker = Controller(book, most=10_000, connect=lambda _: opened(socket))
    print(worker.name, flush=True)
    running = asyncio.ensure_future(worker.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait({running})
    await book.close()


@define
class _Worker:
    name: str
    process: asyncio.subprocess.Process


@define
class Herd:
    """The controllers' processes."""

    command: tuple[str, ...]
    living: list[_Worker] = field(factory=list)
    killed: dict[str, float] = field(factory=dict)

    async def add(self) -> None:
        """Start one, and wait until it looks for work."""
        process = await asyncio.create_subprocess_exec(*self.command, stdout=-1)
        assert process.stdout is not None
        name = (await process.stdout.readline()).decode().strip()
        self.living.append(_Worker(name, process))

    async def kill_one(self) -> None:
        """End the oldest as a power cut does, and start another."""
        worker = self.living.pop(0)
        self.killed[worker.name] = time.time()
        worker.process.kill()
        await worker.process.wait()
        await self.add()

    async def stop(self) -> None:
        """Tell all to hand over and end."""
        for worker in self.living:
            worker.process.terminate()
        await asyncio.gather(*(worker.process.wait() for worker in self.living))


@asynccontextmanager
async def herd(journal: str, socket: Path, lease: float, count: int) -> AsyncIterator[Herd]:
    """Let so many controllers run meanwhile."""
    flock = Herd((sys.executable, "-m", "benchmarks.controllers", "--controller", journal,
                  str(socket), str(lease)))  # fmt: skip
    try:
        await asyncio.gather(*(flock.add() for _ in range(count)))
        yield flock
    finally:
        await flock.stop()


def simulated(count: int) -> tuple[Cloud, Counter[str]]:
    """Return a cloud with so many fleets, and who counts the candidates that were launched."""
    cloud = Cloud(SystemClock(), laws=_LAWS)
    for number in range(count):
        group = Group(Revision(1, Image.of_artifact("memory", "v1")), 0)
        cloud.settled_fleet(f"f{number}", group, _SIZE)
    launched: defaultdict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()

    def notice(fleet: SimulatedFleet, instance: Instance) -> None:
        if instance.revision == 2:
            launched[fleet.name].add(instance.id)
            counts[fleet.name] = len(launched[fleet.name])

    cloud.watchers.append(notice)
    return cloud, counts


async def submit_all(backend: MemoryBackend, journal: Journal, count: int) -> None:
    """Hand over one rollout of each fleet."""
    for number in range(count):
        async with Fleet.connect(
            f"memory://f{number}", backend=backend, journal=journal, actor="bench"
        ) as fleet:
            await fleet.submit(await fleet.plan("v2", Rolling(), limits=_LIMITS))


async def takeovers(journal: Journal, killed: dict[str, float]) -> list[float]:
    """Return how long each rollout of a killed controller was driven by nobody."""
    claims: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    after = -1
    while leaves := await journal.leaves(after=after):
        after = leaves[-1].index
        for leaf in leaves:
            data = json.loads(leaf.text)
            if data["record"]["type"] == "claimed":
                claims[data["rollout"]].append((data["at"], data["controller"]))
    return [
        at - killed[owner]
        for each in claims.values()
        for (_, owner), (at, _) in pairwise(each)
        if owner in killed
    ]


async def measure(scale: Scale, postgres: str, folder: Path) -> Row:
    """Hand over the rollouts, kill controllers until all have ended, and count."""
    socket = folder / "cloud"
    cloud, launched = simulated(scale.rollouts)
    backend = MemoryBackend(cloud)
    journal = await open_journal(postgres)
    began = time.monotonic()
    async with (
        serving(backend, socket),
        herd(postgres, socket, scale.lease, scale.controllers) as flock,
    ):
        submitting = asyncio.ensure_future(submit_all(backend, journal, scale.rollouts))
        while not submitting.done() or await journal.entries(unfinished=True):
            await asyncio.sleep(scale.every)
            await flock.kill_one()
        await submitting
    took = time.monotonic() - began
    ends = Counter(each.status.value for each in await journal.entries())
    waits = await takeovers(journal, flock.killed)
    cloud.advance()
    whole = sum(
        [(each.shown.number, each.shown.size) for each in fleet.groups.values()] == [(2, _SIZE)]
        for fleet in cloud.fleets.values()
    )
    records = (await journal.frontier()).size
    await journal.close()
    return {
        "rollouts": scale.rollouts,
        "succeeded": ends["succeeded"],
        "whole": whole,
        "double_launches": sum(count - _SIZE for count in launched.values()),
        "seconds": round(took, 1),
        "kills": len(flock.killed),
        "takeovers": len(waits),
        "lease_s": scale.lease,
        "takeover_s": round(max(waits, default=0.0), 2),
        "records": records,
    }


def run(scale: Scale) -> Row:
    """Measure on a database server and a cloud that are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer() as server:
        return asyncio.run(measure(scale, server.make_database(), Path(folder)))


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the one row."""
    scale = Scale(100) if quick else Scale()
    say(f"{scale.rollouts} rollouts, {scale.controllers} controllers")
    yield run(scale)


def broken(listed: Iterable[Row]) -> list[str]:
    """Return what has to hold and doesn't."""
    found = []
    for row in listed:
        if not row["succeeded"] == row["whole"] == row["rollouts"]:
            found.append(f"{row['succeeded']} succeeded, {row['whole']} are whole, all have to be")
        if row["double_launches"]:
            found.append(f"{row['double_launches']} were launched twice")
        if row["takeover_s"] >= row["lease_s"] + GRACE:
            found.append(f"taken over after {row['takeover_s']} s, the lease and {GRACE:g} s asked")
    return found


BENCHMARK = Benchmark(
    "Controllers that are killed",
    f"""\
Rollouts that several controllers share through one PostgreSQL journal, on real time, while every
few seconds one of them is killed. All have to succeed, nothing may be launched twice, and the
longest takeover, from a kill to the claim on record, has to be below the lease and {GRACE:g} s.""",
    {
        "rollouts": "rollouts",
        "succeeded": "succeeded",
        "double_launches": "launched twice",
        "kills": "kills",
        "takeovers": "takeovers",
        "lease_s": "lease, s",
        "takeover_s": "longest takeover, s",
        "seconds": "took, s",
    },
    rows,
    broken,
)


def main() -> None:
    """Print the table, or be one of the controllers."""
    parser = options()
    parser.add_argument("--controller", nargs=3, help="be one: JOURNAL SOCKET LEASE")
    chosen = parser.parse_args()
    if chosen.controller:
        journal, socket, lease = chosen.controller
        asyncio.run(control(journal, Path(socket), float(lease)))
        return
    BENCHMARK.finish(rows(quick=chosen.quick), as_json=chosen.json)


if __name__ == "__main__":
    main()
