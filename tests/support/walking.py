"""Pages whose commands are typed as they stand, in an environment that has nothing else.

What is typed is a page's ``console`` blocks, each line that begins with ``$``, and its ``python``
blocks between them. All of it goes into one shell, as its reader would do it, with an empty home.
What a page shows of a command's output has to be printed, in its order; what it leaves out is a
line with ``…``. Blocks of the language ``sh`` are not typed: they install, or are variants.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

ROOT = Path(__file__).parents[2]

# What differs from run to run, and from machine to machine.
CHANGING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"\d{8}-\d{6}-[0-9a-f]{6}", "ROLLOUT"),
    (r"\bi-[0-9a-f]{8}\b", "INSTANCE"),
    (r"sha256:[0-9a-f]{12,64}", "DIGEST"),
    (r"tainted/i-\S+", "tainted/INSTANCE"),
    (r"\b[\w.-]+/\d+/[0-9a-f]{4}\b", "CONTROLLER"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\S*/(immutable-tutorial|runbook)/", "PLACE/"),
    (r"record \d+ \(line \d+\)", "RECORD"),
    (r"driven by \S+", "driven by PROCESS"),
    (r"^\d+ in .* s \(\d+/s\)", "REQUESTS"),
    (r"^version (\S+): \d+ in .*", r"version \1"),
    (r"\b\d+ records", "RECORDS"),
    (r"first \d+ are", "first are"),
    (r"\b\d+ of \d+ records", "RECORDS"),
    (r"\b\d+(\.\d+)? s\b", "SECONDS"),
    (r"by (haproxy|builtin)", "by BALANCER"),
    (r"isolation=.*", "isolation=ISOLATION"),
)
LEFT_OUT = "…"
MARK = "=== the command ended with "


@define
class Step:
    """A command of a page, what is shown of its output, and what was seen."""

    command: str
    shown: list[str] = field(factory=list)
    seen: list[str] = field(factory=list)
    code: int = 0

    @property
    def missing(self) -> list[str]:
        """The lines that are shown and weren't seen, in their order."""
        seen = iter([plain(line) for line in self.seen])
        wanted = [plain(line) for line in self.shown if plain(line) not in ("", LEFT_OUT)]
        return [line for line in wanted if line not in seen]

    def __str__(self) -> str:
        return "\n".join([f"$ {self.command}", *self.seen, f"ended with {self.code}"])


def plain(line: str) -> str:
    """Return a line without what changes."""
    line = line.strip()
    for pattern, word in CHANGING:
        line = re.sub(pattern, word, line)
    return " ".join(line.split())


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return a page's fenced blocks: their language and their text."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def steps(page: Path) -> list[Step]:
    """Return what a page's reader types, in order: from the first ``console`` block on."""
    found: list[Step] = []
    for language, text in blocks(page):
        if language == "python" and found:
            found.append(Step(f"python <<'END'\n{text}END"))
        for line in text.splitlines() if language == "console" else ():
            if line.startswith("$ "):
                found.append(Step(line.removeprefix("$ ")))
            else:
                found[-1].shown.append(line)
    return found


@contextmanager
def nowhere() -> Iterator[dict[str, str]]:
    """Give an environment in which nothing is found, and end what a walk has left in it."""
    folder = Path(tempfile.mkdtemp(prefix="im-"))
    (folder / "run").mkdir(mode=0o700)
    (folder / "home").mkdir()
    kept = ("COVERAGE", "PYTHONPATH")  # Where this code is; what measures it.
    made = {name: value for name, value in os.environ.items() if name.startswith(kept)} | {
        "HOME": str(folder / "home"),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "COLUMNS": "160",
    }
    try:
        yield made
    finally:
        for fleet in sorted(folder.glob("**/fleets/*/fleet.json")):  # Of a walk that stopped.
            _end(made, fleet.parents[2], fleet.parent.name)
        shutil.rmtree(folder)


def _end(environment: dict[str, str], place: Path, fleet: str) -> None:
    there = {"IMMUTABLE_LOCAL_DIR": str(place), "IMMUTABLE_JOURNAL": str(place / "journal.db")}
    for words in (f"recover local://{fleet} --to-stable", f"fleet delete local://{fleet} --yes"):
        subprocess.run(
            [sys.executable, "-m", "immutable", *words.split()],
            env=environment | there, check=False,
        )  # fmt: skip


def walked(page: Path, environment: dict[str, str]) -> list[Step]:
    """Type all of a page in one shell, at the root of the repository, as its reader would."""
    todo = steps(page)
    script = "".join(f"{step.command}\necho '{MARK}'$?\n" for step in todo)
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    parts = re.split(rf"{MARK}(\d+)\n", done.stdout)
    for step, output, code in zip(todo, parts[::2], parts[1::2], strict=False):
        step.seen, step.code = output.splitlines(), int(code)
    return todo


def hold(page: Path, codes: dict[str, int]) -> None:
    """Walk a page, and hold what it shows.

    Args:
        page: The page.
        codes: What is in commands that end otherwise than with 0, and with what; of several the
            last one holds.
    """
    with nowhere() as environment:
        done = walked(page, environment)
    for step in done:
        expected = [code for part, code in codes.items() if part in step.command]
        assert step.code == (expected or [0])[-1], str(step)
        assert step.missing == [], str(step)
