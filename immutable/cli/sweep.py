"""The command that undoes temporary changes which nobody is there to undo."""

from __future__ import annotations

import click

from immutable.cli.fleets import visible
from immutable.cli.options import as_json, where
from immutable.cli.running import command, console, fail, show_json
from immutable.connecting import opened_journal
from immutable.errors import FleetNotFound, ImmutableError, InvalidValue
from immutable.fleet import Fleet
from immutable.images.trying import expiry, remove_fleet
from immutable.journal import Journal
from immutable.model import SystemClock
from immutable.model.quantities import duration
from immutable.model.serial import to_json
from immutable.planning.sweeping import Leftover

__all__ = ["sweep"]


@click.command()
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--dry-run", is_flag=True, help="Say what would be undone; touch nothing.")
@where
@as_json
@command
async def sweep(
    urls: tuple[str, ...], dry_run: bool, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Undo what rollouts have changed for a time, or left empty, and did not undo.

    Fleets on which `image test` tried an image out are removed when their time is over. The rest
    is undone when its rollout has ended, or its time is over and nobody is at work on the fleet.
    What is left alone is said, with the reason. A URL may end in * for all fleets of a place, such
    as 'local://*'; without any, all fleets that the journal knows are looked at.
    """
    found: dict[str, tuple[Leftover | str, ...]] = {}
    failures = []
    async with opened_journal(journal) as book:
        for url in await _addresses(urls, book):
            try:
                async with Fleet.connect(url, journal=book, actor=actor) as fleet:
                    thrown = await _thrown_away(fleet, book, dry_run=dry_run)
                    found[fleet.address] = thrown or await fleet.sweep(dry_run=dry_run)
            except InvalidValue:
                raise
            except ImmutableError as error:
                # A fleet that only the journal remembers is no failure.
                failures += [str(error)] * (bool(urls) or not isinstance(error, FleetNotFound))
    if as_json:
        show_json(
            {
                address: [each if isinstance(each, str) else to_json(each) for each in some]
                for address, some in found.items()
            }
        )
    else:
        _tell(found, dry_run=dry_run)
    if failures:
        fail(1, failures[0], *failures[1:])


async def _thrown_away(fleet: Fleet, book: Journal, *, dry_run: bool) -> tuple[str, ...]:
    """Remove a fleet on which an image was tried out, once its time is over."""
    ends, clock = expiry(fleet.name), SystemClock()
    if ends is None:
        return ()
    what, left = "on which an image was tried out", ends - clock.now()
    if left > 0:
        return (f"{what}: left, for its time is over in {duration(round(left))}",)
    if not dry_run:
        await remove_fleet(fleet.address, fleet.backend, book, clock)
    return (f"{what}: removed, for its time was over {duration(round(-left))} ago",)


async def _addresses(urls: tuple[str, ...], book: Journal) -> list[str]:
    """Return the fleets that are meant, each once."""
    if urls:
        wild = {url: url.partition("?")[0].endswith("*") for url in urls}
        fleets = [await visible(url) if wild[url] else [url] for url in urls]
        return list(dict.fromkeys(each for some in fleets for each in some))
    return list(dict.fromkeys(entry.fleet for entry in await book.entries()))


def _tell(found: dict[str, tuple[Leftover | str, ...]], *, dry_run: bool) -> None:
    screen = console()
    for address, leftovers in found.items():
        for line in [str(each) for each in leftovers] or ["nothing is left to undo"]:
            would = "would be: " if dry_run and leftovers else ""
            screen.print(f"{address}: {would}{line}", markup=False)
    if not found:
        screen.print("no fleets", markup=False)
