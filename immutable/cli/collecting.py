"""Commands that clear away, or retire, images which nobody needs any more."""

from __future__ import annotations

import click

from immutable.catalog import Retention
from immutable.cli.images import BACKEND, opened_place
from immutable.cli.options import DURATION, as_json, journal, where
from immutable.cli.running import command, console, show_json
from immutable.cli.withdrawing import PLACES
from immutable.connecting import default_actor, opened_journal
from immutable.errors import InvalidValue
from immutable.images import connecting, retire_images
from immutable.images.collecting import SupportsCollecting, ways_back
from immutable.report import documents

__all__ = ["collect", "retire"]


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


@click.command()
@click.argument("name", required=False, default="")
@click.option("--older", type=DURATION, default="30d", show_default=True, help="Added so long ago.")
@click.option("--newest", type=int, default=5, show_default=True, help="So many of each name stay.")
@click.option(
    "--back", type=int, default=3, show_default=True,
    help="What so many rollbacks of a channel, or of a fleet, come to stays.",
)  # fmt: skip
@click.option("--reason", default="", help="Why; goes into the record.")
@click.option("--dry-run", is_flag=True, help="Say what would be retired; touch nothing.")
@PLACES
@where
@as_json
@command
async def retire(
    name: str,
    older: float,
    newest: int,
    back: int,
    reason: str,
    dry_run: bool,
    places: tuple[str, ...],
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Retire images of the catalog that no fleet, channel or way back needs; those of NAME.

    They are launched no more, until `image restore`. What was built on them may be. Nothing is
    retired while a fleet that the journal knows can't be looked at.
    """
    how, who = Retention(newest, older, back, name), actor or default_actor()
    async with opened_journal(journal) as book:
        reached = connecting(book, places=places, actor=who)
        gone = await retire_images(
            book, how, reached, ways=back, actor=who, reason=reason, dry_run=dry_run
        )
    if as_json:
        show_json([{"image": str(each), "digest": each.digest} for each in gone])
        return
    word = "would be retired" if dry_run else "retired"
    for each in gone:
        console().print(f"{each} {each.digest}: {word}", markup=False)
    console(error=True).print(f"{len(gone)} images {word}", markup=False)
