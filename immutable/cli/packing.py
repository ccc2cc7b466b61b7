"""The command that hands an auditor everything at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import click
from attrs import asdict

from immutable.audit.checkpoint import ORIGIN
from immutable.audit.controls import CONTROLS
from immutable.audit.inventory import inventory
from immutable.audit.pack import Pack, manifest
from immutable.audit.pack import pack as packed
from immutable.audit.verify import verify
from immutable.cli.audit import existing
from immutable.cli.options import as_json
from immutable.cli.options import journal as journal_option
from immutable.cli.running import command, console, fail, show_json
from immutable.errors import InvalidValue
from immutable.images.looking import connecting
from immutable.model import SystemClock

__all__ = ["pack"]


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--fleets/--no-fleets", default=True, show_default=True,
              help="Look at all fleets: what share is immutable, and what is not.")  # fmt: skip
@click.option("--at", "places", multiple=True, metavar="PLACE",
              help="How a backend is reached, where it needs options; repeatable.")  # fmt: skip
@click.option("--origin", envvar="IMMUTABLE_ORIGIN", default=ORIGIN, show_default=True,
              help="The log's name in its checkpoints. [env: IMMUTABLE_ORIGIN]")  # fmt: skip
@journal_option
@as_json
@command
async def pack(
    directory: Path,
    fleets: bool,
    places: tuple[str, ...],
    origin: str,
    journal: str | None,
    as_json: bool,
) -> None:
    """Write a compliance pack into DIRECTORY, a new or empty one.

    Change records with proofs, as a table and as a page; the whole log; which record answers which
    control; what share of the fleets is immutable, with the exceptions. docs/verify_pack.py checks
    it without us. Exits with 1 if a change record lacks a field, and names both.
    """
    if await asyncio.to_thread(_used, directory):
        way_out = "name a new one"
        raise InvalidValue("directory", str(directory), "there is something in it", way_out)
    if find_spec("jinja2") is None:
        fail(1, "jinja2 is missing", "install it with: pip install 'immutable-sdk[cli]'")
    async with existing(journal) as book:
        report = await verify(book, origin=origin)
        if report.findings:
            for finding in report.findings:
                console().print(f"{finding}", style="red", markup=False)
            fail(1, "no pack was made: the record is not as it was written")
        seen = await inventory(book, connecting(book, places=places)) if fleets else None
        made = await packed(book, origin=origin, inventory=seen)
    await asyncio.to_thread(_write, directory, made)
    _tell(directory, made, as_json=as_json)
    if made.lacks:
        raise SystemExit(1)


def _tell(directory: Path, made: Pack, *, as_json: bool) -> None:
    if as_json:
        lacks = [asdict(each) for each in made.lacks]
        show_json({"directory": str(directory), "changes": len(made.changes), "lacks": lacks})
        return
    for each in made.lacks:
        console().print(f"{each}", style="red", markup=False)
    said = f"fields lacking: {len(made.lacks)}" if made.lacks else "complete"
    count = f"{len(made.changes)} change{'s' * (len(made.changes) != 1)}"
    console().print(f"{count}, {said}; written to {directory}", markup=False)


def _used(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _write(directory: Path, made: Pack) -> None:
    from immutable.report import evidence
    from immutable.report.telling import stamp

    controls = [asdict(each) for each in CONTROLS]
    lacks = [str(each) for each in made.lacks]
    now = stamp(SystemClock().now())
    html = evidence.page(made.changes, lacks, controls, made.inventory, now)
    files: Mapping[str, str] = {**made.files, "index.html": html}
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in {**files, "manifest.json": manifest(dict(files))}.items():
        # As bytes: the table's line ends are part of what the manifest has the sum of.
        (directory / name).write_bytes(text.encode())
