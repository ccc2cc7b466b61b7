"""Commands that pages and recipes show exist, with their options, wherever they can't be run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from immutable.cli.commands import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("README.md", "docs/*.md", "backends/*/README.md")
    for page in ROOT.glob(pattern)
)
FENCED = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(text: str) -> list[str]:
    """Return the commands of this SDK that a page shows, in blocks and indented, a line each."""
    blocks = [*FENCED.findall(text), *re.findall(r"^    immutable .*$", text, re.MULTILINE)]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    typed = [line.strip().removeprefix("$ ") for line in lines]
    return [line for line in typed if re.match(r"immutable [a-z]", line)]


def wrong(line: str) -> list[str]:
    """Return what of a command there isn't."""
    words = shlex.split(re.split(r" [|;&>]|#", line)[0], comments=True)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        if name not in command.commands:
            return [name]
        command = command.commands[name]
    if command.name == "exec":
        return []  # It reads its words itself, to be quick; its own tests hold them.
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    given = [word.split("=")[0] for word in words[: words.index("--") if "--" in words else None]]
    return [word for word in given if word.startswith("--") and word not in {*known, "--help"}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_shown_can_be_typed(page):
    found = {line: wrong(line) for line in shown(page.read_text(encoding="utf-8"))}
    assert {line: words for line, words in found.items() if words} == {}


def test_what_there_is_not_is_seen():
    page = (
        "```sh\nimmutable replace local://web --max-surge 1 \\\n  --fast   # no such one\n```\n"
        "    immutable fleet paint local://web\n"
    )
    assert [wrong(line) for line in shown(page)] == [["--fast"], ["paint"]]
    assert wrong("immutable exec --deadline 2m -- /usr/bin/web --port 80") == []


def test_the_pages_show_many():
    assert sum(len(shown(page.read_text(encoding="utf-8"))) for page in PAGES) > 100
