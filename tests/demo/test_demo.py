"""The demonstration, as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo" / "demo.py"
OUTCOMES = {
    "rolling": "succeeded",
    "bad image": "rolled back",
    "killed controller": "killed, recovered, succeeded",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def place():
    """A home, a working directory and a place for temporary files; with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="im-"))
    for name in ("home", "work", "tmp"):
        (folder / name).mkdir()
    yield folder
    shutil.rmtree(folder)


def started(place, *words):
    """Start the demonstration, without a terminal."""
    hidden = ("IMMUTABLE_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"HOME": str(place / "home"), "TMPDIR": str(place / "tmp")}
    return subprocess.Popen(
        [sys.executable, str(DEMO), *words], cwd=place / "work", env=env, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def still_running(place):
    """Processes that have the directory in their command line or their environment."""
    mark, found = str(place).encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
                if mark in words or mark in (entry / "environ").read_bytes():
                    found.append(words)
            except OSError:
                continue
    return found


def test_the_demo_keeps_what_it_promises_and_leaves_nothing_behind(place):
    began = time.monotonic()
    demo = started(place, "--json")
    said, errors = demo.communicate(timeout=150)
    seconds = time.monotonic() - began
    assert demo.returncode == 0, errors
    scenarios = json.loads(said.splitlines()[-1])["scenarios"]
    assert {each["name"]: each["outcome"] for each in scenarios} == OUTCOMES
    for each in scenarios:
        assert each["failed"] == 0
        assert each["requests"] >= 500
        assert each["min_available"] >= each["bound_available"] > 0
        assert each["max_total"] <= each["bound_total"]
    assert seconds < 120
    assert still_running(place) == []
    assert [str(left) for left in place.glob("*/*")] == []


def test_a_demo_that_is_interrupted_leaves_nothing_behind_either(place):
    demo = started(place)
    for line in demo.stdout:
        if "grow r2" in line:
            break
    os.killpg(demo.pid, signal.SIGINT)  # As Ctrl-C does.
    said, errors = demo.communicate(timeout=150)
    assert (demo.returncode, "Traceback" in errors) == (130, False), errors
    assert "nothing is left" in said
    assert still_running(place) == []
    assert [str(left) for left in place.glob("*/*")] == []
