"""A directory as an image holds it: what is in it, as one tar file, and read-only on disk again.

Only what the program sees counts: names, contents, whether a file can be executed, and where
symbolic links point. Owners, times and other mode bits are the same for everybody, so that equal
content gives equal bytes wherever it lies and whoever packs it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import IO, Protocol

from attrs import evolve, frozen

from immutable.errors import Invalid
from immutable_local.disk import reporting

__all__ = ["Entry", "Sink", "check", "differences", "extract", "stays_inside", "survey", "write"]

_CACHE = "__pycache__"
_HISTORY = ".git"
_MOUNT_POINTS = ("dev", "proc", "tmp")
_MOST_STEPS = 10_000
_CHUNK = 1 << 20


@frozen
class Entry:
    """One thing in a tree: a file when it has a checksum, a link when it has a target.

    Attributes:
        path: Where it is, below the root, with ``/`` between the parts.
        mode: 0o755 or 0o644, as in the image; on disk the write bits are missing.
        size: Of a file, in bytes.
        sha256: Of a file, 64 hexadecimal digits.
        link: What a symbolic link points to.
    """

    path: str
    mode: int = 0o755
    size: int = 0
    sha256: str = ""
    link: str = ""

    @property
    def kind(self) -> int:
        """What it is, as in ``st_mode``."""
        return stat.S_IFLNK if self.link else stat.S_IFREG if self.sha256 else stat.S_IFDIR


class Sink(Protocol):
    """Where a tree is written to."""

    def write(self, data: bytes, /) -> int:
        """Take *data*."""
        ...

    def tell(self) -> int:
        """Return how much was taken."""
        ...


# -- from a directory to a tar file ---------------------------------------------------------------


def survey(directory: Path, *, rootfs: bool = False) -> tuple[Entry, ...]:
    """Return what is in *directory*, in order; files still without size and checksum.

    Bytecode caches are left out, and what git keeps of a repository, which is another for each
    clone of the same commit. A full root gets the directories that the kernel's own file
    systems are mounted on, which version control doesn't keep.

    Raises:
        Invalid: Something can't be part of an image: a device, a socket, a link that leads out.
    """
    found = {path: _seen(directory, path, status) for path, status in _walk(directory)}
    if rootfs:
        found = {path: Entry(path) for path in _MOUNT_POINTS} | found
    entries = tuple(found[path] for path in sorted(found))
    links = _links(entries)
    for path in links:
        if not stays_inside(path, links, rootfs=rootfs):
            reason = f"the link points to {links[path]}, out of the image"
            raise Invalid(f"{directory / path}: {reason}; copy what it points to, or leave it out")
    return entries


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(root / prefix) as found:
            for each in found:
                cache = each.name == _CACHE and each.is_dir(follow_symlinks=False)
                if cache or each.name == _HISTORY:
                    continue
                path = f"{prefix}{each.name}"
                yield path, each.stat(follow_symlinks=False)
                if each.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")


def _seen(directory: Path, path: str, status: os.stat_result) -> Entry:
    full = directory / path
    link = _target(full) if stat.S_ISLNK(status.st_mode) else ""
    try:
        f"{path}{link}".encode()
    except UnicodeEncodeError:
        raise Invalid(
            f"{os.fsencode(full)!r}: the name or target is not UTF-8; rename it"
        ) from None
    if stat.S_ISDIR(status.st_mode):
        return Entry(path)
    if link:
        return Entry(path, mode=0o777, link=link)
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{full}: neither file, directory nor link; leave it out of the image")
    return Entry(path, mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, sha256="?")


def write(directory: Path, entries: Iterable[Entry], sink: Sink) -> tuple[Entry, ...]:
    """Write a tree as a tar file.

    Args:
        directory: Where the tree is.
        entries: What `survey` found there.
        sink: Where the bytes go.

    Returns:
        The entries, with sizes and checksums of exactly what was written.

    Raises:
        Invalid: A file was replaced by something else meanwhile.
        OSError: A file can't be read or became shorter, or the sink can't take more.
    """
    # A sink has all that tarfile needs for writing; its stub asks for more.
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        return tuple(_add(tar, directory, entry) for entry in entries)


def _add(tar: tarfile.TarFile, directory: Path, entry: Entry) -> Entry:
    member = tarfile.TarInfo(entry.path)
    member.mode = entry.mode
    if not entry.sha256:
        member.type = tarfile.SYMTYPE if entry.link else tarfile.DIRTYPE
        member.linkname = entry.link
        tar.addfile(member)
        return entry
    with _open(directory / entry.path) as file:
        member.size = os.fstat(file.fileno()).st_size
        reader = _Summing(file)
        tar.addfile(member, reader)
    return evolve(entry, size=member.size, sha256=reader.digest.hexdigest())


def _open(path: Path) -> IO[bytes]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.fdopen(os.open(path, flags), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Invalid(f"{path}: is no file any more; pack while nothing is changed")
    return file


class _Summing:
    """Reads a file and keeps the checksum of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def read(self, length: int = -1) -> bytes:
        data = self._file.read(length)
        self.digest.update(data)
        return data


# -- from a tar file to a directory ---------------------------------------------------------------


def check(entries: Iterable[Entry], *, rootfs: bool = False) -> None:
    """Refuse a list of entries that could put anything outside of the tree.

    Every path is relative, without ``..``, comes once, after the directory it lies in; so no
    entry lies behind a link. Every link stays inside.

    Raises:
        Invalid: One doesn't; names it.
    """
    entries = tuple(entries)
    links = _links(entries)
    folders, last = {""}, ""
    for entry in entries:
        path = entry.path
        parent, _, name = path.rpartition("/")
        orderly = path > last and not path.startswith("/") and "\0" not in path
        if not orderly or parent not in folders or name in ("", ".", ".."):
            raise Invalid(f"the image holds {path!r}, where no entry may be; don't use it")
        if entry.link and not stays_inside(path, links, rootfs=rootfs):
            raise Invalid(f"the image's link {path} leads to {entry.link}, outside; don't use it")
        if entry.kind == stat.S_IFDIR:
            folders.add(path)
        last = path


def extract(tar: IO[bytes], entries: tuple[Entry, ...], into: Path) -> None:
    """Write the tree of a tar file into an empty directory, read-only, comparing every byte.

    Args:
        tar: The tar file.
        entries: What must be in it, in this order, and passed `check`.
        into: The directory; its own write bits go last.

    Raises:
        Invalid: The tar file holds anything else than the entries.
    """
    try:
        with tarfile.open(fileobj=tar, mode="r:") as members:
            for entry, member in zip_longest(entries, members):
                if entry is None or member is None or not _same(entry, member):
                    raise _unlike(entry.path if entry else member.name)
                content = members.extractfile(member) if entry.sha256 else None
                _place(into / entry.path, entry, content)
    except tarfile.TarError as error:
        raise Invalid(f"the image's layer is no tar file: {error}; pack it again") from error
    for entry in reversed(entries):
        if entry.kind == stat.S_IFDIR:
            _finish(into / entry.path, entry.mode)
    _finish(into, 0o755)


def _same(entry: Entry, member: tarfile.TarInfo) -> bool:
    kinds = {stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFREG: tarfile.REGTYPE}
    return (member.name, member.type, member.size, member.linkname) == (
        entry.path,
        kinds.get(entry.kind, tarfile.DIRTYPE),
        entry.size,
        entry.link,
    )


def _place(path: Path, entry: Entry, content: IO[bytes] | None) -> None:
    if entry.link:
        path.symlink_to(entry.link)
        os.utime(path, (0, 0), follow_symlinks=False)
    elif content is None:
        path.mkdir(mode=0o700)
    else:
        reader = _Summing(content)
        with path.open("xb") as file:
            while data := reader.read(_CHUNK):
                file.write(data)
        if reader.digest.hexdigest() != entry.sha256:
            raise _unlike(entry.path)
        _finish(path, entry.mode)


def _finish(path: Path, mode: int) -> None:
    path.chmod(_read_only(mode))
    os.utime(path, (0, 0))


def _unlike(path: str) -> Invalid:
    return Invalid(f"the image's layer and its list differ at {path}; pack it again")


def _read_only(mode: int) -> int:
    return mode & ~0o222


# -- what became of a directory -------------------------------------------------------------------


def differences(root: Path, entries: Iterable[Entry]) -> tuple[str, ...]:
    """Return the names of what isn't in the tree at *root* as it was extracted, sorted.

    Changed in content, mode or kind, missing, or added; ``.`` when it is the root itself.
    """
    expected = {entry.path: entry for entry in (Entry("."), *entries)}
    with reporting(f"comparing {root}"):
        actual = dict(_everything(root))
        wrong = {
            path
            for path, status in actual.items()
            if path not in expected or not _is_intact(root / path, expected[path], status)
        }
    return tuple(sorted(wrong | (expected.keys() - actual.keys())))


def _everything(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield all that is there; what can't be looked into shows by what it is missing."""
    pending = ["."]
    while pending:
        folder = pending.pop()
        try:
            if folder == ".":
                yield ".", root.lstat()
            with os.scandir(root / folder) as found:
                names = [each.name for each in found]
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = name if folder == "." else f"{folder}/{name}"
            status = (root / path).lstat()
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                pending.append(path)


def _is_intact(path: Path, entry: Entry, status: os.stat_result) -> bool:
    if entry.link:
        return stat.S_ISLNK(status.st_mode) and _target(path) == entry.link
    if status.st_mode != entry.kind | _read_only(entry.mode):
        return False
    if entry.kind == stat.S_IFDIR:
        return True
    if status.st_size != entry.size:
        return False
    try:
        with _open(path) as file:
            reader = _Summing(file)
            while reader.read(_CHUNK):
                pass
    except (PermissionError, Invalid):
        return False
    return reader.digest.hexdigest() == entry.sha256


# -- links ----------------------------------------------------------------------------------------


def _target(path: Path) -> str:
    return os.readlink(path)  # noqa: PTH115 - Path.readlink() would tidy it up.


def _links(entries: Iterable[Entry]) -> dict[str, str]:
    return {entry.path: entry.link for entry in entries if entry.link}


def stays_inside(path: str, links: Mapping[str, str], *, rootfs: bool = False) -> bool:
    """Return whether following a symbolic link never leaves the tree, other links included.

    Followed as the kernel does, part by part, because ``..`` behind a link starts at the link's
    target: with ``up -> ..`` at ``a/b/up``, the link ``a/b/x -> up/../../y`` leaves the tree
    although its text, taken literally, doesn't. In a full root ``/`` is the tree's own root.

    Args:
        path: Where the link is.
        links: The targets of all links of the tree.
        rootfs: Whether the tree is a full root.
    """
    here: list[str] = []
    pending = path.split("/")[::-1]
    for _ in range(_MOST_STEPS):
        if not pending:
            return True
        part = pending.pop()
        if part == ".." and not here:
            return False
        if part == "..":
            here.pop()
        elif part not in ("", "."):
            target = links.get("/".join([*here, part]))
            if target is None:
                here.append(part)
                continue
            if target.startswith("/"):
                if not rootfs:
                    return False
                here = []
            pending += target.split("/")[::-1]
    return False
