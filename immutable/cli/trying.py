"""The command that tries an image out on a throw-away fleet."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import click
from attrs import evolve

from immutable.cli.building import log, write
from immutable.cli.images import opened_place
from immutable.cli.options import DURATION, as_json, environment, limits_from, limits_options, where
from immutable.cli.running import FAILED, command, console, fail, show_json
from immutable.connecting import default_actor, opened_journal
from immutable.errors import InvalidValue
from immutable.images.redacting import named
from immutable.images.trying import TryOrder, try_image
from immutable.model import FleetURL, SystemClock
from immutable.report import documents
from immutable.trust import Artifact, ImageManifest

__all__ = ["try_"]


@click.command("test")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--backend", help="Where to launch; default the place of its only artifact.")
@click.option("--test", "tests", multiple=True, help="boot, http:/PATH or command:WORDS.")
@click.option("--set", "template", multiple=True, help="NAME=VALUE: how instances are launched.")
@click.option("--pass-env", multiple=True, help="A variable that commands may see.")
@click.option("--lifetime", type=DURATION, default=1800.0, help="For all tests; default 30m.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write there; default MANIFEST.")
@limits_options
@where
@as_json
@command
async def try_(
    manifest: Path,
    backend: str | None,
    tests: tuple[str, ...],
    template: tuple[str, ...],
    pass_env: tuple[str, ...],
    lifetime: float,
    out: str | None,
    journal: str | None,
    actor: str | None,
    as_json: bool,
    **options: object,
) -> None:
    """Try the image of MANIFEST out: launch a fleet of one, test it, remove it.

    The tests are those that the image was specified with, unless --test names others; that it boots
    is always one. The results are written into the manifest, whose digest is another then: sign
    it afterwards. The fleet is removed whatever happens, on Ctrl-C too; after a kill by `immutable
    sweep`, once its lifetime is over. Exit code 4: the image did not pass.

    A command is told where the fleet is by IMMUTABLE_TEST_URL, IMMUTABLE_TEST_FLEET and
    IMMUTABLE_TEST_ARTIFACT.
    """
    image = ImageManifest.load(await asyncio.to_thread(manifest.read_bytes))
    artifact, where_to = _chosen(image, backend)
    variables = named(pass_env)
    async with opened_place(where_to) as (found, place), opened_journal(journal) as book:
        order = TryOrder(
            actor=actor or default_actor(),
            template=environment(template),
            limits=limits_from(found.capabilities.limits, options),
            lifetime=lifetime,
            environment=variables,
            say=log(),
        )
        tried = await try_image(
            image, artifact, found, partial(_address, place), book, SystemClock(),
            tests=tests, order=order,
        )  # fmt: skip
    write(out or str(manifest), tried.dump())
    mine = [each for each in tried.tests if each.artifact == artifact.address]
    if as_json:
        show_json(documents.tried(tried))
    else:
        for each in mine:
            passed = "passed" if each.passed else "FAILED"
            console().print(f"{each.name}: {passed}, {each.detail}", markup=False)
        console().print(f"manifest {tried.digest}", markup=False)
    failed = [each.name for each in mine if not each.passed]
    if failed:
        fail(FAILED, f"{tried.spec} did not pass: {', '.join(failed)}")


def _chosen(image: ImageManifest, backend: str | None) -> tuple[Artifact, str]:
    """Return what is launched, and where."""
    if backend is None:
        if len(image.artifacts) != 1:
            places = ", ".join(str(each.target) for each in image.artifacts)
            reason = f"{image.spec} has artifacts in {places}"
            raise InvalidValue("backend", None, reason, "name one of them with --backend")
        (only,) = image.artifacts
        return only, str(only.target)
    base, _, _ = backend.partition("?")
    scheme, _, region = base.partition("://")
    return image.artifact(scheme, region.strip("/")), backend


def _address(place: FleetURL, name: str) -> str:
    return evolve(place, name=name).identity(*place.options)
