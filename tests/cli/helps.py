"""All helps of the command as one text, to be held and to be read in reviews.

    python -m tests.cli.helps

writes tests/cli/helps.txt.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from immutable.cli.commands import cli

FILE = Path(__file__).with_name("helps.txt")
_WIDE = 100


def commands(
    command: click.Command = cli, name: str = "immutable", parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Yield a context for each command and each group, in alphabetical order."""
    settings = {**command.context_settings, "terminal_width": _WIDE, "max_content_width": _WIDE}
    made = click.Context(command, info_name=name, parent=parent, **settings)
    yield made
    if isinstance(command, click.Group):
        for each in command.list_commands(made):
            found = command.get_command(made, each)
            assert found is not None
            yield from commands(found, each, made)


def text() -> str:
    """Return all helps."""
    return "\n".join(f"$ {each.command_path} --help\n{each.get_help()}\n" for each in commands())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
