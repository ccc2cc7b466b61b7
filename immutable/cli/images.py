"""Commands on images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from immutable.backend import SupportsImages
from immutable.cli.options import as_json
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import image_table
from immutable.errors import InvalidValue
from immutable.model import FleetURL, SystemClock
from immutable.registry import backend_class
from immutable.report import documents

__all__ = ["image"]

BACKEND = click.option(
    "--backend", default="local", show_default=True, help="Where images are kept."
)


@asynccontextmanager
async def _keeper(name: str) -> AsyncIterator[SupportsImages]:
    place = FleetURL.parse(f"{name}/*" if "://" in name else f"{name}://*")
    found = await asyncio.to_thread(backend_class, place.scheme)
    backend = found.from_url(place, clock=SystemClock())
    if not isinstance(backend, SupportsImages):
        raise InvalidValue("backend", name, "does not keep images itself")
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


@click.group()
def image() -> None:
    """Make and list images."""


@image.command("build")
@click.argument("source")
@BACKEND
@as_json
@command
async def build(source: str, backend: str, as_json: bool) -> None:
    """Make an image of SOURCE, such as a directory with an immutable.toml."""
    async with _keeper(backend) as keeper:
        made = await keeper.build_image(source)
    if as_json:
        show_json(documents.image(made))
    else:
        console().print(f"{made.name}:{made.version} {made.digest}", markup=False)


@image.command("list")
@BACKEND
@as_json
@command
async def list_(backend: str, as_json: bool) -> None:
    """List the images that are kept."""
    async with _keeper(backend) as keeper:
        found = await keeper.images()
    if as_json:
        show_json([documents.image(each) for each in found])
    else:
        console().print(image_table(found))
