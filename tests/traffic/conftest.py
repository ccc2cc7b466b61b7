"""The sample application as a process, and the load generator as a module."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


class Running:
    """A started application; `port` is known once it listens."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "PORT": "0", "IMMUTABLE_ID": "web-1-a", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = 0

    def listening(self) -> "Running":
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.port = int(line.split()[-1])
        return self

    def connect(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.connect()
        return connection

    def end(self) -> tuple[int, str]:
        """Wait for the process; return its exit code and what it said of errors."""
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the application with an environment; none is left over."""
    started: list[Running] = []

    def launch(path: Path | None = None, code: str = "", **environ: str) -> Running:
        program = ["-c", code] if code else [str(path or EXAMPLES / "webapp" / "app.py")]
        started.append(Running([sys.executable, "-I", "-S", "-B", *program], environ))
        return started[-1]

    yield launch
    for running in started:
        running.process.kill()
        running.process.communicate()


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """The module ``examples/traffic.py``; examples are no package."""
    spec = importlib.util.spec_from_file_location("examples_traffic", EXAMPLES / "traffic.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
