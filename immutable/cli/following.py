"""Commands on fleets that follow a channel: who follows what, and which plans are offered."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import click

from immutable.admission import Weekly
from immutable.catalog import Catalog
from immutable.cli.grouping import Commands
from immutable.cli.options import COUNT, as_json, journal, limits_options, where
from immutable.cli.rollouts import ways
from immutable.cli.running import command, console, show_json
from immutable.cli.strategies import check_strategy, strategy_options
from immutable.connecting import default_actor, opened_journal
from immutable.errors import InvalidValue
from immutable.fleet import Fleet
from immutable.following import Following, follow, unfollow
from immutable.model import Count
from immutable.model.serial import digest, load_plan

__all__ = ["follow_"]

_WINDOW = re.compile(r"([a-z,]+)(?:\s+(\d\d:\d\d)-(\d\d:\d\d))?(?:\s+(\S+))?")


@click.group(name="follow", cls=Commands)
def follow_() -> None:
    """Let fleets follow channels: when one moves, controllers make plans to go there."""


@follow_.command(name="set")
@click.argument("url")
@click.argument("channel")
@click.option("--apply", "automatic", is_flag=True, help="Carry the plans out; else offer them.")
@click.option(
    "--window", "windows", multiple=True, metavar="TIMES",
    help='When they may begin: "sat,sun", "mon,tue 22:00-06:00 Europe/Berlin"; repeatable.',
)  # fmt: skip
@click.option(
    "--at-most", type=COUNT, default=1, show_default=True,
    help="So many fleets that follow it may be on their way at once: 2 or 25%.",
)  # fmt: skip
@strategy_options
@limits_options
@click.option("--reason", default="", help="Why; goes into the record.")
@where
@as_json
@command
async def set_(
    url: str,
    channel: str,
    automatic: bool,
    windows: tuple[str, ...],
    at_most: Count,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Let the fleet at URL follow CHANNEL, such as web@production.

    When the channel is assigned another image, an `immutable controller` makes a plan to go there.
    It is offered, to be approved and applied (`follow offers`), or with --apply carried out.
    """
    check_strategy(options)
    times = tuple(await asyncio.to_thread(lambda: [_window(each) for each in windows]))
    async with (
        opened_journal(journal) as book,
        Fleet.connect(url, journal=book, actor=actor) as fleet,
    ):
        chosen = await ways(fleet, (), options)
        how = Following(channel, chosen["strategy"], chosen["limits"], automatic, times, at_most)
        await book.change_catalog(
            lambda catalog, _: follow(catalog, fleet.address, how, actor=fleet.actor, reason=reason)
        )
    if as_json:
        show_json({"fleet": fleet.address, "following": str(how)})
        return
    console().print(f"{fleet.address} follows {how}", markup=False)


def _window(text: str) -> Weekly:
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        way_out = 'write it as "sat,sun" or "mon 22:00-06:00 Europe/Berlin"'
        raise InvalidValue("window", text, "not a time of the week", way_out)
    days, begin, end, zone = match.groups()
    return Weekly(days.split(","), begin or "00:00", end or "24:00", zone or "UTC")


@follow_.command()
@click.argument("address")
@click.option("--reason", default="", help="Why; goes into the record.")
@where
@as_json
@command
async def stop(
    address: str, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Let the fleet at ADDRESS, as `follow list` tells it, follow nothing any more."""
    who = actor or default_actor()
    async with opened_journal(journal) as book:
        await book.change_catalog(
            lambda catalog, _: unfollow(catalog, address, actor=who, reason=reason)
        )
    if as_json:
        show_json({"fleet": address, "following": None})
        return
    console().print(f"{address} follows nothing any more", markup=False)


@follow_.command(name="list")
@journal
@as_json
@command
async def list_(journal: str | None, as_json: bool) -> None:
    """List the fleets that follow a channel."""
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
    found = await asyncio.to_thread(_following, catalog)
    if as_json:
        show_json([{"fleet": fleet, "following": how} for fleet, how in found.items()])
        return
    for fleet, how in found.items():
        console().print(f"{fleet} follows {how}", markup=False)
    if not found:
        console(error=True).print("no fleet follows a channel", markup=False)


def _following(catalog: Catalog) -> dict[str, str]:
    return {fleet: str(Following.load(text)) for fleet, text in catalog.followers.items()}


@follow_.command()
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Write the plans into this directory, to be approved and applied.",
)  # fmt: skip
@journal
@as_json
@command
async def offers(out: Path | None, journal: str | None, as_json: bool) -> None:
    """List the plans that fleets which follow a channel are offered: of where it points now."""
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
    found = await asyncio.to_thread(_offers, catalog, out)
    if as_json:
        show_json(found)
        return
    for each in found:
        way = f": immutable apply {each['file']}" if each["file"] else ""
        console().print(f"{each['fleet']} to {each['to']} ({each['channel']}){way}", markup=False)
    if not found:
        console(error=True).print("no plan is offered", markup=False)


def _offers(catalog: Catalog, out: Path | None) -> list[dict[str, str]]:
    found = []
    for number, offer in enumerate(catalog.offers.values(), 1):
        current = catalog.current(offer.channel)
        if current is None or current.number != offer.number:
            continue
        plan, place = load_plan(offer.plan), ""
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^A-Za-z0-9._-]", "-", offer.fleet)
            place = str(out / f"{number:03}-{name}.plan")
            Path(place).write_text(offer.plan, encoding="utf-8")
        found.append(
            {
                "fleet": offer.fleet,
                "channel": offer.channel,
                "to": str(plan.candidate.image),
                "digest": digest(plan),
                "file": place,
            }
        )
    return found
