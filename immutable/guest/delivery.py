"""Giving secrets to a command: files in a private directory in memory, or its environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from immutable.errors import InvalidValue
from immutable.secrets.value import Secret

__all__ = ["CREDENTIALS", "DIRECTORY", "as_files", "base_directory", "variables", "wrong_variable"]

DIRECTORY = "IMMUTABLE_SECRETS_DIR"
"""The environment variable that tells the command where its secrets are."""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The same, as systemd names it; given where systemd itself gave none."""

_IN_MEMORY = ("tmpfs", "ramfs")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def base_directory(given: str | None, environ: Mapping[str, str]) -> str:
    """Return the directory below which secrets are written.

    The one that was named; else systemd's ``$RUNTIME_DIRECTORY``, which goes when the service
    stops; else ``$XDG_RUNTIME_DIR``, ``/run`` for root, ``/dev/shm``: the first that can be used.

    Raises:
        InvalidValue: It isn't there, isn't in memory, or may not be written to.
    """
    runtime = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    usual = (runtime, environ.get("XDG_RUNTIME_DIR", ""), "/run", "/dev/shm")  # noqa: S108  # Ours.
    places = (given,) if given else usual
    reasons = {place: _flaw(place) for place in places if place}
    for place, flaw in reasons.items():
        if not flaw:
            return place
    tried = "; ".join(f"{place} {flaw}" for place, flaw in reasons.items())
    way_out = "name one with --directory, or deliver with --as environment"
    raise InvalidValue("directory", given or "", f"no place in memory: {tried}", way_out)


def _flaw(place: str) -> str:
    if not os.path.isdir(place):
        return "is no directory"
    if not os.access(place, os.W_OK | os.X_OK):
        return "can't be written to"
    kind = _file_system(os.path.realpath(place))
    return "" if kind in _IN_MEMORY else f"is on {kind}, which may reach a disk"


def _file_system(path: str) -> str:
    """Return the kind of file system that a path is on: the last of the longest mounts."""
    best, kind = "", "an unknown file system"
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            fields, _, rest = line.partition(" - ")
            point = fields.split()[4].replace("\\040", " ")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, rest.split()[0]
    return kind


def as_files(values: Mapping[str, Secret], base: str) -> str:
    """Write secrets as files that only this user may read, and return their directory.

    It is named by this process, which the command will be: what earlier commands left is removed
    when the process of that name is gone.
    """
    folder = os.path.join(base, f"immutable-secrets-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if found.st_uid != os.getuid() or found.st_mode & 0o177077 != 0o40000:
        reason = "belongs to somebody else, or others may enter it"
        raise InvalidValue("directory", folder, reason, "remove it, or name one with --directory")
    _sweep(folder)
    mine = os.path.join(folder, _stamp("self"))
    _remove(mine)
    os.mkdir(mine, 0o700)
    for name, secret in values.items():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(os.path.join(mine, name), flags, 0o400)
        try:
            with secret.reveal() as value, memoryview(value) as view:
                written = 0
                while written < len(view):
                    written += os.write(file, view[written:])
        finally:
            os.close(file)
    return mine


def _stamp(pid: str) -> str:
    """Return the name of a process that no later one has: namespace, number, start; "" if gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            said = file.read().decode(errors="replace")
        space = os.readlink(f"/proc/{pid}/ns/pid").strip("pid:[]")
    except OSError:
        return ""
    number, rest = said.partition(" ")[0], said.rpartition(")")[2].split()
    return f"{space}-{number}-{rest[19]}"


def _sweep(folder: str) -> None:
    """Remove the directories of processes of this namespace that are gone."""
    space = _stamp("self").partition("-")[0]
    for name in os.listdir(folder):
        theirs, _, rest = name.partition("-")
        if theirs == space and _stamp(rest.partition("-")[0]) != name:
            _remove(os.path.join(folder, name))


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def wrong_variable(names: Mapping[str, object]) -> str:
    """Return the first name that no environment variable can have; empty when there is none."""
    return next((name for name in names if _VARIABLE.fullmatch(name) is None), "")


def variables(values: Mapping[str, Secret]) -> dict[bytes, bytes]:
    """Return secrets as environment variables, for the moment in which the command is started.

    Raises:
        InvalidValue: One has a NUL in it, which no variable can hold.
    """
    made: dict[bytes, bytes] = {}
    for name, secret in values.items():
        with secret.reveal() as value:
            if 0 in value:
                made.clear()
                reason = "has a NUL byte, which no variable can hold"
                raise InvalidValue("secret", name, reason, "deliver it with --as files")
            made[os.fsencode(name)] = bytes(value)
    return made
