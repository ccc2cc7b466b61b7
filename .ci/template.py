"""Prove that a backend can be written outside of this repository, from the template.

It is copied and renamed by the very commands that docs/writing-a-backend.md shows, built as a
wheel, and installed beside the core's wheel into a clean environment. There its tests run, the
conformance suite among them, and the command finds it by its address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "writing-a-backend.md"


def run(*words: str | Path, cwd: Path, expect: int = 0) -> str:
    """Run a command, return what it printed, and stop if it ends otherwise than expected."""
    print("$", *words, flush=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=kept, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    print(done.stdout, flush=True)
    if done.returncode != expect:
        sys.exit(f"it ended with {done.returncode}, and has to end with {expect}")
    return done.stdout


def copied(into: Path) -> Path:
    """Copy and rename the template as the guide says; return the folder."""
    (script,) = re.findall(r"^```sh\n(cp -r .*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    # As in a fresh checkout: without what earlier runs left.
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    checkout = into / "immutable" / "examples" / "backend-template"
    shutil.copytree(ROOT / "examples" / "backend-template", checkout, ignore=ignore)
    run("sh", "-euc", script, cwd=into)
    (folder,) = into.glob("immutable-*")
    files = [path for path in folder.rglob("*") if path.is_file()]
    left = [path for path in files if "acme" in f"{path.name} {path.read_text()}".lower()]
    if left:
        sys.exit(f"the guide's commands leave the old name in {left}")
    return folder


def prove(core: Path, place: Path) -> None:
    """Copy, build, install and test.

    Args:
        core: The wheel of immutable-sdk.
        place: An empty folder outside of the repository.
    """
    (place / "source").mkdir(parents=True)
    folder = copied(place / "source")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", place, folder, cwd=place)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "venv", with_pip=True)
    tools = place / "venv" / "bin"
    quiet = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
    install = (tools / "python", "-m", "pip", "install", *quiet)
    run(*install, f"{core}[cli,testing]", wheel, cwd=place)
    # What is tested is the wheel: the package's source is not there any more.
    (package,) = folder.glob("immutable_*")
    package.rename(place / "not-to-be-imported")
    said = run(tools / "python", "-m", "pytest", "-q", cwd=folder)
    print(re.findall(r"^=+ (conformance: .*?) =+$", said, re.MULTILINE)[0])
    scheme = package.name.removeprefix("immutable_")
    said = run(
        tools / "immutable", "fleet", "list", f"{scheme}://127.0.0.1:9", cwd=place, expect=1
    )  # fmt: skip
    if "Connection refused" not in said:
        sys.exit(f"{scheme}:// was not found, or found something")


def main() -> None:
    """Build the core's wheel and prove it with that."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", place, ROOT, cwd=place)
        prove(next(place.glob("*.whl")), place / "outside")


if __name__ == "__main__":
    main()
