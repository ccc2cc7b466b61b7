"""The demonstration, as somebody runs it who has just cloned the repository."""

from __future__ import annotations

import json
import os
import shutil
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


def run(place, *words):
    """Run the demonstration without a terminal; returns what it said and how long it took."""
    hidden = ("IMMUTABLE_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"HOME": str(place / "home"), "TMPDIR": str(place / "tmp")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(DEMO), *words], cwd=place / "work", env=env, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    return done, time.monotonic() - began


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
    done, seconds = run(place, "--json")
    assert done.returncode == 0, done.stderr
    scenarios = json.loads(done.stdout.splitlines()[-1])["scenarios"]
    assert {each["name"]: each["outcome"] for each in scenarios} == OUTCOMES
    for each in scenarios:
        assert each["failed"] == 0
        assert each["requests"] >= 500
        assert each["min_available"] >= each["bound_available"] > 0
        assert each["max_total"] <= each["bound_total"]
    assert seconds < 120
    assert still_running(place) == []
    assert [str(left) for left in place.glob("*/*")] == []
