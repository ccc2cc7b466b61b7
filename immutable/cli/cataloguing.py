"""Commands on the catalog of images: adding, showing, revoking, restoring versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from immutable import catalog as deciding
from immutable.catalog import Catalog
from immutable.catalog.revoking import revocable
from immutable.cli.bundles import FILE, attestations_of, attested, read
from immutable.cli.exposing import answer, complain, escape_options
from immutable.cli.options import as_json, journal, where
from immutable.cli.running import command, console, show_json
from immutable.cli.tables import plain_table, stamp
from immutable.cli.withdrawing import PLACES, WAYS, check, told, warn
from immutable.cli.withdrawing import shown as outcomes
from immutable.connecting import default_actor, opened_journal
from immutable.images import Withdrawal, restore_image, withdraw_image
from immutable.model import SystemClock
from immutable.model.catalog import CatalogRecord, VersionAdded
from immutable.report import cataloguing as documents
from immutable.trust import ImageManifest, verify_image
from immutable.trust.shape import time_of

__all__ = ["add", "restore", "revoke", "show", "versions"]


@click.command()
@click.argument("manifest", type=FILE)
@click.option(
    "--signed", "attestations", type=FILE,
    help="What was signed; default the file beside it, with .intoto.jsonl at the end.",
)  # fmt: skip
@click.option("--trust", "policy", type=FILE, help="Refuse it unless these have signed it (TOML).")
@where
@as_json
@command
async def add(
    manifest: Path,
    attestations: Path | None,
    policy: Path | None,
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Add the image of MANIFEST to the catalog, with what was signed of it.

    A name and version stand for one image for ever. An image that is there already has, from then
    on, the signatures that it is added with.
    """
    made = ImageManifest.load(await read(manifest))
    if policy is not None:
        envelopes, trusted = await attested(manifest, attestations, policy)
        for each in made.artifacts:
            verify_image(made, envelopes, trusted, artifact=each)
    record = VersionAdded(
        made.digest,
        made.name,
        made.version,
        made.base,
        tuple(each.address for each in made.artifacts),
        made.dump().decode(),
        await attestations_of(manifest, attestations),
        actor or default_actor(),
    )
    async with opened_journal(journal) as book:
        await book.change_catalog(lambda catalog, _: deciding.add(catalog, record))
        catalog = await book.catalog()
    known = catalog.versions[made.digest]
    if as_json:
        show_json(documents.version(catalog, known, SystemClock().now()))
        return
    console().print(f"{known} {known.digest} is in the catalog", markup=False)


@click.command()
@click.argument("image")
@journal
@as_json
@command
async def show(image: str, journal: str | None, as_json: bool) -> None:
    """Show an IMAGE of the catalog: web:1.4.2, web@production, or sha256: and the digest."""
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
        known = catalog.find(image)
        files = await book.stored(known.digest) if as_json else None
    shown = documents.version(catalog, known, SystemClock().now())
    if as_json:
        show_json(shown | {"manifest": files.manifest if files else ""})
        return
    rows = [(name, _words(value)) for name, value in shown.items() if value]
    console().print(plain_table(rows, "", ""))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return f"{stamp(value['at'])} UTC by {value['actor']}: {value['reason']}"
    if isinstance(value, float):
        return f"{stamp(value)} UTC"
    return ", ".join(value) if isinstance(value, list) else str(value)


@click.command()
@click.argument("name", default="")
@journal
@as_json
@command
async def versions(name: str, journal: str | None, as_json: bool) -> None:
    """List the versions in the catalog, the oldest first; those of NAME, if one is given."""
    async with opened_journal(journal) as book:
        catalog = await book.catalog()
    now = SystemClock().now()
    wanted = [each for each in catalog.versions.values() if name in ("", each.name)]
    found = [documents.version(catalog, each, now) for each in wanted]
    if as_json:
        show_json(found)
        return
    rows = [
        (str(version), version.digest, stamp(version.added_at), _state(each))
        for version, each in zip(wanted, found, strict=True)
    ]
    console().print(plain_table(rows, "image", "digest", "added (UTC)", "state"))


def _state(shown: dict[str, object]) -> str:
    for name in ("revoked", "revoke_at"):
        if isinstance(there := shown[name], dict):
            word = "revoked" if name == "revoked" else f"revoked from {stamp(there['at'])} on"
            return f"{word}: {there['reason']}"
    channels = shown["channels"]
    return ", ".join(channels) if isinstance(channels, list) else ""


@click.command()
@click.argument("image")
@click.option("--reason", required=True, help="Why; all who run it will ask.")
@click.option("--at", metavar="TIME", help="From when on: 2026-12-01T00:00:00Z; default now.")
@click.option("--force", is_flag=True, help="Also if a channel points at it.")
@click.option(
    "--withdraw", "way", type=WAYS,
    help="Also mark it in its clouds. deprecate: fleets that run it still heal with it; disable:"
    " nothing is launched from it any more, not even to heal.",
)  # fmt: skip
@escape_options
@PLACES
@where
@as_json
@command
async def revoke(
    image: str,
    reason: str,
    at: str | None,
    force: bool,
    way: str | None,
    plans: Path | None,
    to: str,
    places: tuple[str, ...],
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Revoke an IMAGE and all that were built on it: none is launched any more.

    IMAGE is web:1.4.2 or a digest, also of an image that is not in the catalog, if one in it was
    built on it. The fleets and instances that run it are listed, rollouts to it are told to go
    back, and with --plans there is a plan for each fleet to get off it. Exits with 5 while a
    channel points at it, and with 4 if it was revoked and not all else is known or done.
    """
    since, who = time_of(at, "at").timestamp() if at else None, actor or default_actor()
    check(way, at=at, plans=plans)
    async with opened_journal(journal) as book:
        await book.change_catalog(
            lambda catalog, now: deciding.revoke(
                catalog, image, now, reason=reason, actor=who, at=since, force=force
            )
        )
        catalog, found = await book.catalog(), None
        if way:
            mild = way == "deprecate"
            found = await withdraw_image(book, image, launchable=mild, places=places, actor=who)
        shown = _show_revoked(catalog, image, found, as_json=as_json)
        runs = await answer(
            book,
            image,
            plans=plans,
            to=to,
            places=places,
            actor=who,
            stop="" if at else f"{image} is revoked: {reason}",
            as_json=as_json,
        )
    if as_json:
        show_json(shown | {"exposure": runs})
    warn(way, runs["exposed"])
    told(found or (), "the revocation stands", as_json=as_json)
    complain(runs)


def _show_revoked(
    catalog: Catalog, image: str, found: tuple[Withdrawal, ...] | None, *, as_json: bool
) -> dict[str, Any]:
    shown = documents.revoked(catalog, revocable(catalog, image))
    if as_json:
        return shown if found is None else shown | {"withdrawn": outcomes(found)}
    affected = ", ".join(shown["affected"]) or shown["digest"]
    console().print(f"revoked from {stamp(shown['at'])} UTC on: {affected}", markup=False)
    if shown["channels"]:
        names = ", ".join(shown["channels"])
        console(error=True).print(f"still pointing at it: {names}", markup=False)
    return shown


@click.command()
@click.argument("image")
@click.option("--reason", required=True, help="Why; goes into the record.")
@click.option("--withdrawn", is_flag=True, help="Also let its clouds launch it as before.")
@PLACES
@where
@as_json
@command
async def restore(
    image: str,
    reason: str,
    withdrawn: bool,  # An option.
    places: tuple[str, ...],
    journal: str | None,
    actor: str | None,
    as_json: bool,
) -> None:
    """Take the revocation of an IMAGE, and of what was built on it, back."""
    who = actor or default_actor()

    def decide(catalog: Catalog, _: float) -> tuple[CatalogRecord, ...]:
        lineage = catalog.lineage(revocable(catalog, image))
        if withdrawn and not catalog.revocations.keys() & set(lineage):
            return ()  # It was restored before, and the clouds were not.
        return deciding.restore(catalog, image, reason=reason, actor=who)

    async with opened_journal(journal) as book:
        await book.change_catalog(decide)
        digest, found = revocable(await book.catalog(), image), None
        if withdrawn:
            found = await restore_image(book, image, places=places, actor=who)
    if as_json:
        document = {"digest": digest, "reason": reason}
        show_json(document if found is None else document | {"withdrawn": outcomes(found)})
    else:
        console().print(f"{digest} is not revoked any more", markup=False)
    told(found or (), "it is restored in the catalog", as_json=as_json)
