"""A controller is killed, its journal deleted, and the fleet alone says what was going on."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest
from attrs import evolve

from immutable import open_journal
from immutable.backend import Context, Pool

from .conftest import load
from .test_crashes import LIMITS, command, ended, whole

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

BLUE_GREEN = ("--strategy", "blue-green", "--bake", "2s", *LIMITS[2:])


async def applying(home, *strategy: str, until: int) -> asyncio.subprocess.Process:
    """Start to carry out a plan under a journal of its own; return when it has gone so far."""
    image, file, lost = home.image("2"), home.folder / "plan.json", home.folder / "lost.db"
    words = ("plan", "local://web", image, *(strategy or LIMITS), "--out", str(file))
    assert (await ended(await command(home, *words)))[0] == 0
    process = await command(home, "apply", str(file), "--journal", str(lost))
    while not lost.exists():
        await asyncio.sleep(0.01)
    journal = await open_journal(lost)
    try:
        while True:
            entries = await journal.entries()
            if entries and len(await journal.events(entries[0].rollout)) >= until:
                return process
            assert process.returncode is None, (await process.communicate())[1].decode()
            await asyncio.sleep(0.002)
    finally:
        await journal.close()


async def killed(home, *strategy: str, until: int) -> str:
    """Let a controller go so far, end it and its journal, and return its plan's file."""
    process = await applying(home, *strategy, until=until)
    process.kill()
    assert (await ended(process))[0] == -signal.SIGKILL
    for file in home.folder.glob("lost.db*"):
        file.unlink()
    return str(home.folder / "plan.json")


@pytest.mark.parametrize("way", ["plan", "to_stable"])
@pytest.mark.parametrize(
    ("strategy", "until"),
    [
        ((), 9),
        pytest.param((), 4, marks=pytest.mark.slow),
        pytest.param((), 15, marks=pytest.mark.slow),
        pytest.param(BLUE_GREEN, 9, marks=pytest.mark.slow),
        pytest.param(BLUE_GREEN, 18, marks=pytest.mark.slow),
    ],
)
async def test_the_fleet_ends_whole_under_traffic_though_only_its_marks_are_left(
    home, way, strategy, until
):
    async with home.fleet(size=3) as web, load(web) as traffic:
        file = await killed(home, *strategy, until=until)
        code, offers = await ended(await command(home, "recover", "local://web"))
        assert code == 5, offers
        assert "carry on with its plan, sha256:" in offers
        assert "return to r1" in offers
        words = ("--plan", file) if way == "plan" else ("--to-stable", *LIMITS[2:])
        code, said = await ended(await command(home, "recover", "local://web", *words))
        assert code == 0, said
        await whole(web, 2 if way == "plan" else 1)
        report = await traffic.stop()
        assert (report.failed, report.failures) == (0, ())
        code, said = await ended(await command(home, "recover", "local://web"))
        assert "no unfinished rollout" in said


@pytest.mark.slow
async def test_a_first_controller_that_was_only_stopped_is_shut_out(home):
    async with home.fleet(size=3) as web, load(web) as traffic:
        process = await applying(home, until=9)
        process.send_signal(signal.SIGSTOP)
        recovering = await command(home, "recover", "local://web", "--to-stable", *LIMITS)
        assert (await ended(recovering))[0] == 0
        await whole(web, 1)
        process.send_signal(signal.SIGCONT)
        await ended(process)
        await whole(web, 1)
        report = await traffic.stop()
        assert (report.failed, report.failures) == (0, ())


async def test_a_hold_that_is_over_is_swept_and_the_empty_group_with_it(home):
    async with home.fleet(size=1) as web:
        (before,) = (await web.state()).groups
        ctx = Context("lost", "sha256:1", 1, "t", 60)
        new = evolve(before.revision, number=2)
        await web.backend.hold("web", 1, time.time() + 60, ctx)
        await web.backend.create_revision("web", new, Pool.SHARED, time.time() + 60, ctx)
        told, _ = await (await command(home, "sweep", "local://*", "--json")).communicate()
        left = json.loads(told)["local://web"]
        assert [each["sweep"] for each in left] == [False, False]
        assert "it may be alive" in left[0]["why"]
        for number in (1, 2):
            await web.backend.hold("web", number, time.time(), ctx)
        lapsed = (await web.state()).groups[0]
        assert (lapsed.hold, lapsed.lapsed.rollout, lapsed.lapsed.size) == (None, "lost", 1)
        assert [each.sweep for each in await web.sweep()] == [True, True]
        assert (await web.state()).groups == (before,)
