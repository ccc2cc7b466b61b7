"""The examples in docstrings and in the pages of docs/ do what they say."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import immutable
import immutable_local

DOCS = Path(__file__).parents[2] / "docs"
CONTRACT = (DOCS / "contract.md").read_text(encoding="utf-8")
CLOUD = (DOCS / "simulated-cloud.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"^```(?:python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    """Return the modules that have examples; no other is imported for this."""
    found = []
    for package in (immutable, immutable_local):
        root = Path(package.__file__).parent
        for file in sorted(root.rglob("*.py")):
            if ">>> " in file.read_text(encoding="utf-8"):
                parts = file.relative_to(root.parent).with_suffix("").parts
                found.append(".".join(parts).removesuffix(".__init__"))
    return found


def examples(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


def test_there_are_examples():
    found = [test.name for name in modules() for test in examples(name)]
    assert "immutable.fleet.Fleet" in found
    assert "immutable_local.balancing.members.total" in found


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_modules_docstrings_are_true(name):
    runner, said = doctest.DocTestRunner(), []
    for test in examples(name):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_the_contracts_trace_is_what_its_program_prints():
    program, output = BLOCKS.findall(CONTRACT)[-2:]
    assert program.startswith("# trace.py")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = iter(done.stdout.splitlines())
    shown = [line for line in output.splitlines() if not line.startswith(("#", "  ..."))]
    assert len(shown) > 40
    assert [line for line in shown if line not in printed] == []


def test_the_simulated_clouds_bad_day_ends_as_its_page_says():
    program, output = BLOCKS.findall(CLOUD)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == output
