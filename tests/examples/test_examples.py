"""Every example runs, and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def output(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rolling_in_memory():
    said = output("rolling_in_memory.py")
    assert "at least 10 available, at most 12 existing" in said
    assert "v2: succeeded" in said
    assert "bad: rolled_back, 3 candidate instances failed" in said
    assert "now: 10 ready on r2 v2" in said


def test_canary_in_memory():
    said = output("canary_in_memory.py")
    assert "5 % of the traffic to the candidate" in said
    assert "v2: succeeded after" in said
    assert "rolled back: analysis of backend traffic" in said
    assert "worse than stable: errors" in said


def test_rehearse_in_memory():
    said = output("rehearse_in_memory.py")
    assert "succeeded 20" in said
    assert "extra capacity" in said
    assert "BadImage(errors=0.03" in said
    assert "{'rolled_back': 10}" in said
    assert "BlueGreen" in said
