"""The pictures and tables of docs/strategies.md are what its runs give."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_SHOWN = ("r1 ready", "at least ready", "minutes")


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        yield runpy.run_path(str(DOCS / "pictures.py"))


@pytest.fixture(scope="module")
def files(script):
    return script["files"]()


def test_the_pictures_and_tables_are_not_stale(files):
    stale = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python docs/pictures.py"


def test_no_picture_is_left_that_nothing_makes(files):
    assert set((DOCS / "pictures").glob("*")) == {path for path in files if path.suffix == ".svg"}


def test_each_picture_says_in_words_what_it_shows_and_can_be_read_in_the_dark(files):
    for path, text in files.items():
        if path.suffix == ".svg":
            tree = ET.fromstring(text)
            names = [each.tag.rsplit("}")[-1] for each in tree]
            assert names[:3] == ["title", "desc", "style"]
            assert "prefers-color-scheme: dark" in text
            words = ("seconds",) if path.name.startswith("report-") else _SHOWN
            assert all(word in text for word in words)


def test_every_run_stays_inside_what_its_plan_promises(script):
    for scenario in script["SCENARIOS"].values():
        made = script["run"](script["played"](scenario))
        bounds = made.plan.bounds
        assert min(sum(look.ready) for look in made.looks) >= bounds.floor
        assert max(look.existing for look in made.looks) <= bounds.ceiling
