"""What holds the reference complete sees what is missing; conf.py asks it on each build."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(DOCS / "reference.py"))


def test_everything_is_missing_from_an_empty_reference(script):
    found = script["missing"](set())
    assert {"immutable.Fleet", "immutable.ImageLike", "immutable.gates.Health"} <= set(found)
    assert "immutable.controller.Controller" in found  # A module's name that an example imports.


def test_what_is_described_under_another_name_is_there(script):
    found = script["missing"]({"immutable.Limits", "immutable.backend.CONTRACT"})
    assert "immutable.backend.Limits" not in found
    assert "immutable.backend.CONTRACT" not in found
    # A value is no class: 1 is 1 anywhere.
    assert "immutable.backend.CONTRACT" in script["missing"]({"immutable.Limits"})


def test_imports_are_read_however_they_are_written(script):
    text = (
        "from immutable import Fleet, Image as I\n"
        "    from immutable.gates import (\n        Check,\n        Health,\n    )\n"
        "from immutable_aws.permissions import ACTIONS  # Why.\n"
        "from elsewhere import immutable\nimport immutable\n"
    )
    assert list(script["imported"](text)) == [
        ("immutable", "Fleet"),
        ("immutable", "Image"),
        ("immutable.gates", "Check"),
        ("immutable.gates", "Health"),
        ("immutable_aws.permissions", "ACTIONS"),
    ]


def test_what_is_no_promise_is_imported_by_a_page(script):
    assert set(script["INSIDE"]) <= {module for module, _ in script["used"]()}
