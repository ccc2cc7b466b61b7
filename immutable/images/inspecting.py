"""Looking for secrets in what is about to become an image, before anything is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from immutable.builders import Builder, BuildRequest, ImageSpec, Inputs, SupportsInputs
from immutable.errors import SecretsFound
from immutable.scanning import (
    LEFT_OUT,
    Document,
    Exceptions,
    Report,
    Verdict,
    scanned,
    scanned_tree,
)

__all__ = ["inspected"]

_FOUND = (
    "take them out, and name them as secret references; what is no secret is excepted by its"
    " fingerprint, which immutable image scan shows: --exceptions FILE"
)
_MOST = 20
_UNKNOWN = "build without --scanned, or let all of it be scanned"


async def inspected(
    builder: Builder,
    request: BuildRequest,
    spec: ImageSpec,
    exceptions: Exceptions,
    say: Callable[[str], None],
    *,
    wholly: bool,
) -> tuple[str, ...]:
    """Return what a scan of a build's files and parameters came to, in words.

    Args:
        builder: What is to build it.
        request: What is to be built.
        spec: The same, as the builder understands it.
        exceptions: What somebody has answered for.
        say: Takes each sentence.
        wholly: Whether what was not scanned is a reason to refuse, too.

    Raises:
        SecretsFound: There are some, or nobody knows.
    """
    report = await _files(builder, request, exceptions)
    told = [Document(f"parameter {name}", f"{name}={value}\n".encode(errors="replace"))
            for name, value in request.parameters.items()]  # fmt: skip
    if told and not report.missing:
        of_parameters = exceptions.applied(await scanned(told))
        report = _together(report, of_parameters)
    for sentence in report.words:
        say(sentence)
    refused = report.verdict is not Verdict.CLEAN if wholly else bool(report.findings)
    if refused:
        way_out = _FOUND if report.findings else _UNKNOWN
        raise SecretsFound(str(spec), _short(report.words), way_out)
    return _short(report.words)


def _short(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return so many sentences as a record should hold, with the last, which is the verdict."""
    left_out = len(words) - _MOST
    if left_out <= 0:
        return words
    return (*words[: _MOST - 1], f"and {left_out} more, in the build's log", words[-1])


async def _files(builder: Builder, request: BuildRequest, exceptions: Exceptions) -> Report:
    """Return what came of the files that go in, as far as somebody knows which do."""
    inputs = Inputs(Path(request.source))
    if isinstance(builder, SupportsInputs):
        inputs = await builder.inputs(request)
    elif not await asyncio.to_thread(inputs.place.exists):
        return Report(missing="not scanned for secrets: the builder does not say what goes in")
    return await scanned_tree(inputs.place, exceptions, left_out=LEFT_OUT | inputs.left_out)


def _together(one: Report, other: Report) -> Report:
    """Return two reports as one, in which files count and parameters don't."""
    return evolve(
        one,
        findings=one.findings + other.findings,
        skipped=one.skipped + other.skipped,
        excused=one.excused + other.excused,
    )
