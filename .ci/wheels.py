"""Build all wheels, install them into a clean environment, and run the tests on them there.

The tests are copied away from the sources first, so that nothing but the wheels can be imported.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import template

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = (ROOT, *(ROOT / "backends" / name for name in ("aws", "azure", "gcp", "local")))
TESTS = (
    "tests/api",
    "tests/planning",
    "tests/engine/test_rolling.py",
    "tests/cli",
    "tests/conformance/test_memory.py",
    "tests/conformance/test_suite.py",
    "tests/metrics/test_call.py",
)
NEEDED = ("blockbuster", "hypothesis", "pytest", "pytest-asyncio", "pytest-timeout")


def run(*words: str | Path, cwd: Path = ROOT) -> None:
    """Run a command, and stop if it fails."""
    print("$", *words, flush=True)
    subprocess.run([str(word) for word in words], cwd=cwd, check=True)


def build(into: Path) -> list[Path]:
    """Build a wheel and a source distribution of every project."""
    for project in PROJECTS:
        run(sys.executable, "-m", "build", "--outdir", into, project)
    return sorted(into.glob("*.whl"))


def main() -> None:
    """Build, install, test; then a backend made from the template, by `template.py`."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wheels = build(place / "dist")
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        quiet = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
        core = next(wheel for wheel in wheels if wheel.name.startswith("immutable_sdk"))
        others = [wheel for wheel in wheels if wheel != core]
        extras = "cli,otel,scan,webhooks"
        run(python, "-m", "pip", "install", *quiet, f"{core}[{extras}]", *others, *NEEDED)
        shutil.copytree(ROOT / "tests", place / "project" / "tests")
        shutil.copytree(ROOT / "examples", place / "project" / "examples")
        # Scripts for auditors, and what the command's --json looks like.
        shutil.copytree(
            ROOT / "docs", place / "project" / "docs", ignore=shutil.ignore_patterns("_build")
        )
        shutil.copy(ROOT / "pyproject.toml", place / "project")
        run(
            python, "-m", "pytest", "-q", "-m", "not slow", *TESTS, cwd=place / "project"
        )  # fmt: skip
        template.prove(core, place / "outside")


if __name__ == "__main__":
    main()
