"""A home for fleets that vanishes with the test, images for them, and traffic at them."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import define

from immutable import Fleet, Limits, NothingToRecover, open_journal
from immutable_local import LocalBackend
from immutable_local.places import Places

ROOT = Path(__file__).resolve().parents[4]
LIMITS = Limits(max_surge=2, min_ready=0.3, boot_timeout=60, drain_timeout=60)


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


traffic = _load(ROOT / "examples" / "traffic.py")


@define
class Home:
    """Directories of one test."""

    folder: Path

    @property
    def places(self) -> Places:
        return Places(self.folder / "local")

    @property
    def journal(self) -> str:
        return str(self.folder / "journal.db")

    def image(self, version: str, *, name: str = "web", **environment: str) -> str:
        """Lay out a version of the sample application."""
        place = self.folder / f"{name}-{version}"
        if not place.exists():
            place.mkdir()
            shutil.copy(ROOT / "examples" / "webapp" / "app.py", place)
            (place / "VERSION").write_text(version)
            recipe = (ROOT / "examples" / "webapp" / "immutable.toml").read_text()
            recipe = recipe.replace('version = "1"', f'version = "{version}"')
            settings = "".join(f'{k} = "{v}"\n' for k, v in environment.items())
            (place / "immutable.toml").write_text(f"{recipe}\n[environment]\n{settings}")
        return str(place)

    def environment(self) -> dict[str, str]:
        """What a command needs to find this home."""
        return {
            **os.environ,
            "IMMUTABLE_LOCAL_DIR": str(self.places.root),
            "IMMUTABLE_JOURNAL": self.journal,
        }

    @asynccontextmanager
    async def fleet(self, version="1", size=3, *, name="web", limits=LIMITS, **template):
        """A fleet that is made and removed again."""
        journal = await open_journal(self.journal)
        backend = LocalBackend(self.places)
        try:
            async with Fleet.create(
                f"local://{name}", self.image(version), size, limits=limits, template=template,
                backend=backend, journal=journal,
            ) as made:  # fmt: skip
                try:
                    yield made
                finally:
                    with suppress(NothingToRecover):
                        await made.recover()
                    await made.delete()
        finally:
            await journal.close()

    def processes(self, mark: str = "") -> dict[int, str]:
        """Everything that runs for this home, or for one of its fleets, named as *mark*."""
        found, mark = {}, (mark or str(self.folder)).encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                    marked = mark in words or mark in (entry / "environ").read_bytes()
                except OSError:
                    continue
                if marked and words:
                    found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        return found

    def pid_of(self, what: str) -> int:
        """The process of which *what* is in the command line."""
        return next(pid for pid, words in self.processes().items() if what in words)


def port_of(fleet) -> int:
    """Where a fleet's front end listens."""
    return int(fleet.backend.notes(fleet.name)[0].split()[0].rpartition(":")[2])


class Load(traffic.Traffic):
    """Traffic whose requests that are in flight can be waited for."""

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self._flying = set()

    async def _request(self, client, link):
        request = object()
        self._flying.add(request)
        try:
            return await super()._request(client, link)
        finally:
            self._flying.discard(request)

    async def turned_over(self):
        """Wait until every request that is in flight now has ended."""
        then = set(self._flying)
        while then & self._flying:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def load(fleet, rate: float = 150.0, **clients: int):
    """Traffic at a fleet, without retries."""
    await fleet.state()
    kinds = clients or {"keepalive": 6, "fresh": 2, "post": 1, "slow": 3, "stream": 1}
    shape = {"slow": 0.7, "stream": 1.5}
    async with Load(
        "127.0.0.1", port_of(fleet), clients=kinds, rate=rate, seconds=shape
    ) as running:
        yield running


async def wait_until(condition, seconds=60.0):
    """Wait for something that happens by itself."""
    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.05)
    return found


@contextmanager
def made_home():
    """Directories that vanish, and a failure if anything runs on in them."""
    folder = Path(tempfile.mkdtemp(prefix="im-"))
    (folder / "run").mkdir(mode=0o700)
    made = Home(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        yield made
    left = made.processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"left running: {left}"


@pytest.fixture
def home():
    with made_home() as made:
        yield made


@pytest.fixture(scope="class")
def shared_home():
    """The same, for all tests of a class."""
    with made_home() as made:
        yield made
