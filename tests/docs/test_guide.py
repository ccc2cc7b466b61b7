"""docs/writing-a-backend.md: its code is the template's or runs, its steps select checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from immutable.testing.checks import catalogue
from immutable.testing.rules import RULES

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "backend-template"
GUIDE = (ROOT / "docs" / "writing-a-backend.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n# (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SHOWN = [(file, text) for file, text in BLOCKS if file.startswith("immutable_acme/")]
STEPS = re.findall(r"^\| \d .*\| `([^`]+)` \|$", GUIDE, re.MULTILINE)


def test_every_python_block_is_checked():
    assert len(BLOCKS) == GUIDE.count("```python")
    assert len(SHOWN) == 3
    assert [file for file, _ in BLOCKS if (file, _) not in SHOWN] == ["tests/test_minimal.py"]


@pytest.mark.parametrize(("file", "text"), SHOWN)
def test_what_is_shown_is_in_the_template(file, text):
    assert text in (TEMPLATE / file).read_text(encoding="utf-8")


def test_the_smallest_suite_runs(tmp_path):
    (text,) = [text for file, text in BLOCKS if file == "tests/test_minimal.py"]
    for name in ("cloud.py", "conftest.py"):
        (tmp_path / name).write_text((TEMPLATE / "tests" / name).read_text())
    (tmp_path / "test_minimal.py").write_text(dedent(text))
    path = os.pathsep.join(
        [str(TEMPLATE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    checks = "a_size_is_absolute or exactly_the_named or slow_drain"
    plugins = ("-p", "no:asyncio", "-p", "immutable_pytest")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "-k", checks, tmp_path],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conformance: TestMinimal: 2 passed, 1 skipped" in done.stdout
    assert "skipped: T9: needs slow_drains" in done.stdout


@pytest.mark.parametrize("expression", STEPS)
def test_each_step_selects_checks(expression):
    for word in expression.split(" or "):
        assert [check for check in catalogue() if word in check.name], f"{word} selects nothing"


def test_the_steps_are_found():
    assert len(STEPS) == 9


def test_what_a_broken_backend_is_told_is_what_the_check_says():
    (check,) = [check for check in catalogue() if check.name == "growing_never_lowers"]
    assert f"{check.name}: {check.title}" in GUIDE
    assert f"  G1: {RULES['G1']}" in GUIDE


def test_the_rules_that_it_names_are_rules():
    named = set(re.findall(r"\b([A-Z]\d{1,2})\b", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)))
    assert len(named) > 30
    assert named <= RULES.keys()


@pytest.mark.parametrize("file", sorted((TEMPLATE / "immutable_acme").glob("*.py")))
def test_the_template_uses_the_doors_of_third_parties(file):
    found = re.findall(r"^(?:from|import) (immutable\S*)", file.read_text(), re.MULTILINE)
    allowed = ("immutable.backend", "immutable.errors")
    assert [each for each in found if each not in allowed and "immutable_acme" not in each] == []
