"""What README.md shows is what happens: its Python block runs, and its walk is typed again."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.walking import ROOT, blocks, hold, steps

README = ROOT / "README.md"


def alone() -> list[str]:
    """Return the Python blocks before the walk, each a program of its own."""
    languages = [language for language, _ in blocks(README)]
    before = blocks(README)[: languages.index("console")]
    return [text for language, text in before if language == "python"]


def test_the_blocks_are_found():
    assert len(alone()) == 1
    assert sum("immutable " in step.command for step in steps(README)) >= 9


@pytest.mark.parametrize("program", alone())
def test_the_python_example_runs(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 available at least, 13 existing at most" in done.stdout
    assert re.search(r"succeeded after \d+", done.stdout)


def test_what_is_made_is_there_to_be_made():
    """Steps that install are not taken here, for they want a package index."""
    asked = [
        word
        for language, text in blocks(README)
        if language == "sh"
        for line in text.splitlines()
        for word in re.findall(r"^make (\w+)", line)
    ]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "install", "test"} <= set(asked) <= set(targets)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="local fleets need Linux")
def test_the_walk_shows_what_is_shown():
    # The one that is to go back says so by its exit code.
    hold(README, {"APP_HEALTHY=0": 3})
