"""The examples in docstrings and in docs/contract.md do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import immutable
import immutable_local

CONTRACT = (Path(__file__).parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")


def modules() -> list[str]:
    found = []
    for package in (immutable, immutable_local):
        below = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found += [package.__name__, *(each.name for each in below)]
    return [name for name in found if not name.endswith("__main__")]


def examples(name: str) -> list[doctest.DocTest]:
    module = importlib.import_module(name)
    return [test for test in doctest.DocTestFinder().find(module) if test.examples]


def test_there_are_examples():
    found = [test.name for name in modules() for test in examples(name)]
    assert "immutable.fleet.Fleet" in found
    assert "immutable_local.balancing.members.total" in found


@pytest.mark.parametrize("name", [name for name in modules() if examples(name)])
def test_the_examples_of_a_modules_docstrings_are_true(name):
    runner, said = doctest.DocTestRunner(), []
    for test in examples(name):
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_the_contracts_trace_is_what_its_program_prints():
    blocks = re.compile(r"^```(?:python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    program, output = blocks.findall(CONTRACT)[-2:]
    assert program.startswith("# trace.py")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = iter(done.stdout.splitlines())
    shown = [line for line in output.splitlines() if not line.startswith(("#", "  ..."))]
    assert len(shown) > 40
    assert [line for line in shown if line not in printed] == []
