"""Looking at an installation before anything depends on it: what is there, works, or is missing."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from immutable.connecting import default_actor, opened_backend, opened_journal, place_of
from immutable.errors import ImmutableError, RegistryError
from immutable.journal.opening import default_path
from immutable.model import SystemClock
from immutable.registry import (
    BUILDERS,
    GROUP,
    METRICS,
    backend_class,
    builder_class,
    metric_class,
    plugins,
)
from immutable.secrets.resolving import GROUP as SECRETS
from immutable.secrets.resolving import resolver_class

__all__ = ["Condition", "Finding", "installation", "journal_at", "place_at"]

_SDK = "immutable-sdk"
_FOR_AUTHORS = ("dev", "docs")
"""Extras for those who work on the SDK itself."""
_REQUIREMENT = re.compile(r"""([\w.-]+)(?:\[[^]]*\])?.*;.*\bextra\s*==\s*['"]([\w.-]+)['"]""")
"""A requirement of an extra, such as ``click>=8.1; extra == "cli"`` (Core Metadata Specification,
"Requires-Dist")."""
_PROGRAMS = {"syft": "images get bills of materials by it"}
"""What the SDK itself looks for on ``PATH``, and for what."""


class Condition(StrEnum):
    """What a look at something came to."""

    WORKS = "works"
    MISSING = "missing"
    """It isn't there, and nothing needs it until it is asked for."""
    BROKEN = "broken"
    """It is there, or was asked for, and can't be used."""


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What.
        condition: Whether it can be used.
        detail: What was seen.
        way_out: What to type, where it can't be used.
    """

    subject: str
    condition: Condition
    detail: str = ""
    way_out: str = ""


def installation() -> tuple[Finding, ...]:
    """Return what is installed: the SDK, its extras, plug-ins, and the programs that they drive.

    Reads the disk and imports the plug-ins, but no cloud's SDK, and asks no network.
    """
    own = (_program(name, use) for name, use in _PROGRAMS.items())
    return (*_basics(), *_extras(), *_plugins(), *own)


def _basics() -> Iterator[Finding]:
    yield Finding(
        "python", Condition.WORKS, f"{platform.python_version()} on {platform.platform(terse=True)}"
    )
    yield Finding("immutable-sdk", Condition.WORKS, f"{_version(_SDK)}, {Path(__file__).parent}")
    yield Finding("actor", Condition.WORKS, f"{default_actor()}, as changes are recorded here")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> Iterator[Finding]:
    """Yield the extras of the SDK, and whether all that each asks for is installed."""
    wanted: dict[str, list[str]] = {}
    for line in metadata.requires(_SDK) or ():
        if (found := _REQUIREMENT.fullmatch(line)) and found[2] not in _FOR_AUTHORS:
            wanted.setdefault(found[2], []).append(found[1])
    for extra, names in sorted(wanted.items()):
        lacking = [name for name in names if not _version(name)]
        there = ", ".join(f"{name} {_version(name)}" for name in names if name not in lacking)
        if lacking:
            way_out = f"pip install '{_SDK}[{extra}]'"
            detail = f"{', '.join(lacking)} not installed"
            yield Finding(f"extra {extra}", Condition.MISSING, detail, way_out)
        else:
            yield Finding(f"extra {extra}", Condition.WORKS, there)


def _plugins() -> Iterator[Finding]:
    kinds: tuple[tuple[str, str, Callable[[str], type]], ...] = (
        (GROUP, "backend", backend_class),
        (METRICS, "metric source", metric_class),
        (BUILDERS, "builder", builder_class),
        (SECRETS, "secret resolver", resolver_class),
    )
    for group, kind, load in kinds:
        for name in plugins(group):
            try:
                found = load(name)
            except RegistryError as error:
                yield Finding(f"{kind} {name}", Condition.BROKEN, str(error))
                continue
            yield Finding(f"{kind} {name}", Condition.WORKS, found.__module__)
            for program in getattr(found, "programs", ()):
                yield _program(program, f"the {kind} {name} drives it")


def _program(name: str, use: str) -> Finding:
    where = shutil.which(name)
    if where is not None:
        return Finding(f"program {name}", Condition.WORKS, where)
    way_out = f"install it where you need it: {use}"
    return Finding(f"program {name}", Condition.MISSING, "not on PATH", way_out)


async def journal_at(place: str | None) -> Finding:
    """Return whether a journal can be opened, and what is in it; one that isn't there stays so.

    Args:
        place: As `open_journal` takes it; None for where journals are when nobody says otherwise.
    """
    where = place or os.environ.get("IMMUTABLE_JOURNAL") or str(default_path())
    named = _named(where)
    if "://" not in where and not await asyncio.to_thread(Path(where).exists):
        return await asyncio.to_thread(_to_be_made, Path(where))
    try:
        async with opened_journal(where) as journal:
            entries = await journal.entries()
    except (ImmutableError, OSError) as error:
        return Finding("journal", Condition.BROKEN, str(error), "mend it, or pass --journal")
    unfinished = sum(not each.status.ended for each in entries)
    fleets = len({each.fleet for each in entries})
    rollouts = f"fleets {fleets}, rollouts {len(entries)}, unfinished {unfinished}"
    return Finding("journal", Condition.WORKS, f"{named}: {rollouts}")


def _named(journal: str) -> str:
    """Return what a journal may be called where others read it: without a password."""
    parts = urlsplit(journal)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if "://" in journal else journal


def _to_be_made(journal: Path) -> Finding:
    folder = next(each for each in journal.absolute().parents if each.exists())
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding("journal", Condition.WORKS, f"{journal}: made by the first rollout")
    reason = f"{journal} isn't there, and {folder} can't be written"
    return Finding("journal", Condition.BROKEN, reason, "pass --journal, or set IMMUTABLE_JOURNAL")


async def place_at(words: str) -> Finding:
    """Return whether a place can be reached with the credentials that are here.

    Args:
        words: A place, such as ``aws://eu-west-1``, or a fleet's address.
    """
    place = place_of(words)
    try:
        async with opened_backend(place, clock=SystemClock()) as backend:
            fleets = await backend.fleets()
    except ImmutableError as error:
        return Finding(words, Condition.BROKEN, str(error))
    shown = ", ".join(fleets[:5]) + (f" and {len(fleets) - 5} more" if len(fleets) > 5 else "")
    return Finding(words, Condition.WORKS, f"reached; fleets: {shown or 'none'}")
