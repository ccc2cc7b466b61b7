"""Volumes on the command line: what slots have, how a replacement treats them, what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from immutable.abilities import SupportsRestore, SupportsVolumes
from immutable.cli.options import as_json
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import slot_table
from immutable.connecting import opened_backend
from immutable.errors import InvalidValue
from immutable.model import FleetURL, Slot, Stateful, SystemClock, Volume
from immutable.model.serial import to_json

__all__ = [
    "restore_slot",
    "slots",
    "stateful_from",
    "stateful_options",
    "volume_option",
    "volumes_from",
]

F = TypeVar("F", bound=Callable[..., Any])

volume_option = click.option(
    "--volume", "volume", multiple=True, metavar="NAME=PATH[,size=SIZE]",
    help="A volume that each slot of the fleet has, and where instances find it; repeatable.",
)  # fmt: skip
"""The option that makes a fleet stateful."""


def volumes_from(words: Iterable[str]) -> tuple[Volume, ...]:
    """Return what ``data=/var/lib/db,size=20`` means, for each of *words*.

    Raises:
        InvalidValue: One is no volume, or two have one name.
    """
    made = tuple(map(_volume, words))
    twice = [each.name for number, each in enumerate(made) if each.name in _names(made[:number])]
    if twice:
        raise InvalidValue("volume", twice[0], "named twice", "give each a name of its own")
    return made


def _names(volumes: Iterable[Volume]) -> set[str]:
    return {each.name for each in volumes}


def _volume(word: str) -> Volume:
    name, equals, rest = word.partition("=")
    path, comma, option = rest.partition(",")
    key, _, size = option.partition("=")
    if not equals or (comma and (key != "size" or not size)):
        way_out = "write NAME=PATH or NAME=PATH,size=SIZE, as in data=/var/lib/db"
        raise InvalidValue("volume", word, "not a volume", way_out)
    return Volume(name, path, size)


def stateful_options(function: F) -> F:
    """Add how a replacement treats the data of a fleet with volumes."""
    function = click.option(
        "--irreversible", is_flag=True,
        help="The new image changes the data for good: wait for `promote` first; never go back.",
    )(function)  # fmt: skip
    return click.option(
        "--snapshot", is_flag=True, help="Save each slot's volumes before its new instance starts."
    )(function)


def stateful_from(options: dict[str, Any]) -> dict[str, Stateful]:
    """Return how the data is to be treated, as ``stateful``; nothing when nothing was said."""
    asked = Stateful(options.get("snapshot", False), options.get("irreversible", False))
    return {"stateful": asked} if asked != Stateful() else {}


@click.command()
@click.argument("url")
@click.option(
    "--remove", multiple=True, metavar="SLOT",
    help="Remove this slot of a deleted fleet, with volumes and snapshots; repeatable.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_json
@command
async def slots(url: str, remove: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Show the slots of the fleet at URL, also when it is deleted: its volumes outlive it."""
    place = FleetURL.parse(url)
    async with opened_backend(place, clock=SystemClock()) as backend:
        if not isinstance(backend, SupportsVolumes):
            raise InvalidValue("url", url, f"{place.scheme}:// has no fleets with volumes")
        if remove:
            _sure(url, remove, yes=yes)
            await backend.remove_slots(place.name, remove)
        found: tuple[Slot, ...] = await backend.kept_slots(place.name)
    if as_json:
        show_json([to_json(each) for each in found])
    elif found:
        console().print(slot_table(found))
    else:
        console().print("no slots", markup=False)


@click.command("restore-slot")
@click.argument("url")
@click.argument("slot")
@click.option(
    "--from", "snapshot", default="", metavar="SNAPSHOT",
    help="The snapshot; without it those that there are are named.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_json
@command
async def restore_slot(url: str, slot: str, snapshot: str, yes: bool, as_json: bool) -> None:
    """Bring the volumes of SLOT of the fleet at URL back to a snapshot.

    Nobody may have the slot: scale the fleet down first. What is there now is saved before.
    """
    place = FleetURL.parse(url)
    async with opened_backend(place, clock=SystemClock()) as backend:
        if not isinstance(backend, SupportsRestore):
            raise InvalidValue("url", url, f"{place.scheme}:// can't restore slots")
        if not snapshot:
            there = "\n".join(await backend.slot_snapshots(place.name, slot))
            way_out = f"--from one of:\n{there}" if there else "there is none to restore"
            raise InvalidValue("snapshot", "", "no snapshot is named", way_out)
        if not yes:
            question = f"Bring slot {slot} of {url} back to {snapshot}?"
            click.confirm(question, abort=True, err=True)
        await backend.restore_slot(place.name, slot, snapshot)
    if as_json:
        show_json({"fleet": url, "slot": slot, "snapshot": snapshot})
    else:
        console().print(f"slot {slot} of {url} is as {snapshot} has it", markup=False)


def _sure(url: str, names: tuple[str, ...], *, yes: bool) -> None:
    """Ask before data is lost for good."""
    if not yes:
        which = f"slot{'s' * (len(names) > 1)} {', '.join(names)}"
        click.confirm(f"Remove {which} of {url} with all data?", abort=True, err=True)
