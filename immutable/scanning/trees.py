"""The files of a directory, as they are scanned; and those that can't be, with the reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from attrs import frozen

from immutable.errors import InvalidValue
from immutable.scanning.finding import Document, Skipped

__all__ = ["LEFT_OUT", "Most", "Tree"]

LEFT_OUT = frozenset({".git", "__pycache__"})
"""Directories that are part of no image: what git keeps, and caches of bytecode."""
_LEADS_OUT = "a link that leads out of the tree; it was not followed"


@frozen
class Most:
    """How much of a tree is scanned: about a megabyte takes a second.

    Attributes:
        file: Bytes that a file may have.
        tree: Bytes that all of them may have together.
    """

    file: int = 1 << 20
    tree: int = 64 << 20


class Tree:
    """Reads what is at a place, a file after the other, and keeps what it could not read.

    Links are not followed: what one points to within the tree is read where it lies, and what lies
    outside is no part of it.

    Args:
        place: A directory, or one file.
        most: How much is read.
        left_out: Names of directories and files that are not looked at, and not reported.

    Raises:
        InvalidValue: There is nothing at that place, or nothing that can be read.
    """

    def __init__(
        self, place: Path, most: Most | None = None, left_out: Collection[str] = LEFT_OUT
    ) -> None:
        if not os.path.lexists(place):
            raise InvalidValue("path", str(place), "nothing is there", "name a directory or a file")
        self._place = place
        self._most = most or Most()
        self._left_out = left_out
        self._read = 0
        self.skipped: list[Skipped] = []

    def documents(self, excused: Callable[[str], bool] = lambda _: False) -> Iterator[Document]:
        """Yield all files that can be scanned, in the order of their names.

        Args:
            excused: Whether a file of that name need not be read.
        """
        single = not self._place.is_dir()
        for name in [self._place.name] if single else self._names():
            if excused(name):
                continue
            found = self._content(self._place if single else self._place / name)
            if isinstance(found, str):
                self.skipped.append(Skipped(_readable(name), found))
            elif found is not None:
                yield Document(_readable(name), found)

    def _names(self) -> Iterator[str]:
        def unreadable(error: OSError) -> None:
            where = _readable(os.path.relpath(error.filename, self._place))
            self.skipped.append(Skipped(where, f"can't be read: {error.strerror}"))

        for folder, folders, files in os.walk(self._place, onerror=unreadable):
            folders[:] = sorted(each for each in folders if each not in self._left_out)
            # A link to a directory is listed among the directories, and not walked into.
            for name in sorted(each for each in files if each not in self._left_out):
                yield os.path.relpath(Path(folder, name), self._place)

    def _content(self, path: Path) -> bytes | str | None:
        """Return a file's content, why it is skipped, or None for a link within the tree."""
        try:
            # The place itself may be a link, by which somebody has named it; what is in it may not.
            status = path.stat() if path == self._place else path.lstat()
            if stat.S_ISLNK(status.st_mode):
                return None if self._within(path) else _LEADS_OUT
            if not stat.S_ISREG(status.st_mode):
                return "neither a file nor a directory"
            if status.st_size > self._most.file:
                most, size = self._most.file >> 20, status.st_size / (1 << 20)
                return f"too large, {size:.1f} MiB; {most} at most"
            if self._read + status.st_size > self._most.tree:
                return f"more than {self._most.tree >> 20} MiB come before it"
            data = _contents(path, self._most.file)
        except OSError as error:
            return f"can't be read: {error.strerror}"
        self._read += len(data)
        return data

    def _within(self, link: Path) -> bool:
        target, root = os.path.realpath(link), os.path.realpath(self._place)
        return target == root or target.startswith(root + os.sep)


def _readable(name: str) -> str:
    """Return a name as it can be printed: what moves a cursor, or is not UTF-8, is spelled out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def _contents(path: Path, most: int) -> bytes:
    """Return a file's content, if it still is one: it is opened without waiting or following."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "is no file any more")
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(0, "grew while it was read")
    return data
