"""The command that looks for secrets in files, and what other commands say of a scan."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from immutable.cli.options import as_json
from immutable.cli.running import FAILED, REFUSED, command, console, fail, show_json
from immutable.report import documents
from immutable.scanning import Exceptions, Report, Verdict, scanned_tree

__all__ = ["EXCEPTIONS", "exceptions_from", "scan"]

EXCEPTIONS = click.option(
    "--exceptions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of findings and files that somebody has answered for; see the documentation.",
)


async def exceptions_from(file: Path | None) -> Exceptions:
    """Return the exceptions of a file, if one is named.

    Raises:
        InvalidValue: It says something else.
    """
    return Exceptions() if file is None else await asyncio.to_thread(Exceptions.load, file)


@click.command("scan")
@click.argument("path", type=click.Path(path_type=Path))
@EXCEPTIONS
@as_json
@command
async def scan(path: Path, exceptions: Path | None, as_json: bool) -> None:
    """Look for secrets in PATH: a directory that becomes an image, a recipe, user data.

    Base64, gzip and MIME parts are decoded, nested too. A finding tells the file, the line and what
    it looks like; the secret is not shown. Exit code 4: something was found. Exit code 5: not all
    was scanned, so that nobody knows.
    """
    report = await scanned_tree(path, await exceptions_from(exceptions))
    if as_json:
        show_json(documents.scan(report))
    else:
        _show(report)
    if report.verdict is Verdict.FOUND:
        way_out = "take it out: name it as a secret reference, or except it by its fingerprint"
        fail(FAILED, str(report), way_out)
    if report.verdict is not Verdict.CLEAN:
        fail(REFUSED, str(report))
    console(error=as_json).print(str(report), markup=False)


def _show(report: Report) -> None:
    screen = console()
    for finding in report.findings:
        screen.print(f"{finding}  (fingerprint {finding.fingerprint})", markup=False)
    for each in (*report.skipped, *report.excused):
        screen.print(str(each), markup=False)
