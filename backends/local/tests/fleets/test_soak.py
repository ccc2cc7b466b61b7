"""What only shows after many replacements, many crashes, or in the balancer's own numbers."""

from __future__ import annotations

import asyncio
import csv
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve, frozen

from immutable import Limits, Status
from immutable_local import pids

from .conftest import load

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

MARKS = {"haproxy": "haproxy.cfg", "builtin": "balancing.proxy"}
SUPERVISOR = "-m immutable_local "
SIZE = 4
SHORT = Limits(max_surge="100%", min_ready=0.05, boot_timeout=8, drain_timeout=8)
FULL = os.environ.get("SOAK") == "full"
"""Whether to take the time for all of it: ``make soak``. ``make check`` takes a part."""
BRIEF = {"keepalive": 4, "fresh": 2, "post": 1, "slow": 2}


# -- a hundred replacements ------------------------------------------------------------------------


def traces(home, balancer, members: set[int]) -> dict[str, int]:
    """What a fleet takes of the machine, ourselves included.

    Idle connections to present *members* (their ports) are kept by the balancer for the next
    request, as many as it likes, and are left out; those to members that are gone are not.
    """
    supervisor, front = home.pid_of(SUPERVISOR), home.pid_of(MARKS[balancer])
    running = home.processes()
    sockets = {each for pid in running for each in descriptors(pid)}
    kept = connected(members)
    return {
        "processes": len(running),
        "children, zombies among them": len(pids.children(supervisor)),
        "descriptors of the supervisor": len(descriptors(supervisor)),
        "descriptors of the balancer": len(
            [each for each in descriptors(front) if each not in kept]
        ),
        "descriptors of ours": len(descriptors(os.getpid())),
        "ports": len(sockets & listening()),
        "files": sum(1 for _ in home.places.root.rglob("*")),
        "sockets": sum(1 for _ in (home.folder / "run").rglob("*")),
    }


async def at_rest(web, home, balancer) -> dict[str, int]:
    """The least of each in three seconds: what comes and goes, such as probes, is no leak."""
    samples = []
    members = {int(each.address.rpartition(":")[2]) for each in (await web.state()).instances}
    for _ in range(30):
        samples.append(traces(home, balancer, members))
        await asyncio.sleep(0.1)
    return {name: min(each[name] for each in samples) for name in samples[0]}


def descriptors(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def listening() -> set[str]:
    """The TCP sockets of the machine that listen, as descriptors name them."""
    return {socket for socket, state, _ in sockets_of_all() if state == "0A"}


def connected(ports: set[int]) -> set[str]:
    """Those that are connected to a port."""
    return {socket for socket, state, port in sockets_of_all() if state == "01" and port in ports}


def sockets_of_all() -> list[tuple[str, str, int]]:
    """All TCP sockets of the machine, with their state and the port at their other end."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [(f"socket:[{row[9]}]", row[3], int(row[2].partition(":")[2], 16)) for row in rows]


async def many(web, home, count: int):
    """Replace the fleet's image *count* times under traffic, by two in turn."""
    async with load(web, rate=40, **BRIEF) as running:
        for turn in range(count):
            result = await web.replace(home.image(str(2 - turn % 2)), limits=SHORT)
            assert result.status is Status.SUCCEEDED
        report = await running.stop()
    assert (report.failed, report.failures) == (0, ())


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("balancer", "more"),
    [("haproxy", 94 if FULL else 18), ("builtin", 94 if FULL else 12)],
)
async def test_many_replacements_leave_no_more_behind_than_six(home, balancer, more):
    async with home.fleet(size=SIZE, balancer=balancer, limits=SHORT) as web:
        await many(web, home, 6)
        before = await at_rest(web, home, balancer)
        await many(web, home, more)
        after = await at_rest(web, home, balancer)
        assert {name: (before[name], n) for name, n in after.items() if n > before[name]} == {}
        assert before["ports"] == SIZE + 1
        assert (await web.state()).ready == SIZE


# -- crashes of the controller ---------------------------------------------------------------

OPTIONS = ["--max-surge", "2", "--min-ready", "200ms", "--boot-timeout", "8s"]
NOTHING = "no unfinished rollout"


async def immutable(home, *words: str, killed_after: float | None = None) -> tuple[int, str]:
    """Run a command, which may be killed; returns its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "immutable", *words, env=home.environment(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with suppress(TimeoutError):
        async with asyncio.timeout(killed_after):
            await process.wait()
    if process.returncode is None:
        process.kill()
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def check_whole(web) -> int:
    """The fleet stands on one image, at its size, held by nobody; returns its revision."""
    state = await web.state()
    (group,) = state.groups
    assert (group.size, group.hold) == (SIZE, None)
    assert {each.revision for each in state.instances} == {group.number}
    assert (state.ready, len(state.instances)) == (SIZE, SIZE)
    return group.number


@pytest.mark.timeout(900)
async def test_controllers_are_killed_at_random_and_no_request_fails(home):
    turns = 40 if FULL else 12
    chance, carried_on, revisions = random.Random(40), 0, []
    async with home.fleet(size=SIZE, limits=SHORT) as web, load(web) as running:
        for turn in range(turns):
            image = home.image(str(2 - turn % 2))
            moment = chance.uniform(0.5, 5)
            await immutable(home, "replace", "local://web", image, *OPTIONS, killed_after=moment)
            if turn % 4 == 3:
                moment = chance.uniform(0.1, 2)
                await immutable(home, "recover", "local://web", killed_after=moment)
            code, said = await immutable(home, "recover", "local://web")
            assert code == 0 or NOTHING in said, said
            carried_on += code == 0
            revisions.append(await check_whole(web))
            assert running.since().failed == 0, running.since()
        report = await running.stop()
    assert (report.failed, report.failures) == (0, ())
    # How many had begun by then is up to the machine.
    assert carried_on > 0
    assert len(set(revisions)) > 2


# -- the bounds, as the balancer counts ------------------------------------------------------------


@frozen
class Count:
    """What HAProxy has at a moment."""

    serving: int
    total: int


async def counted(socket: Path) -> Count:
    """Ask HAProxy how many servers it has, and to how many it gives new requests."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(b"show stat be 4 -1\n")
    said = (await reader.read()).decode()
    writer.close()
    rows = list(csv.DictReader(said.removeprefix("# ").strip().splitlines()))
    up = [row for row in rows if row["status"].startswith("UP")]
    return Count(len(up), len(rows))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("surge", "unavailable"), [(2, 0), (0, 1), (1, 2)])
async def test_haproxy_itself_never_counts_fewer_or_more_than_the_plan_allows(
    home, surge, unavailable
):
    limits = evolve(SHORT, max_surge=surge, max_unavailable=unavailable, min_ready=0.3)
    async with home.fleet(size=SIZE, balancer="haproxy") as web, load(web) as running:
        socket = home.places.fleet("web").runtime / "lb.sock"
        plan = await web.plan(home.image("2"), limits=limits)
        counts = []
        rollout = asyncio.create_task(asyncio.wait_for(web.apply(plan), 60))
        while not rollout.done():
            counts.append(await counted(socket))
            await asyncio.sleep(0.005)
        assert (await rollout).status is Status.SUCCEEDED
        assert (await running.stop()).failed == 0
        assert (plan.bounds.floor, plan.bounds.ceiling) == (SIZE - unavailable, SIZE + surge)
        assert min(each.serving for each in counts) >= plan.bounds.floor
        assert max(each.total for each in counts) <= plan.bounds.ceiling
        assert len(counts) > 50
        # It was really watched: the bounds are used.
        assert max(each.total for each in counts) == plan.bounds.ceiling
