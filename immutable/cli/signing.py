"""Commands that sign images, and that check who did; they are commands of `immutable image`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from immutable.cli.bundles import FILE, attested, key_options, read, sign_into, trust_options
from immutable.cli.options import as_json
from immutable.cli.running import command, console, show_json
from immutable.errors import InvalidValue
from immutable.trust import (
    Artifact,
    ImageManifest,
    TrustedKey,
    new_key,
    provenance,
    verify_image,
)

__all__ = ["keygen", "sign", "verify"]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json
@command
async def keygen(file: Path, as_json: bool) -> None:
    """Make a key: the private half in FILE, for its owner only, the other in FILE.pub.

    Nothing is overwritten. What is printed can be put into a file for --trust.
    """
    public = file.with_name(f"{file.name}.pub")
    private_pem, public_pem = await asyncio.to_thread(new_key)
    key = TrustedKey(file.stem, public_pem)
    await asyncio.to_thread(_keep, file, private_pem, public, public_pem)
    if as_json:
        show_json({"key": str(file), "public": str(public), "keyid": key.keyid})
        return
    console(error=True).print(f"{file} is the private key: keep it; {public} is for everybody")
    click.echo(f"[[keys]]\nid = \"{key.id}\"\npublic = '''\n{public_pem}'''")


def _keep(file: Path, private: str, public: Path, public_pem: str) -> None:
    """Write both halves, the private one so that nobody else can read it at any moment."""
    for path in (file, public):
        if path.exists():
            raise InvalidValue("file", str(path), "is there already", "name another one")
    for path, text, mode in ((file, private, 0o600), (public, public_pem, 0o644)):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise InvalidValue("file", str(path), f"can't be made: {error.strerror}") from error
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)


@click.command()
@click.argument("manifest", type=FILE)
@key_options
@as_json
@command
async def sign(
    manifest: Path, key: str, public: Path | None, out: Path | None, as_json: bool
) -> None:
    """Sign the image whose manifest is MANIFEST: this image, and these artifacts of it.

    What is signed is how it was built (SLSA provenance). Several people sign into the same file.
    """
    made = ImageManifest.load(await read(manifest))
    kept = await sign_into(manifest, out, provenance(made), key, public)
    if as_json:
        show_json(kept.document(made.digest))
        return
    console().print(f"{made} is signed {kept}", markup=False)


@click.command()
@click.argument("manifest", type=FILE)
@click.option(
    "--artifact", help="What is about to be launched: aws://eu-west-1/ami-…; default all of it."
)
@trust_options
@as_json
@command
async def verify(
    manifest: Path, artifact: str | None, attestations: Path | None, policy: Path, as_json: bool
) -> None:
    """Check that enough of those who are trusted have signed the image of MANIFEST.

    Exits with 5 if not, and says why.
    """
    loaded = ImageManifest.load(await read(manifest))
    envelopes, trusted = await attested(manifest, attestations, policy)
    launched = (Artifact.parse(artifact),) if artifact else loaded.artifacts
    found = [verify_image(loaded, envelopes, trusted, artifact=each) for each in launched]
    signers = found[0].signers
    if as_json:
        addresses = [each.address for each in launched]
        show_json({"digest": loaded.digest, "signers": signers, "artifacts": addresses})
        return
    console().print(f"{loaded.spec} {loaded.digest}", markup=False)
    for each in launched:
        console().print(f"{each} is signed by {', '.join(signers)}", markup=False)
