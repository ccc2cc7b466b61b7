"""Pages whose commands are typed again, each in a home of its own: what they show is printed."""

from __future__ import annotations

import sys

import pytest

from tests.support.walking import ROOT, hold

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="local fleets need Linux"),
]
DOCS = ROOT / "docs"


def test_the_tutorial():
    hold(DOCS / "tutorial.md", {"web-3 --boot-timeout": 3, "forged.jsonl $": 1})


def test_operations():
    codes = {
        "replace local://web web:1": 5,
        "replace local://web web:1 --reason": 0,
        "postgresql://": 1,
        "plan local://web web:2 --env": 5,
        "immutable drift": 7,
    }
    hold(DOCS / "operations.md", codes)
