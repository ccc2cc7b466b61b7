"""The command that undoes temporary changes which nobody is there to undo."""

from __future__ import annotations

import click

from immutable.cli.options import as_json, where
from immutable.cli.running import command, console, show_json
from immutable.fleet import Fleet
from immutable.model.serial import to_json

__all__ = ["sweep"]


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--dry-run", is_flag=True, help="Say what would be restored; touch nothing.")
@where
@as_json
@command
async def sweep(
    urls: tuple[str, ...], dry_run: bool, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Restore what rollouts have changed for a time and did not restore.

    A hold is undone when its rollout has ended, or its time is over and the journal knows of no
    rollout at work. What is left alone is said, with the reason.
    """
    found = {}
    for url in urls:
        async with Fleet.connect(url, journal=journal, actor=actor) as fleet:
            found[fleet.address] = await fleet.sweep(dry_run=dry_run)
    if as_json:
        show_json({address: to_json(each) for address, each in found.items()})
        return
    for address, holds in found.items():
        lines = [str(each) for each in holds] or ["nothing is held"]
        for line in lines:
            console().print(f"{address}: {'would be: ' if dry_run else ''}{line}", markup=False)
