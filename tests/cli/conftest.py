"""The command against a simulated cloud: in real but short time, and in virtual time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from attrs import evolve
from click.testing import CliRunner

from immutable import Fleet, Limits
from immutable.backend import Capabilities, Group, Image, SystemClock
from immutable.cli.commands import cli
from immutable.controller import Controller
from immutable.memory import Cloud, Laws, MemoryBackend, fixed
from immutable.registry import _registered, register
from immutable.testing import LoopClock, VirtualLoop
from tests.support.shape import held
from tests.support.world import revision

LIMITS = Limits(1, min_ready=0, boot_timeout=0.3, drain_timeout=1)
URL = "sim://web"


class SimBackend(MemoryBackend):
    """A cloud for one test, reached by ``sim://``."""

    cloud_of_the_test: Cloud
    capabilities = evolve(
        Capabilities(create_fleet=True, boot=0.02, drain=0.01, terminate=0.01),
        poll=0.01,
        late_effect=0.05,
        limits=LIMITS,
    )

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.capabilities = type(self).capabilities

    @classmethod
    def from_url(cls, url, *, clock):
        return cls(cls.cloud_of_the_test)

    def notes(self, fleet):
        return ("simulated",)

    async def build_image(self, source):
        return Image.of_artifact("sim", source, name="web")

    async def images(self):
        return (await self.build_image("v1"),)


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """A journal, an actor, wide lines, and ``sim://``."""
    before = dict(_registered)
    register("sim", SimBackend)
    monkeypatch.setenv("IMMUTABLE_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("IMMUTABLE_ACTOR", "ada")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield
    _registered.clear()
    _registered.update(before)


@pytest.fixture
def cloud(surroundings):
    laws = Laws(boot=fixed(0.02), drain=fixed(0.01), terminate=fixed(0.01))
    SimBackend.cloud_of_the_test = Cloud(SystemClock(), laws=laws)
    return SimBackend.cloud_of_the_test


@pytest.fixture
def run(cloud):
    def go(*words, code=0):
        result = CliRunner().invoke(cli, [str(word) for word in words])
        assert result.exit_code == code, result.output + repr(result.exception)
        if "--json" in words:
            held([str(word) for word in words], result.stdout)
        return result

    return go


class Lab:
    """A fleet of four that clients ask, and a loop on virtual time that all commands share.

    Time passes only while a command runs or the test waits, so a rollout that is driven beside the
    commands stands still in between.
    """

    def __init__(self, monkeypatch) -> None:
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self._begun.wait(10)
        self._patch = monkeypatch
        self._patch.setattr("immutable.connecting.SystemClock", LoopClock)
        self.cloud = self.do(self._cloud())

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(self._until_closed())

    async def _until_closed(self) -> None:
        self.loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
        self.loop.outside += 1
        self._begun.set()
        await self._closed.wait()
        self.loop.outside -= 1

    def close(self) -> None:
        """End what still runs, and the loop."""
        self.loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    async def _cloud(self) -> Cloud:
        laws = Laws(boot=fixed(20), drain=fixed(5), terminate=fixed(5))
        made = Cloud(LoopClock(), laws=laws)
        made.settled_fleet("web", Group(revision(), 0), 4)
        made.fleets["web"].clients.rate = 500.0
        SimBackend.cloud_of_the_test = made
        return made

    def do(self, coroutine):
        """Run a coroutine on the loop while time passes, and return its result."""

        async def guarded():
            self.loop.outside -= 1
            try:
                return await coroutine
            except SystemExit as error:  # It would end the loop.
                return error
            finally:
                self.loop.outside += 1

        result = asyncio.run_coroutine_threadsafe(guarded(), self.loop).result(60)
        if isinstance(result, SystemExit):
            raise result
        return result

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.do(asyncio.sleep(seconds))

    def run(self, *words, code=0, terminal=False):
        """Run a command, and return what came of it."""
        with self._patch.context() as patch:
            patch.setattr("immutable.cli.running.asyncio.run", self.do)
            if terminal:
                patch.delenv("CI", raising=False)
                patch.setenv("FORCE_COLOR", "1")
                patch.setenv("TERM", "xterm-256color")
            result = CliRunner().invoke(cli, [str(word) for word in words])
        assert result.exit_code == code, result.output + repr(result.exception)
        if "--json" in words:
            held([str(word) for word in words], result.stdout)
        return result

    @property
    def sizes(self) -> dict[int, int]:
        """The size of each group, by revision number."""
        return {n: group.shown.size for n, group in self.cloud.fleets["web"].groups.items()}

    @asynccontextmanager
    async def fleet(self):
        async with Fleet.connect(URL) as fleet:
            yield fleet

    def begin(self, *strategy, after: float, image: str = "v2") -> Driven:
        """Let another process replace the image, and wait *after* seconds."""

        async def start():
            driven = Driven(self)
            driven.task = asyncio.ensure_future(driven.drive(image, *strategy))
            await driven.begun.wait()
            return driven

        driven = self.do(start())
        self.wait(after)
        return driven


class Driven:
    """A rollout that another process drives."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.begun = asyncio.Event()
        self.task: asyncio.Task | None = None
        self.result = None

    async def drive(self, *arguments) -> None:
        async with self._lab.fleet() as fleet:
            self.fleet = fleet
            rollout = fleet.replace(*arguments)
            self.begun.set()
            self.result = await rollout.end()
            self.id = rollout.id

    def stop(self) -> None:
        """End the process at a safe point, as Ctrl-C would."""

        async def stop():
            self.task.cancel()
            await asyncio.wait({self.task})

        self._lab.do(stop())

    def kill(self) -> None:
        """End the process so that its lease goes on until it is over."""

        async def nothing(_):
            pass

        self.fleet._journal.release = nothing
        self.stop()

    def end(self):
        """Wait for the end of the rollout, and return it."""

        async def end():
            await asyncio.wait_for(asyncio.shield(self.task), 100_000)

        self._lab.do(end())
        return self.result


@pytest.fixture
def lab(surroundings, monkeypatch):
    able = Capabilities(
        create_fleet=True, weighted_traffic=True, traffic_stats=True, boot=20, drain=5,
        limits=Limits(max_surge=1, min_ready=5, boot_timeout=60, drain_timeout=30),
    )  # fmt: skip
    monkeypatch.setattr(SimBackend, "capabilities", able)
    made = Lab(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def controlled(run, monkeypatch):
    """Let a controller work until something is so in its journal, however long that takes here."""
    endless = Controller.run

    def go(until):
        async def brief(self):
            working = asyncio.ensure_future(endless(self))
            try:
                async with asyncio.timeout(60):
                    while not await until(self._journal):
                        await asyncio.sleep(0.02)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

        monkeypatch.setattr(Controller, "run", brief)
        return run("controller")

    return go
