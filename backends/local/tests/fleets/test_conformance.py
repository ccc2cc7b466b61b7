"""The conformance suite on real processes, looked at through /proc and the fleet's front end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from immutable.backend import Context, FrozenMap, Revision
from immutable.testing import BackendConformance
from immutable_local import LocalBackend
from immutable_local.records import FleetRecord, load

TEMPLATE = FrozenMap({"balancer": "builtin"})
_LONGEST = 50.0
"""Seconds that the sample application can take for an answer, with some to spare."""


@pytest.fixture(autouse=True)
def blockbuster():
    """The blocking calls here are the tests' own: reading /proc, killing, editing files."""
    return


class Spares:
    """Fleets of one server, the next one made while a check is at work with the last one."""

    def __init__(self, home) -> None:
        self.home = home
        self.images = (home.image("1"), home.image("2"))
        self._numbers = count()
        self._thread = ThreadPoolExecutor(1)
        self._next = self._begin()

    def _begin(self):
        name = f"spare{os.getpid()}x{next(self._numbers):03d}"
        return name, self._thread.submit(lambda: asyncio.run(self._make(name)))

    async def _make(self, name):
        backend = LocalBackend(self.home.places)
        revision = Revision(1, await backend.resolve(self.images[0]), template=TEMPLATE)
        await backend.create_fleet(name, revision)
        ctx = Context("made", "", 1, f"made-{name}", 60)
        await backend.grow(name, 1, 1, expected=0, ctx=ctx)
        return revision

    async def take(self):
        name, making = self._next
        revision = await asyncio.wrap_future(making)
        self._next = self._begin()
        return name, revision

    def close(self):
        self._thread.shutdown()
        self.end(self._next[0])

    def end(self, fleet):
        """End all that runs for a fleet, its supervisor first, lest it starts what was ended."""
        deadline = time.monotonic() + 60
        while running := self.home.processes(fleet):
            assert time.monotonic() < deadline, f"can't be ended: {running}"
            for pid in sorted(running, key=lambda pid: "-m immutable_local " not in running[pid]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        # Else whoever lists fleets and looks at each would bring it back to life.
        shutil.rmtree(self.home.places.fleet(fleet).state, ignore_errors=True)


@pytest.fixture(scope="class")
def spares(shared_home):
    made = Spares(shared_home)
    yield made
    made.close()


class TestLocal(BackendConformance):
    url = "local://{fleet}"
    release = "0.1"
    template = TEMPLATE
    patience = 30.0
    poll = 0.05
    drain_timeout = 1.0

    @pytest.fixture
    def backend(self, spares):
        self.spares, self.home = spares, spares.home
        self.images = spares.images
        self.open = []
        return self.second()

    def second(self):
        return LocalBackend(self.home.places)

    async def make_fleet(self, backend, fleet, revision, size):
        name, made = await self.spares.take()
        assert made == revision
        if size > 1:
            ctx = Context("made", "", 1, f"made-{name}", 60)
            await backend.grow(name, 1, size, expected=1, ctx=ctx)
        return name

    async def remove_fleet(self, backend, fleet):
        for writer in self.open:
            writer.close()
        await asyncio.to_thread(self.spares.end, fleet)

    async def image_source(self):
        return self.home.image("3")

    # -- what there really is ------------------------------------------------------------------

    def applications(self, fleet) -> dict[int, tuple[str, int]]:
        """The sample application's processes: whose they are, and of which revision."""
        found = {}
        for pid, words in self.home.processes(fleet).items():
            with suppress(OSError):
                lines = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
                told = dict(line.decode().partition("=")[::2] for line in lines)
                if "IMMUTABLE_ID" in told and "app.py" in words and "bwrap" not in words:
                    found[pid] = (told["IMMUTABLE_ID"], int(told["IMMUTABLE_REVISION"]))
        return found

    async def raw_members(self, fleet, revision):
        return {name for name, number in self.applications(fleet).values() if number == revision}

    async def raw_writers(self, fleet):
        found = {}
        for pid in self.applications(fleet):
            with suppress(OSError, KeyError):
                lines = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
                told = dict(line.decode().partition("=")[::2] for line in lines)
                found.setdefault(told["IMMUTABLE_SLOT"], set()).add(told["IMMUTABLE_ID"])
        return found

    def note(self, fleet, slot, volume):
        return self.home.places.fleet(fleet).volumes / slot / volume / "data" / "note"

    async def raw_write(self, fleet, slot, volume, text):
        self.note(fleet, slot, volume).write_text(text)

    async def raw_read(self, fleet, slot, volume):
        return self.note(fleet, slot, volume).read_text()

    async def raw_lose_volume(self, fleet, slot, volume):
        shutil.rmtree(self.home.places.fleet(fleet).volumes / slot / volume)

    async def raw_serving(self, fleet):
        return set(await self.send(fleet, 24))

    async def raw_kill(self, fleet, instance):
        self.signal(fleet, instance, signal.SIGKILL)

    async def raw_fail_health(self, fleet, instance):
        self.signal(fleet, instance, signal.SIGSTOP)

    def signal(self, fleet, instance, what):
        for pid, (name, _) in self.applications(fleet).items():
            if name == instance:
                os.kill(pid, what)

    # -- the front end -------------------------------------------------------------------------

    async def ask(self, fleet, path):
        """Send a request to the fleet on a connection of its own."""
        port = load(self.home.places.fleet(fleet).record, FleetRecord).port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return reader, writer

    async def send(self, fleet, count):
        answered = Counter()
        for _ in range(count):
            reader, writer = await self.ask(fleet, "/")
            head, _, _ = (await reader.read()).decode().partition("\r\n\r\n")
            writer.close()
            headers = dict(line.lower().partition(": ")[::2] for line in head.split("\r\n"))
            if " 200 " in head.split("\r\n")[0]:
                answered[headers["immutable-instance"]] += 1
        return answered

    async def slow_drains(self, fleet, seconds):
        for _ in range(12):
            _, writer = await self.ask(fleet, f"/slow?s={min(seconds, _LONGEST):g}")
            self.open.append(writer)
        await asyncio.sleep(0.2)  # Until they are with the instances.
