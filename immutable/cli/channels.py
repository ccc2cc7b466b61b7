"""Commands on channels: names such as ``web@production`` that point at a version."""

from __future__ import annotations

from collections.abc import Sequence

import click

from immutable import catalog as deciding
from immutable.catalog import Assignment, Catalog
from immutable.catalog.state import channel_name
from immutable.cli.grouping import Commands
from immutable.cli.options import as_json, journal, where
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import plain_table, stamp
from immutable.connecting import default_actor, opened_journal
from immutable.errors import InvalidValue
from immutable.journal import Decision
from immutable.report import cataloguing as documents

__all__ = ["channel"]


@click.group(cls=Commands)
def channel() -> None:
    """Point names such as web@production at versions, and back."""


@channel.command()
@click.argument("channel")
@click.argument("image")
@click.option("--reason", default="", help="Why; goes into the record.")
@where
@as_json
@command
async def assign(
    channel: str, image: str, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Point CHANNEL at IMAGE: web:1.4.2, another channel such as web@staging, or the digest."""
    who = actor or default_actor()
    await _move(
        channel,
        lambda catalog, now: deciding.assign(
            catalog, channel, image, now, actor=who, reason=reason
        ),
        journal,
        as_json=as_json,
    )


@channel.command()
@click.argument("channel")
@click.option("--reason", default="", help="Why; goes into the record.")
@where
@as_json
@command
async def rollback(
    channel: str, reason: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Point CHANNEL at the version that it came from; one that was revoked is passed over.

    Who goes back twice comes to the version before that.
    """
    who = actor or default_actor()
    await _move(
        channel,
        lambda catalog, now: deciding.roll_back(catalog, channel, now, actor=who, reason=reason),
        journal,
        as_json=as_json,
    )


async def _move(channel: str, decide: Decision, journal: str | None, *, as_json: bool) -> None:
    async with opened_journal(journal) as book:
        await book.change_catalog(decide)
        catalog = await book.catalog()
    current = catalog.channels[channel][-1]
    if as_json:
        show_json(documents.assignment(catalog, current))
        return
    there = catalog.versions[current.digest]
    console().print(f"{channel} points at {there} {current.digest}", markup=False)


@channel.command()
@click.argument("channel")
@journal
@as_json
@command
async def history(channel: str, journal: str | None, as_json: bool) -> None:
    """Show where CHANNEL has pointed, the oldest first."""
    channel_name(channel)
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
    if channel not in catalog.channels:
        there = ", ".join(catalog.channels) or "none"
        raise InvalidValue("channel", channel, "no such channel", f"there are: {there}")
    _show(catalog, catalog.channels[channel], as_json=as_json)


@channel.command("list")
@journal
@as_json
@command
async def list_(journal: str | None, as_json: bool) -> None:
    """List the channels, and where each points."""
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
    _show(catalog, [each[-1] for each in catalog.channels.values()], as_json=as_json)


def _show(catalog: Catalog, made: Sequence[Assignment], *, as_json: bool) -> None:
    if as_json:
        show_json([documents.assignment(catalog, each) for each in made])
        return
    rows = [
        (
            each.channel,
            f"{catalog.versions[each.digest]}{' (back)' if each.back else ''}",
            each.digest,
            stamp(each.at),
            each.actor,
            each.reason,
        )
        for each in made
    ]
    table = plain_table(rows, "channel", "image", "digest", "since (UTC)", "actor", "reason")
    console().print(table)
