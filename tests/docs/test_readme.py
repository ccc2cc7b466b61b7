"""What README.md shows is what happens: its Python blocks and its walk are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attrs import define, field

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What differs from run to run, and from machine to machine.
CHANGING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"\d{8}-\d{6}-[0-9a-f]{6}", "ROLLOUT"),
    (r"\bi-[0-9a-f]{8}\b", "INSTANCE"),
    (r"sha256:[0-9a-f]{12,64}", "DIGEST"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"driven by \S+", "driven by PROCESS"),
    (r"\b\d+(\.\d+)? s\b", "SECONDS"),
    (r"by (haproxy|builtin)", "by BALANCER"),
    (r"isolation=.*", "isolation=ISOLATION"),
)
LEFT_OUT = "…"
MARK = "=== the command ended with "


@define
class Step:
    """A command of the walk, what is shown of its output, and what was seen."""

    command: str
    shown: list[str] = field(factory=list)
    seen: list[str] = field(factory=list)
    code: int = 0


def blocks() -> list[tuple[str, str]]:
    """Return the fenced blocks: their language and their text."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def steps(language: str, text: str) -> list[Step]:
    if language == "python":
        return [Step(f"{sys.executable} <<'END'\n{text}END")]
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line.removeprefix("$ ")))
        else:
            found[-1].shown.append(line)
    return found


def alone() -> list[str]:
    """Return the Python blocks before the walk, each a program of its own."""
    languages = [language for language, _ in blocks()]
    before = blocks()[: languages.index("console")]
    return [text for language, text in before if language == "python"]


def walk() -> list[Step]:
    """Return the commands of the walk, its Python included, in order."""
    languages = [language for language, _ in blocks()]
    rest = blocks()[languages.index("console") :]
    return [s for b in rest if b[0] in ("console", "python") for s in steps(*b)]


def plain(line: str) -> str:
    for pattern, word in CHANGING:
        line = re.sub(pattern, word, line)
    return " ".join(line.split())


@pytest.fixture
def environment():
    """An environment in which nothing is found and nothing is left of other runs."""
    folder = Path(tempfile.mkdtemp(prefix="im-"))
    (folder / "run").mkdir(mode=0o700)
    binaries = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("IMMUTABLE_")}
    made = {
        **kept,
        "PATH": binaries,
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "COLUMNS": "120",
    }
    yield made
    for local in folder.glob("*/fleets"):  # A walk that stopped half-way leaves its fleet.
        made["IMMUTABLE_LOCAL_DIR"] = str(local.parent)
        made["IMMUTABLE_JOURNAL"] = str(local.parent / "journal.db")
        if any(local.iterdir()):
            for words in ("recover local://web", "fleet delete local://web --yes"):
                subprocess.run(["immutable", *words.split()], env=made, check=False)
    shutil.rmtree(folder)


def walked(environment: dict[str, str]) -> list[Step]:
    """Run the whole walk in one shell, as its reader would."""
    todo = walk()
    script = "".join(f"{step.command}\necho '{MARK}'$?\n" for step in todo)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    parts = re.split(rf"{MARK}(\d+)\n", done.stdout)
    for step, output, code in zip(todo, parts[::2], parts[1::2], strict=False):
        step.seen, step.code = output.splitlines(), int(code)
    return todo


def missing(step: Step) -> list[str]:
    """Return the lines that are shown and weren't seen, in their order."""
    seen = iter([plain(line) for line in step.seen])
    wanted = [plain(line) for line in step.shown if plain(line) not in ("", LEFT_OUT)]
    return [line for line in wanted if line not in seen]


def test_the_blocks_are_found():
    assert len(alone()) == 1
    assert sum("immutable " in step.command for step in walk()) >= 8


@pytest.mark.parametrize("program", alone())
def test_the_python_example_runs(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "10 available at least, 13 existing at most" in done.stdout
    assert re.search(r"succeeded after \d+", done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_walk_shows_what_is_shown(environment):
    if sys.platform != "linux":
        pytest.skip("local fleets need Linux")
    for step in walked(environment):
        context = f"{step.command}\n" + "\n".join(step.seen)
        # The one that is to go back says so by its exit code.
        assert step.code == (3 if "APP_HEALTHY=0" in step.command else 0), context
        assert missing(step) == [], context
