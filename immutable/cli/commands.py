"""All commands, under one."""

from __future__ import annotations

import click

from immutable.cli.grouping import Commands
from immutable.cli.places import COMMANDS

__all__ = ["cli"]


@click.group(
    cls=Commands,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="immutable-sdk", prog_name="immutable")
def cli() -> None:
    """Replace fleets of servers instead of patching them.

    A fleet's address is backend://location/name, such as local://web.

    Exit codes: 0 succeeded, 1 error, 2 wrong usage, 3 rolled back, 4 failed, 5 refused,
    6 cancelled, 7 drift was found, 8 whether there is any is unknown, 130 interrupted and
    recoverable. An order that was given is a success, and so is
    a rollout that abort, cancel or recover --to-stable had to bring to its end here.
    """
