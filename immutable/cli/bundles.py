"""What was signed, in the file beside the thing itself; keys, and who is trusted, as options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from attrs import frozen

from immutable.errors import InvalidValue
from immutable.trust import (
    Envelope,
    Statement,
    TrustPolicy,
    dump_bundle,
    load_bundle,
    open_signer,
    signed,
)

__all__ = [
    "FILE",
    "attestations_of",
    "attested",
    "beside",
    "key_options",
    "read",
    "sign_into",
    "trust_options",
]

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def key_options(function: F) -> F:
    """Add which key signs, and where what was signed goes."""
    for option in (
        click.option(
            "--out", type=click.Path(dir_okay=False, path_type=Path),
            help="Where what is signed goes; default beside it, with .intoto.jsonl at the end.",
        ),
        click.option(
            "--public", type=FILE, help="Public half (PEM) of a key that --key names by a URI."
        ),
        click.option(
            "--key", required=True,
            help="Private key to sign with: a PEM file, or a URI such as awskms:alias/images.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def trust_options(function: F) -> F:
    """Add who is trusted, and where what was signed is."""
    for option in (
        click.option(
            "--signed", "attestations", type=FILE,
            help="What was signed; default the file beside it, with .intoto.jsonl at the end.",
        ),
        click.option(
            "--trust", "policy", type=FILE, required=True,
            help="Whose signatures count, and how many are needed (TOML).",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def beside(path: Path) -> Path:
    """Return where what is signed of a file is looked for (in-toto's suffix of bundles)."""
    return path.with_name(f"{path.name}.intoto.jsonl")


async def read(path: Path) -> str:
    """Return a file's text; what is no text is refused where it is made sense of."""
    return (await asyncio.to_thread(path.read_bytes)).decode(errors="replace")


async def attestations_of(path: Path, attestations: Path | None) -> str:
    """Return the text of what was signed of a file, read once to be sure; empty for nothing."""
    place = attestations or beside(path)
    if attestations is None and not await asyncio.to_thread(place.is_file):
        return ""
    text = await read(place)
    load_bundle(text)
    return text


async def attested(
    path: Path, attestations: Path | None, policy: Path
) -> tuple[tuple[Envelope, ...], TrustPolicy]:
    """Return what was signed of a file, and who is trusted."""
    place = attestations or beside(path)
    if not await asyncio.to_thread(place.is_file):
        way_out = "name it with --signed, or sign first"
        raise InvalidValue("signed", str(place), "there is no such file", way_out)
    trusted = TrustPolicy.from_toml(await read(policy))
    return load_bundle(await read(place)), trusted


@frozen
class Kept:
    """What was signed, in its file.

    Attributes:
        place: The file.
        keyid: The key that has signed now.
        keys: How many keys have signed what is in the file.
    """

    place: Path
    keyid: str
    keys: int

    def __str__(self) -> str:
        return f"in {self.place}, by {self.keys} key{'s' if self.keys > 1 else ''}"

    def document(self, digest: str) -> dict[str, Any]:
        """Return it for programs, beside the digest of what is signed."""
        place = str(self.place)
        return {"digest": digest, "keyid": self.keyid, "keys": self.keys, "signed": place}


async def sign_into(
    path: Path, out: Path | None, statement: Statement, key: str, public: Path | None
) -> Kept:
    """Sign a statement, and put it to what is signed already; what this key signed is replaced.

    Args:
        path: The file of what is signed.
        out: Where it goes; None for beside it.
        statement: What is said.
        key: The key that signs, as `open_signer` takes it.
        public: The file of its public half; None where that is not needed.

    Raises:
        InvalidValue: The file has what was signed of something else, or there is no such key.
    """
    place = out or beside(path)
    half = await read(public) if public is not None else ""
    there = await asyncio.to_thread(place.is_file)
    others = load_bundle(await read(place)) if there else ()
    for each in others:
        if Statement.load(each.payload).subjects != statement.subjects:
            way_out = "remove it, or name another file with --out"
            raise InvalidValue("out", str(place), "holds what was signed of another one", way_out)
    signer = await asyncio.to_thread(open_signer, key, public=half, ask=_ask)
    mine = await asyncio.to_thread(signed, Envelope(statement.dump()), signer)
    name = mine.signatures[0].keyid
    kept = [each for each in others if {s.keyid for s in each.signatures} != {name}]
    await asyncio.to_thread(_write, place, dump_bundle([*kept, mine]))
    return Kept(place, name, len({s.keyid for each in (*kept, mine) for s in each.signatures}))


def _ask(what: str) -> str:
    return str(click.prompt(what.capitalize(), hide_input=True, err=True))


def _write(place: Path, text: str) -> None:
    """Write a file so that it is there whole or as it was: others' signatures are in it."""
    draft = place.with_name(f".{place.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(place)
