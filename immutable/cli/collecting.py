"""The command that clears away images which nobody needs any more."""

from __future__ import annotations

import click

from immutable.cli.images import BACKEND, opened_place
from immutable.cli.options import DURATION, as_json, journal
from immutable.cli.running import command, console, show_json
from immutable.connecting import opened_journal
from immutable.errors import InvalidValue
from immutable.images.collecting import SupportsCollecting, ways_back
from immutable.report import documents

__all__ = ["collect"]


@click.command()
@BACKEND
@click.option(
    "--older", type=DURATION, default=7 * 86400.0, help="Not used for this long; default 168h."
)
@click.option("--keep", type=int, default=3, show_default=True, help="Ways back for each fleet.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; touch nothing.")
@journal
@as_json
@command
async def collect(
    backend: str, older: float, keep: int, dry_run: bool, journal: str | None, as_json: bool
) -> None:
    """Remove images that no fleet runs, that none would go back to, and that are old.

    What a fleet would go back to is what its newest rollouts in the journal came from. Old is what
    was neither built nor made ready for a fleet since --older; 0 while nobody builds or deploys.
    """
    if keep < 0:
        raise InvalidValue("keep", keep, "fewer than none", "write 0 for no way back")
    async with opened_place(backend) as (found, _), opened_journal(journal) as book:
        if not isinstance(found, SupportsCollecting):
            way_out = "remove them with its own tools"
            raise InvalidValue("backend", backend, "keeps no images to collect", way_out)
        kept = await ways_back(book, keep)
        gone = await found.collect_images(kept, older=older, dry_run=dry_run)
    if as_json:
        show_json([documents.image(each) for each in gone])
        return
    word = "would be removed" if dry_run else "removed"
    for each in gone:
        console().print(f"{each.name}:{each.version} {each.digest}: {word}", markup=False)
    console(error=True).print(f"{len(gone)} images {word}", markup=False)
