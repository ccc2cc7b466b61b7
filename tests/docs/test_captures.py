"""What the page of the command shows is what the command prints."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def files():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMMUTABLE_JOURNAL", raising=False)
        patch.syspath_prepend(str(DOCS))
        return runpy.run_path(str(DOCS / "captures.py"))["files"]()


def test_the_captures_are_not_stale(files):
    stale = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python docs/captures.py"


def test_each_is_shown_and_none_is_left_that_nothing_makes(files):
    assert set((DOCS / "captures").iterdir()) == set(files)
    page = (DOCS / "command.md").read_text(encoding="utf-8")
    assert all(f"captures/{path.name}" in page for path in files)


def test_they_end_as_they_should(files):
    shown = {path.stem: text for path, text in files.items()}
    assert shown["replace"].splitlines()[-1].startswith("succeeded in ")
    assert "4 wanted + 1 surge - 4 existing = 1 may start" in shown["replace"]
    assert "digest       sha256:" in shown["plan"]
    assert "25 % of the traffic" in shown["live"]
