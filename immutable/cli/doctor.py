"""The command that says what is installed, what works, and what is missing."""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from immutable.checkup import Condition, Finding, installation, journal_at, place_at
from immutable.cli.options import as_json, journal
from immutable.cli.running import command, console, fail, show_json
from immutable.cli.tables import plain_table
from immutable.model.serial import to_json

__all__ = ["doctor"]

_STYLES = {Condition.WORKS: "green", Condition.MISSING: "yellow", Condition.BROKEN: "red"}


@click.command()
@click.argument("places", nargs=-1, metavar="[PLACE]...")
@journal
@as_json
@command
async def doctor(places: tuple[str, ...], journal: str | None, as_json: bool) -> None:
    """Say what is installed, what works, and what is missing.

    A PLACE, such as aws://eu-west-1 or local://, is reached with the credentials that are here, and
    its fleets are listed; without any, no network is asked. Nothing is changed. Exits with 1 when
    something that is there, or was asked for, can't be used; what is merely missing is no failure.
    """
    found = [*await asyncio.to_thread(installation), await journal_at(journal)]
    found += [await place_at(each) for each in places]
    if as_json:
        show_json({"findings": [to_json(each) for each in found]})
    else:
        console().print(plain_table(map(_row, found), "looked at", "it", "what was seen"))
    broken = [each for each in found if each.condition is Condition.BROKEN]
    if broken:
        hints = [f"{each.subject}: {each.way_out}" for each in broken if each.way_out]
        fail(1, f"can't be used: {', '.join(each.subject for each in broken)}", *hints)


def _row(finding: Finding) -> tuple[str | Text, ...]:
    condition = Text(finding.condition.value, style=_STYLES[finding.condition])
    way_out = f"; {finding.way_out}" if finding.way_out else ""
    return finding.subject, condition, f"{finding.detail}{way_out}"
