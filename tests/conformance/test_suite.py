"""What the suite does for authors: skips with reasons, versions, failures in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import pytest
from attrs import evolve

from immutable.memory import Cloud, MemoryBackend
from immutable.testing import BackendConformance, Breach, LoopClock, Recorder, Skipped
from immutable.testing.check import Check, is_due, run_check
from immutable.testing.checks import catalogue
from immutable.testing.rules import RULES
from tests.conformance.memory import MemoryAuthor

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {check.name: check for check in catalogue()}


class Bare(BackendConformance):
    """An author who has given nothing but the fixture."""

    virtual = True
    images = ("v1", "v2")


def run_bare(check: Check) -> None:
    run_check(check, Bare(), MemoryBackend(Cloud(LoopClock())))


def python(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTEST"))}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env={**unmeasured, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# -- accessors and versions ------------------------------------------------------------------------


def test_what_is_not_declared_is_skipped_and_named():
    with pytest.raises(Skipped, match="needs raw_kill, which lets a server die: implement it"):
        run_bare(CHECKS["a_member_that_dies_is_told"])


def test_most_checks_need_no_accessor():
    needless = [check for check in catalogue() if not check.uses and check.size is not None]
    skipped = []
    for check in needless:
        try:
            run_bare(check)
        except Skipped as reason:
            if not str(reason).startswith("capabilities."):
                skipped.append(check.name)
    assert (len(needless) > 30, skipped) == (True, [])


def test_a_capability_that_is_not_there_is_the_reason_to_skip():
    author = MemoryAuthor()
    backend = author.make()
    backend.capabilities = evolve(backend.capabilities, weighted_traffic=False)
    with pytest.raises(Skipped, match=r"capabilities\.weighted_traffic is False"):
        run_check(CHECKS["the_whole_table_is_set"], author, backend)


@pytest.mark.parametrize(
    ("since", "release", "current", "due"),
    [
        ("0.1", "", "0.1.0", True),
        ("0.3", "", "0.3.2", False),
        ("0.3", "0.2", "0.3.2", False),
        ("0.3", "0.3", "0.3.0", True),
        ("0.3", "", "0.4.0", True),
        ("0.10", "0.9", "0.10.1", False),
        ("0.3", "", "1.0.0", True),
    ],
)
def test_a_new_check_is_opted_into_for_one_minor_release(since, release, current, due):
    assert is_due(since, release, current) is due


def test_a_check_that_is_too_new_says_how_to_have_it():
    check = evolve(CHECKS["a_size_is_absolute"], since="999.0")
    with pytest.raises(Skipped, match=r"new in 999.0: state `release = '999.0'` to run it"):
        run_check(check, MemoryAuthor(), MemoryBackend(Cloud(LoopClock())))


# -- failures --------------------------------------------------------------------------------------


class Lowers(MemoryBackend):
    async def grow(self, fleet, revision, size, *, expected, ctx):
        self.cloud.resize(fleet, revision, size)
        return size


def test_a_failure_says_what_was_seen_and_what_the_rule_says():
    author = MemoryAuthor()
    with pytest.raises(Breach) as caught:
        run_check(CHECKS["growing_never_lowers"], author, author.make(Lowers))
    seen, rule = str(caught.value).split("\n")
    assert seen == "what grow(size=1) returns at size 2: 1, and has to be 2"
    assert rule == f"  G1: {RULES['G1']}"


def test_what_was_started_is_closed_whatever_comes_of_it():
    closed = []

    class Closing(Lowers):
        async def close(self):
            closed.append(True)

    author = MemoryAuthor()
    with pytest.raises(Breach):
        run_check(CHECKS["growing_never_lowers"], author, author.make(Closing))
    assert closed == [True]


# -- pytest ----------------------------------------------------------------------------------------


def example() -> str:
    text = cleandoc(BackendConformance.__doc__ or "")
    _, _, rest = text.partition(".. code-block:: python\n\n")
    lines = rest.split("\n\n``pytest -k")[0].split("\n")
    return "\n".join(line.removeprefix("    ") for line in lines) + "\n"


def test_the_example_is_thirty_lines_and_runs(tmp_path):
    assert len([line for line in example().splitlines() if line.strip()]) <= 30
    (tmp_path / "test_mine.py").write_text(example())
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    words = ("-m", "pytest", "-q", "-p", "immutable_pytest", "-k", "conformance")
    done = python(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "conformance: TestMine: " in done.stdout
    passed = next(line for line in done.stdout.splitlines() if line.startswith("passed: "))
    assert {"G1", "T1", "K5", "R3"} <= set(passed.split())
    assert "skipped: T10: needs raw_protect" in done.stdout
    only = python(*words[:-2], "-m", "conformance", "--collect-only", cwd=tmp_path)
    assert f"{len(CHECKS)} tests collected" in only.stdout


def test_known_failures_are_expected_and_must_not_be_forgotten(tmp_path):
    broken = example().replace(
        "class TestMine(BackendConformance):",
        "class Lowers(MemoryBackend):\n"
        "    async def grow(self, fleet, revision, size, *, expected, ctx):\n"
        "        self.cloud.resize(fleet, revision, size)\n"
        "        return size\n\n\n"
        "class TestMine(BackendConformance):\n"
        "    expected_failures = {'growing_never_lowers': 'known', 'a_size_is_absolute': 'no'}",
    )
    (tmp_path / "test_mine.py").write_text(broken.replace("return MemoryB", "return Lowers  # "))
    text = broken.replace("return MemoryBackend(", "return Lowers(")
    (tmp_path / "test_mine.py").write_text(text)
    which = "growing_never_lowers or a_size_is_absolute or unexpected_size"
    done = python("-m", "pytest", "-q", "-p", "immutable_pytest", "-k", which, cwd=tmp_path)
    assert "conformance: TestMine: 2 failed, 1 xfailed" in done.stdout
    assert "it passes: take it out of expected_failures" in done.stdout
    assert "grow(size=4, expected=1) at size 2: was done (answer 4)" in done.stdout


def test_the_plugin_costs_nothing():
    code = "import sys, json, immutable_pytest; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(python("-c", code).stdout))
    bare = set(json.loads(python("-c", code.replace("immutable_pytest", "typing")).stdout))
    assert loaded - bare <= {"immutable_pytest", "__future__"}
    assert not {"immutable", "attrs", "attr", "asyncio", "pytest"} & loaded


def test_a_run_without_a_suite_imports_nothing_of_the_sdk(tmp_path):
    text = """
        import sys

        def test_nothing_was_imported(request):
            assert request.config.pluginmanager.has_plugin("immutable_pytest")
            assert not {"immutable", "attr", "attrs", "cattrs", "tenacity"} & set(sys.modules)
    """
    (tmp_path / "test_else.py").write_text(cleandoc(text))
    done = python("-m", "pytest", "-q", "-p", "immutable_pytest", cwd=tmp_path)
    assert (done.returncode, "conformance" in done.stdout) == (0, False), done.stdout


def test_the_suite_can_be_imported_without_pytest():
    code = "import sys; sys.modules['pytest'] = None; import immutable.testing; print('fine')"
    assert python("-c", code).stdout == "fine\n"


# -- the recorder ----------------------------------------------------------------------------------


def test_the_recorder_tells_which_bound_was_broken_and_when():
    author = MemoryAuthor()
    author.make()
    recorder = Recorder(floor=3, ceiling=4)
    for ready, size in ((3, 4), (2, 3), (3, 5)):
        recorder.see(_state(ready, size))
    assert recorder.breaches == [
        "at 0.0: 2 READY, floor 3",
        "at 0.0: 5 servers, ceiling 4",
    ]
    assert (recorder.lowest, recorder.highest, recorder.looks) == (2, 5, 3)


def _state(ready: int, size: int):
    from immutable import Image, Revision
    from immutable.backend import FleetState, Group, Instance, InstanceState

    group = Group(Revision(1, Image.of_artifact("memory", "v1")), size)
    members = (Instance(f"i-{n}", 1, InstanceState.READY, ready_since=0.0) for n in range(ready))
    return FleetState("web", 0.0, (group,), tuple(members), last_revision=1)
