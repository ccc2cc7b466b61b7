"""Fleets of real processes behind a real load balancer, replaced under traffic."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from attrs import evolve

import immutable
import immutable_local
from immutable import (
    Fleet,
    FleetNotFound,
    InvalidValue,
    PlanRefused,
    RolledBack,
    RuntimeConfig,
    Status,
)
from immutable.backend import Conflict, InstanceState, Invalid
from immutable_local import LocalBackend, daemon
from immutable_local.sandbox import find_bubblewrap, probe

from .conftest import LIMITS, load, port_of, wait_until

READY = InstanceState.READY
pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

BALANCERS = ["haproxy", pytest.param("builtin", marks=pytest.mark.slow)]
ISOLATIONS = ["bubblewrap", "none"]


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own: reading /proc, killing, editing files."""
    return


class Extremes:
    """The least available and the most existing, at every observation."""

    def __init__(self, fleet):
        self.fleet, self.least, self.most, self.served = fleet, 10**9, 0, 10**9

    async def __aenter__(self):
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self):
        while True:
            state = await self.fleet.state()
            self.least = min(self.least, state.ready)
            self.most = max(self.most, len(state.instances))
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("balancer", BALANCERS)
@pytest.mark.parametrize("isolation", ISOLATIONS)
async def test_a_fleet_changes_its_image_under_traffic_without_a_failed_request(
    home, balancer, isolation
):
    async with home.fleet(size=4, balancer=balancer, isolation=isolation) as web:
        async with load(web) as running, Extremes(web) as seen:
            await asyncio.sleep(1)
            result = await web.replace(home.image("2"), limits=LIMITS)
            await asyncio.sleep(2)
        report = await running.stop()
        assert result.status is Status.SUCCEEDED
        assert (report.failed, report.failures) == (0, ())
        assert set(report.by_version) == {"1", "2"}
        assert (seen.least, seen.most) >= (4, 4)
        assert seen.most <= 6
        state = await web.state()
        assert {each.revision for each in state.instances} == {2}
        notes = web.backend.notes("web")
        assert f"by {balancer}" in notes[0]
        assert f"isolation={isolation}" in notes[1]
        assert ("can change what they run from" in notes[1]) is (isolation == "none")


@pytest.mark.parametrize("balancer", BALANCERS)
async def test_an_image_that_never_becomes_healthy_goes_back_without_a_failed_request(
    home, balancer
):
    async with home.fleet(size=3, balancer=balancer) as web:
        limits = evolve(LIMITS, boot_timeout=1.0)
        async with load(web) as running, Extremes(web) as seen:
            with pytest.raises(RolledBack, match="candidate instances failed"):
                await web.replace(home.image("bad", APP_HEALTHY="0"), limits=limits)
        report = await running.stop()
        assert report.failed == 0
        assert set(report.by_version) == {"1"}
        assert seen.least == 3
        state = await web.state()
        assert [(g.number, g.size, g.hold) for g in state.groups] == [(1, 3, None)]


async def test_an_image_whose_program_cannot_start_goes_back_at_once_and_says_why(home):
    folder = Path(home.image("broken"))
    recipe = folder / "immutable.toml"
    recipe.write_text(recipe.read_text().replace('"python3"', '"no-such-program"'))
    async with home.fleet(size=2) as web:
        with pytest.raises(RolledBack, match="no-such-program"):
            await web.replace(str(folder), limits=evolve(LIMITS, boot_timeout=3600))


async def test_settings_reach_the_instances_and_a_change_of_them_is_a_rollout(home):
    async with home.fleet(size=2) as web:
        config = RuntimeConfig({"APP_VERSION": "by-setting"})
        assert (await web.replace(config=config, limits=LIMITS)).status is Status.SUCCEEDED
        async with load(web, keepalive=2) as running:
            await asyncio.sleep(0.5)
        report = await running.stop()
        assert set(report.by_version) == {"by-setting"}


async def test_a_fleet_grows_and_shrinks_under_traffic(home):
    async with home.fleet(size=2) as web, load(web) as running:
        assert (await web.scale(5, limits=LIMITS)).wanted == 5
        assert (await web.scale(1, limits=LIMITS)).wanted == 1
        assert (await web.state()).ready == 1
        report = await running.stop()
        assert report.failed == 0


async def test_an_instance_that_dies_is_replaced_by_one_of_the_same_revision(home):
    async with home.fleet(size=3) as web:
        state = await web.state()
        victim = state.instances[0]
        record = json.loads((home.places.fleet("web").instances / f"{victim.id}.json").read_text())
        os.kill(record["identity"]["app"]["pid"], signal.SIGKILL)

        async def healed():
            now = await web.state()
            return now.ready == 3 and victim.id not in {each.id for each in now.instances}

        await wait_until(healed)
        assert {each.revision for each in (await web.state()).instances} == {1}


@pytest.mark.parametrize("balancer", BALANCERS)
async def test_a_supervisor_that_is_killed_changes_nothing(home, balancer):
    async with home.fleet(size=3, balancer=balancer) as web, load(web) as running:
        before = {each.id for each in (await web.state()).instances}
        for _ in range(3):
            os.kill(home.pid_of("-m immutable_local "), signal.SIGKILL)
            await asyncio.sleep(0.2)
            state = await web.state()
            assert {each.id for each in state.instances} == before
            assert state.ready == 3
        report = await running.stop()
        assert report.failed == 0


@pytest.mark.parametrize("balancer", BALANCERS)
async def test_a_rollout_goes_on_while_its_supervisor_is_killed_again_and_again(home, balancer):
    async with home.fleet(size=3, balancer=balancer) as web, load(web) as running:

        async def kill():
            while True:
                await asyncio.sleep(0.7)
                os.kill(home.pid_of("-m immutable_local "), signal.SIGKILL)

        killing = asyncio.create_task(kill())
        result = await web.replace(home.image("2"), limits=LIMITS)
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        report = await running.stop()
        assert result.status is Status.SUCCEEDED
        assert report.failed == 0
        assert {each.revision for each in (await web.state()).instances} == {2}


async def test_a_controller_that_is_killed_is_followed_by_another_process(home):
    async with home.fleet(size=3) as web, load(web) as running:
        command = [sys.executable, "-m", "immutable"]
        process = subprocess.Popen(  # noqa: ASYNC220  # It is started, not waited for.
            [*command, "replace", "local://web", home.image("2"), "--min-ready", "300ms"],
            env=home.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        async def half():
            state = await web.state()
            return any(each.revision == 2 and each.state is READY for each in state.instances)

        await wait_until(half)
        process.kill()
        process.wait()
        result = await web.recover()
        report = await running.stop()
        assert result.status is Status.SUCCEEDED
        assert report.failed == 0


async def test_a_balancer_that_dies_is_started_again_with_everybody_in_it(home):
    async with home.fleet(size=2, balancer="builtin") as web:
        await web.state()
        os.kill(home.pid_of("balancing.proxy"), signal.SIGKILL)

        async def back():
            await web.state()
            return any("load balancer" in note for note in web.backend.notes("web"))

        await wait_until(back)
        async with load(web, keepalive=2) as running:
            await asyncio.sleep(0.5)
        report = await running.stop()
        assert (report.failed, report.requests > 10) == (0, True)


async def test_after_a_reboot_the_fleet_is_rebuilt_and_says_so(home):
    async with home.fleet(size=2) as web:
        before = {each.id for each in (await web.state()).instances}
        os.kill(home.pid_of("-m immutable_local "), signal.SIGKILL)
        for pid, words in home.processes().items():
            if "-m immutable_local " not in words:
                with suppress(ProcessLookupError):  # One in a sandbox ends with its parent.
                    os.kill(pid, signal.SIGKILL)
        record = home.places.fleet("web").record
        record.write_text(record.read_text().replace('"boot": "', '"boot": "before-'))

        async def rebuilt():
            state = await web.state()
            return state.ready == 2 and not before & {each.id for each in state.instances}

        await wait_until(rebuilt)
        assert any("machine was started again" in n for n in web.backend.notes("web"))


async def test_a_process_that_was_never_written_down_is_ended(home):
    async with home.fleet(size=1) as web:
        (instance,) = (await web.state()).instances
        os.kill(home.pid_of("-m immutable_local "), signal.SIGKILL)
        (home.places.fleet("web").instances / f"{instance.id}.json").unlink()

        async def another():
            state = await web.state()
            return state.ready == 1 and state.instances[0].id != instance.id

        await wait_until(another)
        apps = [words for words in home.processes().values() if "app.py" in words]
        assert len({words for words in apps if "bwrap" not in words}) == 1


async def test_an_image_that_was_changed_on_disk_is_not_started(home):
    async with home.fleet(size=1) as web:
        image = await web.image(home.image("2"))
        tree = LocalBackend(home.places)._images.unpack(image.digest)
        victim = next(tree.rglob("app.py"))
        victim.chmod(0o644)
        victim.write_text("print('evil')")
        with pytest.raises(PlanRefused, match=r"changed on disk: .*app\.py"):
            await web.plan(image)


async def test_what_was_removed_from_the_disk_is_not_missed_until_it_is_needed(home):
    async with home.fleet(size=1) as web:
        with pytest.raises(Invalid, match="nowhere"):
            await web.plan(str(home.folder / "nowhere"))
        with pytest.raises(Invalid, match=r"web:9.*web:1"):
            await web.plan("web:9")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ({"port": "http"}, "no port"),
        ({"balancer": "nginx"}, "no balancer"),
        ({"isolation": "jail"}, "write bubblewrap or none"),
        ({"color": "red"}, "no setting color; there are: balancer, isolation, port"),
    ],
)
async def test_a_template_that_makes_no_sense_leaves_nothing_behind(home, template, message):
    with pytest.raises((Invalid, InvalidValue), match=message):
        async with home.fleet(**template):
            pass
    assert LocalBackend(home.places)._places.fleets() == ()


async def test_a_front_port_in_use_is_named_and_nothing_is_left(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises((Conflict, InvalidValue), match=str(port)):
            async with home.fleet(port=str(port)):
                pass
    assert LocalBackend(home.places)._places.fleets() == ()


async def test_a_fleet_gets_the_front_port_that_it_asked_for(home):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with home.fleet(size=1, port=str(port)) as web:
        await web.state()
        assert port_of(web) == port


async def test_no_free_port_is_a_shortage_that_says_so(home, monkeypatch):
    async with home.fleet(size=1) as web:
        monkeypatch.setattr(
            "immutable_local.processes.free_port.__defaults__", (27000, 26999), raising=False
        )
        with pytest.raises(PlanRefused, match="no free port"):
            await web.plan(home.image("2"))


async def test_two_who_start_the_supervisor_at_once_start_one(home):
    async with home.fleet(size=1) as web:
        await web.state()
        os.kill(home.pid_of("-m immutable_local "), signal.SIGKILL)
        await asyncio.sleep(0.1)
        states = await asyncio.gather(*(web.state() for _ in range(4)))
        assert {state.ready for state in states} == {1}
        running = [words for words in home.processes().values() if "-m immutable_local " in words]
        assert len(running) == 1


async def test_a_fleet_with_a_name_in_any_script(home):
    async with home.fleet(size=1, name="wäb-店") as web:
        assert (await web.state()).ready == 1
        assert await web.backend.fleets() == ("wäb-店",)


async def test_a_fleet_that_is_deleted_leaves_no_process_and_no_file(home):
    async with home.fleet(size=2) as web:
        await web.replace(home.image("2"), limits=LIMITS)
    assert home.processes() == {}
    assert list((home.places.root / "fleets").iterdir()) == []
    assert list((home.folder / "run" / "immutable").iterdir()) == []
    with pytest.raises(FleetNotFound):
        async with Fleet.connect(
            "local://web", backend=LocalBackend(home.places), journal=":memory:"
        ):
            pass


async def test_what_instances_print_is_kept(home):
    async with home.fleet(size=1) as web:
        (instance,) = (await web.state()).instances
        log = home.places.fleet("web").logs / f"{instance.id}.log"
        assert "listening" in log.read_text()


async def test_isolated_instances_cannot_change_what_they_run_from(home):
    if probe(find_bubblewrap()) is not None:
        pytest.skip(str(probe(find_bubblewrap())))
    folder = Path(home.image("writer"))
    code = (folder / "app.py").read_text()
    attempt = (
        "import os\n"
        "try:\n    os.chmod('/app/app.py', 0o777)\n"
        "except OSError as e:\n    print(e, flush=True)\n"
    )
    first = code.index("from __future__")
    end = code.index("\n", first) + 1
    (folder / "app.py").write_text(code[:end] + attempt + code[end:])
    async with home.fleet("writer", size=1) as web:
        (instance,) = (await web.state()).instances
        log = home.places.fleet("web").logs / f"{instance.id}.log"
        assert "Read-only file system" in log.read_text()


async def test_a_daemon_that_cannot_start_says_why(home):
    places = home.places.fleet("ghost")
    places.make()
    places.record.write_text("{}")
    with pytest.raises(Invalid, match="FleetRecord"):
        await asyncio.to_thread(daemon.start, places, home.places.images)


SCRIPT = """
import asyncio, os, sys
from immutable import Fleet, Limits
limits = Limits(1, min_ready=0.2, boot_timeout=8, drain_timeout=5)
async def main(first, second):
    async with Fleet.create("local://web", first, 2) as web:
        result = await web.replace(second, limits=limits)
        await web.state()
        print(os.getuid(), result.status.value, *web.backend.notes("web"))
        await web.delete()
asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_whole_thing_as_an_ordinary_user(home):
    if os.getuid() != 0:
        pytest.skip("every other test here runs as an ordinary user already")
    images = home.image("1"), home.image("2")
    for path in (home.folder, *home.folder.rglob("*")):
        os.chown(path, 12345, 12345)
    packages = {str(Path(each.__file__).parents[1]) for each in (attrs, immutable, immutable_local)}
    env = {**home.environment(), "HOME": str(home.folder), "PYTHONPATH": ":".join(packages)}
    tried = []
    for python in (sys.executable, "/usr/bin/python3"):
        words = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", python, "-P", "-c"]
        done = await asyncio.to_thread(
            subprocess.run, [*words, SCRIPT, *images], env=env, capture_output=True, text=True,
            check=False, cwd="/",
        )  # fmt: skip
        if done.returncode == 0:
            assert done.stdout.startswith("12345 succeeded")
            assert "isolation=bubblewrap" in done.stdout
            return
        tried.append(done.stderr)
    if all("Permission denied" in each or "No module named" in each for each in tried):
        pytest.skip("user 12345 may run no Python that has the packages")
    pytest.fail("\n".join(tried))
