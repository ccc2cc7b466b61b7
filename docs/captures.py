"""What docs/command.md shows of the command: its own output, on a simulated cloud.

    python docs/captures.py

runs the commands in virtual time, with fixed chances, and writes what they print into
docs/captures/. The tests hold those files against new runs.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from attrs import evolve
from rich.console import Console
from writing import write

from immutable import Canary, Fleet, Image, Limits, Revision
from immutable.backend import Capabilities, Group
from immutable.cli.commands import cli
from immutable.cli.picture import Picture
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.report.story import Story
from immutable.testing import LoopClock, run

HERE = Path(__file__).parent
PLACE = HERE / "captures"
URL = "demo://web"
WIDE = 100
REPLACE = f"immutable replace {URL} v2 --journal :memory: --reason 'new version'"
PLAN = f"immutable plan {URL} v2 --journal :memory:"
LIMITS = Limits(max_surge=1, min_ready=5, boot_timeout=60, drain_timeout=30)
ABLE = Capabilities(
    weighted_traffic=True, traffic_stats=True, boot=20, drain=5, terminate=5, limits=LIMITS
)


class DemoBackend(MemoryBackend):
    """A cloud for one capture, reached by ``demo://``."""

    cloud_that_is_shown: Cloud

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.capabilities = ABLE

    @classmethod
    def from_url(cls, url: object, *, clock: object) -> DemoBackend:
        """Return the backend of the cloud that is shown, whatever its address."""
        return cls(cls.cloud_that_is_shown)


def settled(weight: float | None = None) -> None:
    """Let there be a cloud with a fleet of four, which clients ask."""
    cloud = Cloud(LoopClock(), laws=Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(5)))
    group = Group(Revision(1, Image.of_artifact("demo", "v1")), 0)
    cloud.settled_fleet("web", evolve(group, weight=weight), 4)
    cloud.fleets["web"].clients.rate = 500.0
    DemoBackend.cloud_that_is_shown = cloud


@contextmanager
def surroundings() -> Iterator[None]:
    """Let commands run in virtual time, for a user whose terminal is as wide as the page."""
    plain = {"COLUMNS": str(WIDE), "IMMUTABLE_ACTOR": "ada", "TERM": "dumb", "NO_COLOR": "1"}
    with (
        patch.dict(os.environ, plain, clear=True),  # Nothing of whoever runs it is to show.
        patch.dict("immutable.registry._registered", demo=DemoBackend),
        patch("immutable.connecting.SystemClock", LoopClock),
    ):
        yield


def typed(line: str) -> str:
    """Return a command as it is typed, and what it prints."""
    _, name, *words = shlex.split(line)
    command = cli.commands[name]

    async def carried_out() -> None:
        settled()
        given = command.make_context(name, words).params
        # The coroutine itself: what runs it would not run it in virtual time.
        await command.callback.__wrapped__(**given)

    printed = io.StringIO()
    with surroundings(), redirect_stdout(printed):
        run(carried_out())
    shown = re.sub(r"driven by \S+", "driven by HOST/PROCESS", printed.getvalue())
    return f"$ {line.replace(' --journal :memory:', '')}\n{shown}"


async def _half_way() -> Picture:
    """Return the live display of a canary, 300 s after it began."""
    settled(weight=100.0)
    async with Fleet.connect(URL, journal=":memory:") as fleet:
        limits = evolve(LIMITS, max_surge="100%")
        rollout = fleet.replace("v2", Canary(("25%", "100%"), bake=600), limits=limits)
        going = asyncio.ensure_future(rollout.end())
        await asyncio.sleep(300)
        picture = Picture(fleet.address, Story(await rollout.plan()), await fleet.state())
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                async for event in rollout.events():
                    picture.add(event, picture.story.hear(event.record))
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    return picture


def drawn() -> str:
    """Return the live display as text."""
    with surroundings():
        screen = Console(width=WIDE, file=io.StringIO(), color_system=None, legacy_windows=False)
        screen.print(run(_half_way()))
    lines = screen.file.getvalue().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def files() -> dict[Path, str]:
    """Return what is written where."""
    return {
        PLACE / "plan.txt": typed(PLAN),
        PLACE / "replace.txt": typed(REPLACE),
        PLACE / "live.txt": drawn(),
    }


if __name__ == "__main__":
    write(files())
