"""Commands on the record: is it as it was written, and what does it say of each change."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from immutable.audit.changes import changes as changes_of
from immutable.audit.checkpoint import ORIGIN, Checkpoint
from immutable.audit.export import export as lines_of
from immutable.audit.finding import Report
from immutable.audit.keys import PrivateKey, PublicKey
from immutable.audit.verify import verify as check
from immutable.cli.grouping import Commands, Place
from immutable.cli.options import as_json
from immutable.cli.options import journal as journal_option
from immutable.cli.running import command, console, fail, show_json
from immutable.cli.tables import change_table
from immutable.connecting import opened_journal
from immutable.errors import JournalError
from immutable.journal import Journal
from immutable.journal.opening import default_path
from immutable.model.serial import to_json

__all__ = ["audit", "existing"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
_CHECKPOINTS = click.option(
    "--checkpoint", "checkpoints", type=_FILE, multiple=True,
    help="A checkpoint that was kept elsewhere; repeatable.",
)  # fmt: skip
_ORIGIN = click.option(
    "--origin", envvar="IMMUTABLE_ORIGIN", default=ORIGIN, show_default=True,
    help="The log's name in its checkpoints. [env: IMMUTABLE_ORIGIN]",
)  # fmt: skip
_LINES = 1_000
"""Lines of an export that are written at once."""

_UNSIGNED = (
    "warning: NOT SIGNED: whoever can write to where it is kept can make another one;"
    " sign it with --key, and a key that the journal's administrator has not"
)


# Imported when it is typed: it looks at fleets, which nothing else here does.
_PACK = Place(
    "immutable.cli.packing:pack", "Write a compliance pack into DIRECTORY, a new or empty one."
)


@click.group(cls=Commands, places={"pack": _PACK})
def audit() -> None:
    """Prove that the record is as it was written; hand it to an auditor."""


@asynccontextmanager
async def existing(place: str | None) -> AsyncIterator[Journal]:
    """Open a journal that exists: an audit of one that was made just now would find nothing."""
    where = place or str(default_path())
    if "://" not in where and not await asyncio.to_thread(Path(where).is_file):
        raise JournalError(f"there is no journal {where}; name it with --journal")
    async with opened_journal(where) as book:
        yield book


async def _read(path: Path) -> bytes:
    return await asyncio.to_thread(path.read_bytes)


async def _texts(paths: tuple[Path, ...]) -> dict[str, str]:
    """Return the texts of checkpoints, by their files' names; what is no text will not be one."""
    return {str(path): (await _read(path)).decode(errors="replace") for path in paths}


def _tell(report: Report) -> None:
    """Say what a check found: findings on standard output, what weakens it on standard error."""
    for finding in report.findings:
        console().print(f"{finding}", style="red", markup=False)
    for warning in report.warnings:
        console(error=True).print(f"warning: {warning}", style="yellow", markup=False)


@audit.command("verify")
@_CHECKPOINTS
@click.option("--key", type=_FILE, help="Public key (PEM) that checkpoints must be signed with.")
@_ORIGIN
@journal_option
@as_json
@command
async def verify(
    checkpoints: tuple[Path, ...],
    key: Path | None,
    origin: str,
    journal: str | None,
    as_json: bool,
) -> None:
    """Check every record against its hash, and all of them against the checkpoints.

    Exits with 1 if something is not as it was written; each finding is a line that says where.
    """
    public = PublicKey.from_pem(await _read(key)) if key is not None else None
    async with existing(journal) as book:
        texts = await _texts(checkpoints)
        report = await check(book, checkpoints=texts, key=public, origin=origin)
    if as_json:
        show_json(_document(report))
    else:
        _tell(report)
        sure = f"; the first {report.confirmed} are as {report.by} has them" if report.by else ""
        found = len(report.findings)
        said = f"{found} finding{'s' * (found > 1)}" if found else "all as they were written"
        console().print(f"{report.size} records, {said}{sure}", markup=False)
    if report.findings:
        raise SystemExit(1)


def _document(report: Report) -> dict[str, Any]:
    """Return a report as JSON: as `Report`, with the root in base64."""
    return {
        "size": report.size,
        "root": b64encode(report.root).decode(),
        "findings": [to_json(finding) for finding in report.findings],
        "warnings": list(report.warnings),
        "confirmed": report.confirmed,
        "by": report.by,
    }


@audit.command("checkpoint")
@click.option("--key", type=_FILE, help="Private key (PEM, Ed25519) to sign with.")
@_OUT
@_CHECKPOINTS
@_ORIGIN
@journal_option
@as_json
@command
async def checkpoint(
    key: Path | None,
    out: Path | None,
    checkpoints: tuple[Path, ...],
    origin: str,
    journal: str | None,
    as_json: bool,
) -> None:
    """Make a checkpoint of all records so far, once they were checked. Keep it elsewhere.

    What lies in the file of --out already is taken for an earlier checkpoint: the records must be
    as it has them, and it is replaced.
    """
    private = PrivateKey.from_pem(await _read(key)) if key is not None else None
    if out is not None and await asyncio.to_thread(out.exists):
        checkpoints = (*checkpoints, out)
    async with existing(journal) as book:
        made = await _certify(book, await _texts(checkpoints), private, origin)
    if out is not None:
        await asyncio.to_thread(out.write_text, str(made), encoding="utf-8")
    if as_json:
        spelled = private.public.spelled(origin) if private is not None else None
        show_json({"checkpoint": str(made), "size": made.size, "key": spelled})
    elif out is None:
        click.echo(str(made), nl=False)
    else:
        console().print(f"checkpoint of {made.size} records written to {out}", markup=False)
    if private is None:
        console(error=True).print(_UNSIGNED, style="bold yellow", markup=False)


async def _certify(
    book: Journal, earlier: dict[str, str], key: PrivateKey | None, origin: str
) -> Checkpoint:
    """Return a checkpoint of a log that was found sound, and keep it in the journal too."""
    public = key.public if key is not None else None
    report = await check(book, checkpoints=earlier, key=public, origin=origin)
    if report.findings:
        _tell(report)
        fail(1, "no checkpoint was made: the record is not as it was written")
    made = Checkpoint(origin, report.size, report.root)
    made = made.signed(key) if key is not None else made
    if str(made) not in await book.checkpoints():
        await book.keep_checkpoint(made.size, str(made))
    return made


@audit.command("export")
@_OUT
@_ORIGIN
@journal_option
@command
async def export(out: Path | None, origin: str, journal: str | None) -> None:
    """Write all records as JSON Lines with proofs; docs/verify.py checks them without us."""
    async with existing(journal) as book:
        if out is not None:
            await asyncio.to_thread(out.write_text, "")
        async for text in _portions(lines_of(book, origin=origin)):
            if out is None:
                click.echo(text, nl=False)
            else:
                await asyncio.to_thread(_append, out, text)


async def _portions(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Join lines to fewer, larger texts: each is written by a thread, and that has its price."""
    waiting: list[str] = []
    async for line in lines:
        waiting.append(line)
        if len(waiting) == _LINES:
            yield "".join(waiting)
            waiting = []
    yield "".join(waiting)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


@audit.command("changes")
@_ORIGIN
@journal_option
@as_json
@command
async def changes(origin: str, journal: str | None, as_json: bool) -> None:
    """List each change: who wanted what, who approved it, what came of it, and the proof."""
    async with existing(journal) as book:
        found = await changes_of(book, origin=origin)
    if as_json:
        show_json(found)
    else:
        console().print(change_table(found))
