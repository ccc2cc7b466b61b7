"""What instances get of this SDK: `immutable exec`, for images whose command begins with it.

A cloud's image brings the SDK along. Here it would be another one in every image, so an instance
runs the one that started it: by the same Python, with nothing in its environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from immutable.backend import Problem, SecretRef
from immutable_local.disk import remove_tree
from immutable_local.images import LocalImage

__all__ = ["command", "forget", "kept_files", "memory_of", "problems", "program", "shown", "wanted"]

_BEGIN = (
    "import sys; sys.path += {paths!r}; sys.argv[0] = 'immutable';"
    " from immutable.cli import main; main()"
)
_MEMORY = Path("/dev/shm")  # noqa: S108  # What is made in it is private.


def wanted(image: LocalImage) -> bool:
    """Whether an image's command is this SDK's; a full root has its own."""
    return image.command[0] == "immutable" and not image.rootfs


def command(image: LocalImage) -> list[str]:
    """Return what is run to start an image."""
    if not wanted(image):
        return list(image.command)
    paths = sorted({str(path.parent) for path in _packages()})
    python = str(Path(sys.executable).resolve())
    return [python, "-I", "-c", _BEGIN.format(paths=paths), *image.command[1:]]


def program(image: LocalImage) -> tuple[str, ...]:
    """Return what an instance runs once it has its secrets: what follows ``--``."""
    words = tuple(image.command)
    return words[words.index("--") + 1 :] if wanted(image) and "--" in words else words


def shown(image: LocalImage) -> list[Path]:
    """Return what a sandbox has to show of this machine for `command`."""
    if not wanted(image):
        return []
    own, *others = _packages()
    return sorted({own, *(path.parent for path in others)})


def _packages() -> list[Path]:
    """Return where the SDK is, and what it needs in an instance."""
    specs = [find_spec(name) for name in ("immutable", "attrs", "attr", "tenacity")]
    return [Path(spec.origin).parent for spec in specs if spec is not None and spec.origin]


def kept_files(references: Mapping[str, SecretRef]) -> list[str]:
    """Return the files of this machine that references name, which a sandbox has to show."""
    return sorted({ref.path for ref in references.values() if ref.scheme == "file"})


def problems(references: Mapping[str, SecretRef], *, rootfs: bool) -> list[Problem]:
    """Return why instances, which run here as this user, could not read files that are named.

    Args:
        references: The references of a revision.
        rootfs: Whether its image is a full root.
    """
    files = kept_files(references)
    way_out = "write the secret there for this user, or name another place"
    found = [
        Problem(f"file://{file}: there is no such file that this user may read", way_out)
        for file in files
        if not (Path(file).is_file() and os.access(file, os.R_OK))
    ]
    if files and rootfs:
        reason = "a full root sees no files of this machine"
        found.append(Problem(f"file://{files[0]}: {reason}", "use another scheme"))
    return found


# -- without a sandbox -----------------------------------------------------------------------------


def memory_of(instance: str) -> Path:
    """Return where an instance that has no /dev of its own keeps what was read for it."""
    return _MEMORY / f"immutable-{os.getuid()}-{instance}"


def forget(instance: str) -> None:
    """Remove what was kept for an instance that is gone. Blocks.

    Raises:
        OSError: It can't be removed.
    """
    place = memory_of(instance)
    if place.is_dir() and not place.is_symlink() and place.lstat().st_uid == os.getuid():
        remove_tree(place)
