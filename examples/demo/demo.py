"""Watch a fleet change its image under live traffic; less than two minutes, nothing left behind.

(a) a rolling replacement, (b) an image that never becomes healthy and is rolled back by itself,
(c) a controller that is killed in the middle and followed by another one. All the while clients
that never retry ask the fleet: a cut connection counts as failed.

    make demo            or  python examples/demo/demo.py
    make demo JSON=1     prints one JSON object in its last line
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import asdict, define, field, frozen
from rich.console import Console
from rich.table import Table

from immutable import Fleet, FleetState, ImmutableError, Limits
from immutable.backend import InstanceState
from immutable.journal import Entry

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # The load generator is an example of its own, no package.

from traffic import Traffic  # noqa: E402

SIZE = 6
ENOUGH = 500
PATIENCE = 15.0
NAME = "demo"
OUTCOMES = {0: "succeeded", 3: "rolled back"}


@frozen
class Scenario:
    """What came of one scenario.

    Attributes:
        name: Its name.
        outcome: How it ended.
        requests: How many the clients made meanwhile.
        failed: How many of them failed.
        seconds: How long the rollout took.
        min_available: The fewest READY at any observation.
        max_total: The most existing at any observation.
        bound_available: The fewest that the plan allows.
        bound_total: The most that the plan allows.
    """

    name: str
    outcome: str
    requests: int
    failed: int
    seconds: float
    min_available: int
    max_total: int
    bound_available: int
    bound_total: int

    @property
    def good(self) -> bool:
        """Whether it went as it should."""
        kept = self.min_available >= self.bound_available and self.max_total <= self.bound_total
        return kept and not self.failed and self.requests >= ENOUGH


@define
class Watcher:
    """Looks at the fleet all the time and remembers the extremes."""

    fleet: Fleet
    least: int = SIZE
    most: int = SIZE
    looks: int = 0

    async def watch(self) -> None:
        """Look ten times a second, until cancelled."""
        while True:
            self.note(await self.fleet.state())
            await asyncio.sleep(0.1)

    def note(self, state: FleetState) -> None:
        """Take an observation in."""
        ready = sum(each.state is InstanceState.READY for each in state.instances)
        self.least = min(self.least, ready)
        self.most = max(self.most, len(state.instances))
        self.looks += 1


@define
class Demo:
    """Everything that the scenarios share."""

    console: Console
    folder: Path
    url: str
    fleet: Fleet
    traffic: Traffic
    quiet: bool
    limits: list[str] = field(factory=list)

    @asynccontextmanager
    async def command(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run an ``immutable`` command, as a user would type it; it has ended afterwards."""
        self.console.print(f"[bold]$ immutable {' '.join(words)}[/bold]", soft_wrap=True)
        output = asyncio.subprocess.DEVNULL if self.quiet else None
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "immutable", *words, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            try:
                await asyncio.wait_for(process.wait(), PATIENCE)  # Ctrl-C has reached it too.
            except TimeoutError:
                process.kill()
                await process.wait()

    @asynccontextmanager
    async def watched(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Watch one scenario; what its body puts into the dictionary is part of the result."""
        self.console.rule(f"[bold]{name}")
        mark, watcher, found = self.traffic.mark(), Watcher(self.fleet), {"name": name}
        watching = asyncio.create_task(watcher.watch())
        try:
            yield found
            while self.traffic.since(mark).requests < ENOUGH:
                await asyncio.sleep(0.1)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        report, bounds = self.traffic.since(mark), (await self.last()).plan.bounds
        found["scenario"] = Scenario(
            name=name,
            outcome=found["outcome"],
            requests=report.requests,
            failed=report.failed,
            seconds=round(await self.took(), 1),
            min_available=watcher.least,
            max_total=watcher.most,
            bound_available=bounds.floor,
            bound_total=bounds.ceiling,
        )

    async def took(self) -> float:
        """Return how long the newest rollout took."""
        rollout = await self.fleet.rollout()
        *_, last = [event async for event in rollout.events()]
        return float(getattr(last.record, "seconds", 0.0))

    async def last(self) -> Entry:
        """Return the newest rollout, as the journal lists it."""
        return (await self.fleet.history())[-1]

    async def replaced(self, name: str, image: str, outcome: str) -> Scenario:
        """Replace the fleet's image by one command."""
        async with self.watched(name) as found:
            async with self.command("replace", self.url, image, *self.limits) as process:
                code = await process.wait()
            found["outcome"] = OUTCOMES.get(code, f"exit code {code}")
        assert found["outcome"] == outcome, found
        return found["scenario"]

    async def killed(self, name: str, image: str) -> Scenario:
        """Kill the controller in the middle, and let another process carry on."""
        async with self.watched(name) as found:
            async with self.command("replace", self.url, image, *self.limits) as process:
                while await self.replaced_so_far() < SIZE // 2:
                    await asyncio.sleep(0.05)
                process.send_signal(signal.SIGKILL)
                await process.wait()
            if not self.quiet and self.console.is_terminal:
                # It was drawing: the cursor is hidden, and behind its last line.
                self.console.show_cursor()
                self.console.print()
            self.console.print("[red]the controller was killed (SIGKILL)[/red]")
            self.console.print("the next one waits until the lease of the dead one ends, 10 s")
            async with self.command("recover", self.url) as process:
                code = await process.wait()
            ended = OUTCOMES.get(code, f"exit code {code}")
            found["outcome"] = f"killed, recovered, {ended}"
        return found["scenario"]

    async def replaced_so_far(self) -> int:
        """Return how many instances of the newest revision are READY."""
        state = await self.fleet.state()
        if len(state.groups) < 2:
            return 0
        newest = state.groups[-1].number
        return sum(each.state is InstanceState.READY for each in state.members(newest))


def images(folder: Path) -> dict[str, str]:
    """Lay out three versions of the same small web application; 2.1-bad never becomes healthy."""
    made = {}
    for version, environment in (("1", ""), ("2", ""), ("2.1-bad", 'APP_HEALTHY = "0"'), ("3", "")):
        place = folder / f"web-{version}"
        place.mkdir()
        shutil.copy(HERE.parent / "webapp" / "app.py", place)
        (place / "VERSION").write_text(version)
        recipe = (HERE.parent / "webapp" / "immutable.toml").read_text()
        recipe = recipe.replace('version = "1"', f'version = "{version}"')
        (place / "immutable.toml").write_text(f"{recipe}\n[environment]\n{environment}\n")
        made[version] = str(place)
    return made


async def scenarios(console: Console, folder: Path, *, quiet: bool) -> list[Scenario]:
    """Run all three, one after the other, under one stream of traffic."""
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    versions = images(folder)
    url = f"local://{NAME}"
    limits = Limits(max_surge=2, min_ready=1, boot_timeout=10, drain_timeout=15)
    options = ["--max-surge", "2", "--min-ready", "1s", "--boot-timeout", "10s"]
    options += ["--drain-timeout", "15s"]
    console.print(f"[bold]$ immutable fleet create {url} {versions['1']} --size {SIZE}[/bold]")
    async with Fleet.create(url, versions["1"], SIZE, limits=limits) as fleet:
        try:
            await fleet.state()
            notes = fleet.backend.notes(fleet.name)
            console.print(*notes, sep="\n")
            port = int(notes[0].split()[0].rpartition(":")[2])
            async with Traffic("127.0.0.1", port) as traffic:
                demo = Demo(console, folder, url, fleet, traffic, quiet, options)
                return [
                    await demo.replaced("rolling", versions["2"], "succeeded"),
                    await demo.replaced("bad image", versions["2.1-bad"], "rolled back"),
                    await demo.killed("killed controller", versions["3"]),
                ]
        finally:
            await removed(console, fleet)


async def removed(console: Console, fleet: Fleet) -> None:
    """Remove the fleet, also from the middle of a rollout."""
    last = (await fleet.history())[-1]
    if not last.status.ended:
        console.print("stopped in the middle: the rollout is ended first, then the fleet removed")
        with suppress(ImmutableError):  # That it was rolled back is no matter here.
            await fleet.recover()
    await fleet.delete()


def shown(ends: list[Scenario]) -> Table:
    """Return the closing table."""
    table = Table(title="what the clients saw, and what the fleet had")
    for column in ("scenario", "outcome", "requests", "failed", "seconds", "available", "existing"):
        table.add_column(column)
    for end in ends:
        table.add_row(
            end.name,
            end.outcome,
            str(end.requests),
            str(end.failed),
            f"{end.seconds:.1f}",
            f"{end.min_available} (≥ {end.bound_available})",
            f"{end.max_total} (≤ {end.bound_total})",
            style="green" if end.good else "red",
        )
    return table


def main() -> int:
    """Run the demonstration in directories of its own, and leave nothing behind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    chosen = parser.parse_args()
    console = Console(stderr=chosen.json, highlight=False)
    with tempfile.TemporaryDirectory(prefix="immutable-demo-") as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        os.environ["IMMUTABLE_LOCAL_DIR"] = str(folder / "local")
        os.environ["IMMUTABLE_JOURNAL"] = str(folder / "journal.db")
        os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
        try:
            ends = asyncio.run(scenarios(console, folder, quiet=chosen.json))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.show_cursor()
            console.print("stopped; nothing is left")
            return 130
    console.print(shown(ends))
    if chosen.json:
        print(json.dumps({"scenarios": [asdict(end) for end in ends]}))
    return 0 if all(end.good for end in ends) else 1


if __name__ == "__main__":
    sys.exit(main())
