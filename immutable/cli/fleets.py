"""Commands on fleets as such."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from immutable.cli.configuring import configured, secret_option
from immutable.cli.grouping import Commands
from immutable.cli.options import (
    as_json,
    environment,
    limits_from,
    limits_options,
    settings_options,
    where,
)
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import fleet_table
from immutable.cli.telling import telling
from immutable.cli.volumes import restore_slot, slots, volume_option, volumes_from
from immutable.connecting import opened_backend
from immutable.fleet import Fleet
from immutable.model import FleetURL, RuntimeConfig, SystemClock
from immutable.registry import backend_class
from immutable.report import documents

__all__ = ["fleet", "visible"]


@click.group(cls=Commands)
def fleet() -> None:
    """Make, adopt, list, look at, resize and delete fleets."""


@fleet.command("create")
@click.argument("url")
@click.argument("image")
@click.option("--size", type=int, required=True, help="How many instances it shall have.")
@settings_options
@secret_option
@volume_option
@click.option(
    "--set", "template", multiple=True, metavar="NAME=VALUE",
    help="How instances are launched, in the backend's own words.",
)  # fmt: skip
@limits_options
@where
@as_json
@command
async def create(
    url: str,
    image: str,
    size: int,
    env: tuple[str, ...],
    allow_secret: tuple[str, ...],
    secret: tuple[str, ...],
    volume: tuple[str, ...],
    template: tuple[str, ...],
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a fleet at URL whose instances start from IMAGE."""
    kind = await asyncio.to_thread(backend_class, FleetURL.parse(url).scheme)
    async with Fleet.create(
        url,
        image,
        size,
        template=environment(template),
        config=configured(RuntimeConfig(), env, {"allow_secret": allow_secret, "secret": secret}),
        volumes=volumes_from(volume),
        limits=limits_from(kind.capabilities.limits, options),
        journal=journal,
        actor=actor,
    ) as made:
        state = await made.state()
    if as_json:
        show_json(documents.fleet(made.address, state))
    else:
        console().print(fleet_table(made.address, state))


@fleet.command("adopt")
@click.argument("url")
@click.option(
    "--on-replace", type=click.Choice(["keep", "delete"]), default="keep", show_default=True,
    help="What becomes of the group once a rollout has replaced it.",
)  # fmt: skip
@where
@as_json
@command
async def adopt(
    url: str, on_replace: str, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Take the group at URL, which was there before, as a fleet; only its marks change."""
    async with Fleet.adopt(url, on_replace=on_replace, journal=journal, actor=actor) as taken:
        state = await taken.state()
    if as_json:
        show_json(documents.fleet(taken.address, state))
    else:
        console().print(fleet_table(taken.address, state))


@fleet.command("list")
@click.argument("backend")
@as_json
@command
async def list_(backend: str, as_json: bool) -> None:
    """List the fleets of a BACKEND, such as local or aws://eu-west-1."""
    base, mark, options = backend.partition("?")
    base = base if "://" in base else f"{base}://"
    addresses = await visible(f"{base}{'' if base.endswith('/') else '/'}*{mark}{options}")
    if as_json:
        show_json(addresses)
    else:
        for address in addresses or ["no fleets"]:
            console().print(address, markup=False)


async def visible(pattern: str) -> list[str]:
    """Return the addresses of the fleets that can be seen at a place: ``local://*``."""
    place = FleetURL.parse(pattern)
    async with opened_backend(place, clock=SystemClock()) as found:
        names = await found.fleets()
    location = f"{place.location}/" if place.location else ""
    _, mark, options = pattern.partition("?")
    return [f"{place.scheme}://{location}{name}{mark}{options}" for name in names]


@fleet.command("status")
@click.argument("url")
@where
@as_json
@command
async def status(url: str, journal: str | None, actor: str | None, as_json: bool) -> None:
    """Show what runs in the fleet at URL."""
    async with Fleet.connect(url, journal=journal, actor=actor) as found:
        state = await found.state()
        notes = found.backend.notes(found.name)
    if as_json:
        show_json({**documents.fleet(found.address, state), "notes": list(notes)})
        return
    console().print(fleet_table(found.address, state))
    for note in notes:
        console().print(note, markup=False)


@fleet.command("scale")
@click.argument("url")
@click.argument("size", type=int)
@click.option("--reason", default="", help="Why; goes into the record.")
@limits_options
@where
@as_json
@command
@telling
async def scale(
    url: str,
    size: int,
    reason: str,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Bring the fleet at URL to SIZE instances; those that go are drained first."""
    async with Fleet.connect(url, journal=journal, actor=actor) as found:
        limits = limits_from(found.backend.capabilities.limits, options)
        result = await found.scale(size, limits=limits, reason=reason)
    if as_json:
        show_json(documents.result(result))
    else:
        console().print(f"{found.address} has {result.wanted} instances", markup=False)


@fleet.command("delete")
@click.argument("url")
@click.option("--yes", is_flag=True, help="Don't ask.")
@where
@as_json
@command
async def delete(
    url: str, yes: bool, journal: str | None, actor: str | None, as_json: bool
) -> None:
    """Drain and end all instances of the fleet at URL, and remove it."""
    async with Fleet.connect(url, journal=journal, actor=actor) as found:
        size = sum(group.size for group in (await found.state()).groups)
        question = f"Delete {found.address} with its {size} instances?"
        if not yes and not click.confirm(question, err=as_json):
            raise click.Abort
        await found.delete()
    if as_json:
        show_json({"fleet": found.address, "deleted": True})
    else:
        console().print(f"{found.address} is deleted", markup=False)


fleet.add_command(slots)
fleet.add_command(restore_slot)
