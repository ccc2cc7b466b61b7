"""One instance that is to be started: what it is, and in which surroundings it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from attrs import Attribute, field, frozen

from immutable.backend import FrozenMap, SecretRef
from immutable.errors import Invalid
from immutable_local import guest
from immutable_local.images import LocalImage
from immutable_local.recipe import wrong_variables
from immutable_local.volumes import Mount

__all__ = ["Isolation", "Launch", "environment", "marks", "own_python"]

_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Isolation(StrEnum):
    """What keeps an instance from changing what it runs from."""

    BUBBLEWRAP = "bubblewrap"
    """The kernel: a root of its own, read-only."""
    NONE = "none"
    """Nothing but missing write bits: a plain process."""


def _environment(values: Mapping[str, str]) -> FrozenMap[str, str]:
    if reason := wrong_variables(values):
        raise Invalid(f"environment={dict(values)!r}: {reason}; use another name or value")
    return FrozenMap({name: values[name] for name in sorted(values)})


def _is_absolute(_: object, attribute: Attribute[Path], value: Path) -> None:
    """Refuse what means something else in a process that runs elsewhere."""
    if not value.is_absolute():
        raise Invalid(f"{attribute.name}={str(value)!r}: not an absolute path; start it with /")


@frozen(kw_only=True)
class Launch:
    """One instance that is to be started.

    Attributes:
        instance: Its identifier.
        fleet: The fleet's name.
        revision: The number of its revision.
        image: What it runs; its tree must be unpacked.
        port: Where it is to listen, on 127.0.0.1.
        state: The directory that its controller keeps its records in; the mark by which the
            controller finds its own processes. Absolute.
        log: The file that its output is appended to. Absolute.
        environment: Environment variables, beside the image's; of two of one name this one counts.
        references: Where its secrets are kept, by name; `immutable exec` reads them.
        slot: The slot of a stateful fleet that it gets.
        mounts: The volumes of that slot.
        lock: The open file to which the lock on that slot belongs; -1 for none.
    """

    instance: str
    fleet: str
    revision: int
    image: LocalImage
    port: int
    state: Path = field(converter=Path, validator=_is_absolute)
    log: Path = field(converter=Path, validator=_is_absolute)
    environment: FrozenMap[str, str] = field(factory=FrozenMap, converter=_environment)
    references: FrozenMap[str, SecretRef] = field(factory=FrozenMap)
    slot: str = ""
    mounts: tuple[Mount, ...] = ()
    lock: int = -1


def marks(launch: Launch) -> dict[str, str]:
    """Return the environment variables by which the processes of an instance are found again."""
    return {
        "IMMUTABLE_ID": launch.instance,
        "IMMUTABLE_FLEET": launch.fleet,
        "IMMUTABLE_REVISION": str(launch.revision),
        "IMMUTABLE_STATE": str(launch.state),
    }


def environment(
    launch: Launch, *, prefix: Path | None = None, own_root: bool = False
) -> dict[str, str]:
    """Return all environment variables of an instance; nothing of the controller's own gets in.

    Python writes no bytecode unless the image asks for it: without isolation, root could.

    Args:
        launch: The instance.
        prefix: Where the Python is whose ``bin`` comes first on the PATH; the running one's base
            when None.
        own_root: Whether it has a root of its own, in which volumes are where they are to be.
    """
    binaries = dict.fromkeys((f"{prefix or own_python()}/bin", *_PATH))
    return {
        "PATH": _ROOT_PATH if launch.image.rootfs else ":".join(binaries),
        "PYTHONDONTWRITEBYTECODE": "1",
        **marks(launch),
        "PORT": str(launch.port),
        "HOST": "127.0.0.1",
        **_told(launch),
        **_volumes(launch, own_root=own_root),
        **launch.image.environment,
        **launch.environment,
    }


def _told(launch: Launch) -> dict[str, str]:
    """Return how an instance finds its references; nothing when it has none and asks for none."""
    if not launch.references and not guest.wanted(launch.image):
        return {}
    refs = {name: ref.uri for name, ref in launch.references.items()}
    return {"IMMUTABLE_SECRETS": json.dumps(refs, sort_keys=True)}


def _volumes(launch: Launch, *, own_root: bool) -> dict[str, str]:
    """Return the variables by which an instance finds its slot and its volumes."""
    found = {
        f"IMMUTABLE_VOLUME_{each.name.upper().replace('-', '_')}": each.path
        if own_root
        else str(each.source)
        for each in launch.mounts
    }
    return {"IMMUTABLE_SLOT": launch.slot, **found} if launch.slot else {}


def own_python() -> Path:
    """Return where the Python is that runs this, and that instances find first."""
    return Path(sys.base_prefix)
