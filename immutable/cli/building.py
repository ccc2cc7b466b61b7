"""The command that builds an image: options to a request, the log as it comes, files at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from immutable.builders import BuildRequest
from immutable.cli.images import BACKEND, opened_place, where_of
from immutable.cli.options import DURATION, as_json, environment, where
from immutable.cli.options import journal as journal_option
from immutable.cli.running import command, console, show_json
from immutable.cli.scanning import EXCEPTIONS, exceptions_from
from immutable.connecting import default_actor, opened_journal
from immutable.errors import InvalidValue
from immutable.images import BuildOrder, BuiltImage, build_image, committed
from immutable.images.sweeping import sweep_builds
from immutable.model import SystemClock
from immutable.registry import builder_class
from immutable.report import documents

__all__ = ["build", "log", "sweep_images", "write"]


@click.command("build")
@click.argument("source")
@click.option(
    "--builder",
    default="local",
    show_default=True,
    help="What makes it: local packs a directory, packer runs your Packer on a template.",
)
@BACKEND
@click.option("--name", default="", help="The image's name; default what SOURCE says.")
@click.option("--version", default="", help="Its version; default what SOURCE says.")
@click.option("--set", "parameters", multiple=True, help="NAME=VALUE for the builder; no secret.")
@click.option("--pass-env", multiple=True, help="A variable that the builder's programs may see.")
@click.option("--base", default="", help="Digest of the image that it is built on: sha256:…")
@click.option("--identity", default="", help="URI of who builds; default the builder's own.")
@click.option("--test", "tests", multiple=True, help="What it has to pass: see `image test`.")
@click.option("--committed", "strict", is_flag=True, help="Refuse what is not as committed.")
@EXCEPTIONS
@click.option("--scanned", is_flag=True, help="Refuse what is not wholly scanned for secrets.")
@click.option("--again", is_flag=True, help="Build although this was built before.")
@click.option("--timeout", type=DURATION, default=7200.0, help="How long it may take; default 2h.")
@click.option("--manifest", type=click.Path(dir_okay=False), help="Write the manifest there.")
@click.option("--sbom", type=click.Path(dir_okay=False), help="Write a bill of materials there.")
@click.option("--reason", default="", help="Why; goes into the record.")
@where
@as_json
@command
async def build(
    source: str,
    builder: str,
    backend: str,
    journal: str | None,
    actor: str | None,
    reason: str,
    exceptions: Path | None,
    scanned: bool,
    again: bool,
    timeout: float,  # noqa: ASYNC109  # The option's name.
    manifest: str | None,
    sbom: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Build an image of SOURCE: a directory with an immutable.toml, a Packer template.

    The same specification is not built twice: what an earlier build has made is found in the
    journal. What goes in is scanned for secrets first (extra `scan`); what has some is not built.
    Ctrl-C stops a build and removes what it has begun; one whose process was killed is
    carried on by the next that wants the same. The log goes to standard error.
    """
    kind = await asyncio.to_thread(builder_class, builder)
    who = actor or default_actor()
    async with opened_place(backend) as (found, place), opened_journal(journal) as book:
        looked = await exceptions_from(exceptions)
        at = where_of(place)
        order = BuildOrder(who, reason, builder, at, again, timeout, log(), looked, scanned)
        request = await _request(source, **wanted)
        made = await build_image(
            kind.for_backend(found, place), request, book, SystemClock(), order
        )
    write(manifest, made.manifest.dump())
    _write_sbom(sbom, made)
    if as_json:
        show_json(documents.built(made.manifest, made.build, reused=made.reused))
        return
    for each in made.manifest.artifacts:
        console().print(f"{made.manifest.spec} {each.id}", markup=False)
    written = f" in {manifest}" if manifest else ""
    console(error=True).print(f"manifest {made.manifest.digest}{written}", markup=False)


@click.command("sweep")
@click.option("--builder", default="packer", show_default=True, help="Whose builds.")
@BACKEND
@journal_option
@as_json
@command
async def sweep_images(builder: str, backend: str, journal: str | None, as_json: bool) -> None:
    """Remove what killed builds have left at a place, such as --backend aws://eu-west-1.

    That is servers, disks, keys and security groups of builds that the journal knows and that
    nobody works on any more. Finished images stay.
    """
    kind = await asyncio.to_thread(builder_class, builder)
    async with opened_place(backend) as (found, place), opened_journal(journal) as book:
        made = kind.for_backend(found, place)
        removed = await sweep_builds(made, builder, where_of(place), book, log())
    if as_json:
        show_json(list(removed))
    else:
        console().print(f"{len(removed)} things removed", markup=False)


async def _request(
    source: str,
    *,
    strict: bool,
    parameters: tuple[str, ...],
    pass_env: tuple[str, ...],
    **rest: Any,
) -> BuildRequest:
    origin = await committed(source, strict=strict)
    given = environment(parameters)
    return BuildRequest(source, origin=origin, parameters=given, environment=pass_env, **rest)


def log() -> Callable[[str], None]:
    """Return what prints a line of the log with the seconds since the beginning."""
    began, screen = time.monotonic(), console(error=True)

    def say(line: str) -> None:
        screen.print(f"{time.monotonic() - began:6.1f} s  {line}", markup=False, style="dim")

    return say


def _write_sbom(path: str | None, made: BuiltImage) -> None:
    if path is None:
        return
    if not made.sbom:
        reason = "no bill of materials was made" + (" now" if made.reused else "")
        way_out = "build --again" if made.reused else "put syft on PATH"
        raise InvalidValue("sbom", path, reason, way_out)
    write(path, made.sbom)


def write(path: str | None, data: bytes) -> None:
    """Write a file, if one is named.

    Raises:
        InvalidValue: It can't be written; says why.
    """
    if path is None:
        return
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        reason = f"can't be written: {error.strerror}"
        raise InvalidValue("file", path, reason, "name another place") from error
