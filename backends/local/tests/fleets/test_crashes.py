"""Controllers that are processes of their own: killed outright, or stopped for too long."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from immutable import Status, open_journal

from .conftest import load

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

LIMITS = ("--max-surge", "1", "--min-ready", "0.3", "--boot-timeout", "60", "--drain-timeout", "60")


async def command(home, *words: str) -> asyncio.subprocess.Process:
    """Start the command as a user does."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "immutable", *words, env=home.environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def reading(home):
    """The journal that the commands write."""
    journal = await open_journal(home.journal)
    try:
        yield journal
    finally:
        await journal.close()


async def newest(journal):
    return (await journal.entries())[-1]


async def replacing(home, journal, version: str, *, until: int) -> asyncio.subprocess.Process:
    """Start a replacement and return its process when it has written so many records."""
    known = len(await journal.entries())
    process = await command(home, "replace", "local://web", home.image(version), *LIMITS)
    while True:
        entries = (await journal.entries())[known:]
        if entries and len(await journal.events(entries[0].rollout)) >= until:
            return process
        assert process.returncode is None, (await process.communicate())[1].decode()
        await asyncio.sleep(0.002)


async def ended(process) -> tuple[int, str]:
    """Wait for a command; returns its exit code and what it complained of."""
    _, complaint = await process.communicate()
    return process.returncode, complaint.decode()


async def whole(fleet, revision: int) -> None:
    """Assert that a fleet of three is on one revision, and that nobody holds it."""
    state = await fleet.state()
    (group,) = state.groups
    assert (group.number, group.size, group.hold, state.ready) == (revision, 3, None, 3)
    assert {each.revision for each in state.instances} == {revision}


@pytest.mark.parametrize(
    "until",
    [9, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 15))],
)
async def test_a_command_that_is_killed_costs_nothing(home, until):
    async with home.fleet(size=3) as web, load(web) as traffic, reading(home) as journal:
        process = await replacing(home, journal, "2", until=until)
        process.kill()
        assert await ended(process) == (-signal.SIGKILL, "")
        if (await newest(journal)).status.ended:
            pytest.skip("it was quicker than this test")
        assert (await ended(await command(home, "recover", "local://web")))[0] == 0
        assert (await newest(journal)).status is Status.SUCCEEDED
        await whole(web, 2)
        report = await traffic.stop()
        assert (report.failed, report.failures) == (0, ())


@pytest.mark.slow
async def test_a_command_that_is_killed_twice_goes_back_when_told(home):
    async with home.fleet(size=3) as web, load(web) as traffic, reading(home) as journal:
        process = await replacing(home, journal, "2", until=12)
        process.kill()
        await ended(process)
        way_back = await command(home, "abort", "local://web")
        before = len(await journal.events((await newest(journal)).rollout))
        while len(await journal.events((await newest(journal)).rollout)) < before + 3:
            await asyncio.sleep(0.002)
        way_back.kill()
        await ended(way_back)
        await ended(await command(home, "recover", "local://web"))
        assert (await newest(journal)).status is Status.ROLLED_BACK
        await whole(web, 1)
        report = await traffic.stop()
        assert (report.failed, report.failures) == (0, ())


@pytest.mark.slow
async def test_a_command_that_was_stopped_for_too_long_writes_and_ends_nothing(home):
    async with home.fleet(size=3) as web, load(web) as traffic, reading(home) as journal:
        process = await replacing(home, journal, "2", until=10)
        process.send_signal(signal.SIGSTOP)
        assert (await ended(await command(home, "recover", "local://web")))[0] == 0
        await whole(web, 2)
        members = (await web.state()).instances
        written = await journal.leaves()
        process.send_signal(signal.SIGCONT)
        code, complaint = await ended(process)
        assert (code, "another controller" in complaint) == (1, True), complaint
        # Nothing was written, and nobody gone, by the time that it has ended, or soon after.
        await asyncio.sleep(1)
        assert await journal.leaves() == written
        assert (await web.state()).instances == members
        fences = [json.loads(leaf.text)["fence"] for leaf in written]
        assert fences[-1] == 2
        assert fences[fences.index(2) :] == [2] * fences.count(2)
        report = await traffic.stop()
        assert (report.failed, report.failures) == (0, ())
