"""Images to start from, and proof that nothing is left behind."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from immutable_local import pids
from immutable_local.images import ImageStore, LocalImage
from immutable_local.launches import Isolation, Launch
from immutable_local.sandbox import find_bubblewrap, probe
from tests.support.blocking import detected

MakeImage = Callable[..., LocalImage]


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which the backend blocks the event loop."""
    with detected("immutable_local") as detector:
        for function in detector.functions.values():
            function.can_block_in(__file__, {"make"})
        yield detector


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Fail a test that leaves a process with a mark below its directory."""
    yield
    left = list(_marked(tmp_path))
    deadline = time.monotonic() + 60
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = list(_marked(tmp_path))
    for pid in left:
        os.kill(pid, 9)
    assert not left, "the test left processes"


def _marked(folder: Path) -> Iterator[int]:
    for pid in pids.everyone():
        if pids.variables(pid).get("IMMUTABLE_STATE", "").startswith(str(folder)):
            yield pid


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def make_directory(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a directory with an immutable.toml."""

    def make(files: dict[str, str] | None = None, folder: str = "web", **fields: object) -> Path:
        directory = tmp_path / folder
        directory.mkdir()
        facts = {"name": "web", "version": "1.0", "command": ["/bin/sh", "app.sh"], **fields}
        lines = [f"{name} = {_toml(value)}" for name, value in facts.items() if value is not None]
        (directory / "immutable.toml").write_text("\n".join(lines))
        for path, text in (files or {}).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        return directory

    return make


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = {_toml(each)}' for name, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


@pytest.fixture
def make_image(store: ImageStore, make_directory: Callable[..., Path]) -> MakeImage:
    """Return a function that packs and unpacks an image whose app.sh is the given text."""

    def make(
        script: str = "exec sleep 60",
        files: dict[str, str] | None = None,
        unpacked: bool = True,
        **options: object,
    ) -> LocalImage:
        image = store.pack(make_directory({"app.sh": script, **(files or {})}, **options))
        if unpacked:
            store.unpack(image.digest)
        return image

    return make


@pytest.fixture
def bwrap() -> Path:
    found = find_bubblewrap()
    if found is None:
        pytest.skip("there is no bubblewrap on this machine")
    why = probe(found)
    if why is not None:
        pytest.skip(f"bubblewrap doesn't work on this machine: {why}")
    return found


@pytest.fixture(params=list(Isolation))
def isolation(request: pytest.FixtureRequest) -> Isolation:
    if request.param is Isolation.BUBBLEWRAP:
        request.getfixturevalue("bwrap")
    return request.param


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., Launch]:
    """Return a function that describes an instance of an image."""

    def make(image: LocalImage, instance: str = "web-1", **options: object) -> Launch:
        facts = {
            "fleet": "shop",
            "revision": 3,
            "port": 27001,
            "state": tmp_path / "state",
            "log": tmp_path / "logs" / f"{instance}.log",
            **options,
        }
        return Launch(instance=instance, image=image, **facts)

    return make


@pytest.fixture
def until() -> Callable[..., object]:
    """Return a function that waits until something is true, a minute at most."""

    async def wait(condition: Callable[[], object]) -> object:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = condition()
            if found:
                return found
            await asyncio.sleep(0.005)
        raise AssertionError("it didn't become true within a minute")

    return wait
