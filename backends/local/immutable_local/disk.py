"""File operations that happen wholly or not at all, and whose failures say what to do.

Everything here blocks; callers on an event loop use a thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from immutable.errors import (
    BackendError,
    CapacityShortage,
    Denied,
    Invalid,
    QuotaExceeded,
    Transient,
)

__all__ = [
    "check_room",
    "clear_drafts",
    "keep_short",
    "locked",
    "remove_tree",
    "reporting",
    "sync_folder",
    "temporary",
    "write_atomically",
]

_ANSWERS: dict[int, tuple[type[BackendError], str]] = {
    errno.ENOSPC: (CapacityShortage, "free space on that disk"),
    errno.ENOMEM: (CapacityShortage, "free memory"),
    errno.EAGAIN: (CapacityShortage, "end other processes or raise the limit of them"),
    errno.EMFILE: (CapacityShortage, "raise the limit of open files (ulimit -n)"),
    errno.ENFILE: (CapacityShortage, "close files of other programs"),
    errno.EDQUOT: (QuotaExceeded, "free space within the quota"),
    errno.EROFS: (Denied, "use a directory on a disk that can be written"),
    errno.EACCES: (Denied, "use a directory of this user"),
    errno.EPERM: (Denied, "run as the user that the thing belongs to"),
    errno.ENOENT: (Invalid, "check the path"),
    errno.ENOTDIR: (Invalid, "check the path"),
    errno.EEXIST: (Invalid, "check the path"),
    errno.EISDIR: (Invalid, "check the path"),
    errno.ELOOP: (Invalid, "replace the symbolic link by what it points to"),
    errno.ENAMETOOLONG: (Invalid, "use a shorter path"),
}


@contextmanager
def reporting(doing: str) -> Iterator[None]:
    """Raise what goes wrong in the operating system as the `BackendError` that it amounts to.

    A full disk is a `CapacityShortage`, a read-only one `Denied`, a path that isn't there
    `Invalid`, and what isn't known `Transient`.

    Args:
        doing: What is being done, for the message: ``"packing ./web"``.
    """
    try:
        yield
    except OSError as error:
        kind, way_out = _ANSWERS.get(error.errno or 0, (Transient, "try again"))
        where = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str) else ""
        reason = error.strerror or str(error)
        raise kind(f"{doing}: {reason}{where}; {way_out}") from error


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock between processes, and between threads, while the block runs.

    Waits for it. The kernel lets go of it when the holder dies.

    Args:
        path: The lock file; made when it isn't there, never removed.
        shared: Whether others may hold it shared at the same time.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def temporary(folder: Path, purpose: str) -> Path:
    """Return a path in *folder* that nobody else uses; its name starts with a dot."""
    return folder / f".{purpose}-{secrets.token_hex(8)}"


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put *data* at *path*: whoever reads sees the old content or the new, after a crash too."""
    draft = temporary(path.parent, "draft")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def clear_drafts(folder: Path) -> None:
    """Remove what writers that were killed have left; nobody may be writing there."""
    for draft in folder.glob(".draft-*"):
        draft.unlink(missing_ok=True)


def check_room(folder: Path, size: int) -> None:
    """See whether *size* bytes can be written into a directory now, by writing them.

    Asked for its free space, a disk knows nothing of quotas.

    Raises:
        OSError: They can't.
    """
    draft = temporary(folder, "draft")
    try:
        with draft.open("xb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    finally:
        draft.unlink(missing_ok=True)


def keep_short(log: Path, longest: int) -> None:
    """Keep the last half of *longest* bytes of a log that is longer, and the file as it is.

    Whoever has it open to append goes on at its new end; what is said meanwhile may be lost.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size <= longest:
            return
        with log.open("r+b") as file:
            file.seek(-longest // 2, os.SEEK_END)
            rest = file.read()
            file.seek(0)
            file.write(rest)
            file.truncate()


def sync_folder(path: Path) -> None:
    """Let the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory and all in it, also where write bits are missing. Follows no link."""
    path.chmod(0o700)
    with os.scandir(path) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(Path(entry.path))
        else:
            Path(entry.path).unlink()
    path.rmdir()
