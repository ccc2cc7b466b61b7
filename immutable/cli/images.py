"""Commands on images, and finding the backend that they are for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from immutable.backend import Backend, SupportsImages
from immutable.cli.grouping import Commands
from immutable.cli.options import as_json
from immutable.cli.places import IMAGES
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import image_table
from immutable.connecting import opened_backend, place_of
from immutable.errors import InvalidValue
from immutable.model import FleetURL, SystemClock
from immutable.report import documents

__all__ = ["BACKEND", "image", "opened_place", "where_of"]

BACKEND = click.option(
    "--backend",
    default="local",
    show_default=True,
    help="Where images are: a backend's name, or its place, such as aws://eu-west-1.",
)


@asynccontextmanager
async def opened_place(words: str) -> AsyncIterator[tuple[Backend, FleetURL]]:
    """Open the backend of a place: ``local``, ``aws://eu-west-1``, ``local://?dir=/srv``."""
    place = place_of(words)
    async with opened_backend(place, clock=SystemClock()) as backend:
        yield backend, place


def where_of(place: FleetURL) -> str:
    """Return a place as builds say where they are made: without a fleet, or credentials."""
    return f"{place.scheme}://{place.location}"


def keeping(backend: Backend, name: str) -> SupportsImages:
    """Return a backend that keeps images itself.

    Raises:
        InvalidValue: It does not.
    """
    if not isinstance(backend, SupportsImages):
        raise InvalidValue("backend", name, "does not keep images itself")
    return backend


@click.group(cls=Commands, places=IMAGES)
def image() -> None:
    """Build, test, list and clear away images."""


@image.command("list")
@BACKEND
@as_json
@command
async def list_(backend: str, as_json: bool) -> None:
    """List the images that are kept."""
    async with opened_place(backend) as (found, _):
        images = await keeping(found, backend).images()
    if as_json:
        show_json([documents.image(each) for each in images])
    else:
        console().print(image_table(images))
