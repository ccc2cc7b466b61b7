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
