"""All of it holds for a user without any privilege, too."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import pytest

import immutable
import immutable_local

USER = 12345
HERE = Path(__file__).parent
ROOT = HERE.parents[3]

# setpriv still has root's rights when it executes the program: what the user may run shows after.
TRIAL = """
import os, sys
import pytest, pytest_asyncio, blockbuster, immutable_local.processes
assert os.access(sys.executable, os.X_OK), "this user may not run it"
"""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv here"),
]


@pytest.fixture
def as_user(tmp_path):
    """Return a function that runs Python as an ordinary user, with the same packages."""
    packages = {str(Path(each.__file__).parents[1]) for each in (attrs, immutable, immutable_local)}
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sorted(packages))}
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    why = ""
    for python in (sys.executable, "/usr/bin/python3"):
        words = [*become, python, "-P"]

        def run(*arguments: str, words=words) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*words, *arguments],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                env={**variables, "HOME": "/nonexistent"},
            )

        tried = run("-c", TRIAL)
        if tried.returncode == 0:
            return run
        why += f"; {python}: {tried.stderr.strip()[-200:]}"
    pytest.skip(f"no Python that user {USER} may run has the packages{why}")
    return None


@pytest.fixture
def folder():
    """A folder of that user's; pytest keeps its own for root alone, whenever it starts."""
    with tempfile.TemporaryDirectory(prefix="immutable-user-") as name:
        os.chown(name, USER, USER)
        yield Path(name)


@pytest.mark.parametrize("module", ["images", "sandbox", "processes"])
def test_an_ordinary_user_can_do_all_that_root_can(as_user, module, folder):
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-c"]

    done = as_user(
        *("-B", "-m", "pytest", str(HERE / f"test_{module}.py"), *options),
        *(str(ROOT / "pyproject.toml"), "--basetemp", str(folder / "tests")),
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert not [line for line in skipped if "bubblewrap" in line]
