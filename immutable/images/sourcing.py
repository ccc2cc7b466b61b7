"""Which commit a directory is, as git tells: an image should say what it was built from."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from immutable.errors import InvalidValue
from immutable.trust import Source

__all__ = ["committed"]


async def committed(directory: str | Path, *, strict: bool = False) -> Source | None:
    """Return the commit that a directory is, with the address of its repository and its ref.

    Only what git tracks, or would, counts: ignored files can be there. The repository is the
    remote ``origin`` without any password, or the directory itself where there is none.

    Args:
        directory: A directory of a working tree.
        strict: Whether a directory that is no commit is an error.

    Returns:
        None for one that is in no repository, or differs from its commit.

    Raises:
        InvalidValue: It is no commit, and *strict*; says what differs.
    """
    place = await asyncio.to_thread(_folder, Path(directory))
    commit = await _git(place, "rev-parse", "HEAD")
    changed = await _git(place, "status", "--porcelain", "--", ".") if commit else None
    if not commit or changed:
        if strict:
            first = (changed or "").splitlines()[:1]
            reason = f"not as committed: {first[0].strip()}" if first else "in no git repository"
            raise InvalidValue("source", str(directory), reason, "commit it first")
        return None
    remote = await _git(place, "remote", "get-url", "origin")
    root = await _git(place, "rev-parse", "--show-toplevel") or str(place)
    ref = await _git(place, "symbolic-ref", "-q", "HEAD")
    return Source(_public(remote) if remote else Path(root).as_uri(), commit, ref or "")


def _folder(place: Path) -> Path:
    return place if place.is_dir() else place.parent


def _public(remote: str) -> str:
    """Return the address of a remote without the password or token that may be in it."""
    parts = urlsplit(remote)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return remote
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


async def _git(place: Path, *words: str) -> str | None:
    """Return what git says; None when it refuses, or isn't there."""
    git = await asyncio.to_thread(shutil.which, "git")
    if git is None:
        return None
    process = await asyncio.create_subprocess_exec(
        git,
        "-C",
        str(place),
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate()
    return said.decode(errors="replace").strip() if process.returncode == 0 else None
