"""What a directory says about itself in ``immutable.toml``, so that it can become an image."""

from __future__ import annotations

import re
import signal
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, fields_dict, frozen

from immutable.backend import FrozenMap
from immutable.errors import Invalid

__all__ = ["FILE", "Recipe", "read", "wrong_variables"]

FILE = "immutable.toml"

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_EXAMPLES = {
    "name": 'name = "web"',
    "version": 'version = "1.4.2"',
    "command": 'command = ["python3", "server.py"]',
    "health": 'health = "/healthz"',
    "environment": '[environment] and below it LEVEL = "info"',
    "stop_signal": 'stop_signal = "SIGTERM"',
    "rootfs": "rootfs = true",
}


def _environment(values: Mapping[str, str]) -> FrozenMap[str, str]:
    return FrozenMap({name: values[name] for name in sorted(values)})


@frozen
class Recipe:
    """How the instances of an image are run.

    Attributes:
        name: The image's name, such as ``web``.
        version: Its version, such as ``1.4.2``.
        command: The program and its arguments.
        health: The path that answers 200 when an instance serves.
        environment: Environment variables of each instance.
        stop_signal: The name of the signal that asks an instance to end.
        rootfs: Whether the directory is a full root; False when it is an application that the
            host's ``/usr`` runs.
    """

    name: str
    version: str
    command: tuple[str, ...] = field(converter=tuple)
    health: str = "/healthz"
    environment: FrozenMap[str, str] = field(factory=FrozenMap, converter=_environment)
    stop_signal: str = "SIGTERM"
    rootfs: bool = False


def read(directory: Path, *, version: str | None = None) -> Recipe:
    """Return what ``immutable.toml`` in *directory* says.

    Args:
        directory: The directory that is to become an image.
        version: Stands for the version in the file, which may then be missing.

    Raises:
        Invalid: There is no such file, or a field is missing, unknown or wrong; names the file,
            the field, the reason and the way out.
    """
    file = directory / FILE
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        way_out = "write one with name, version and command"
        raise Invalid(f"{file}: there is no such file; {way_out}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{file}: not TOML: {error}; correct it there") from error
    if version is not None:
        found["version"] = version
    for name, value in found.items():
        _check(file, name, value)
    for name in ("name", "version", "command"):
        if name not in found:
            raise Invalid(f"{file}: {name} is missing; write {_EXAMPLES[name]}")
    return Recipe(**found)


def wrong_variables(value: object) -> str:
    """Return why *value* can't be the environment of instances; empty when it can.

    ``PORT``, ``HOST`` and ``IMMUTABLE_…`` are the backend's own to set.
    """
    if not isinstance(value, Mapping) or not all(_is_text(each) for each in value.values()):
        return "not a table of texts"
    for name in value:
        if name in ("PORT", "HOST") or name.startswith("IMMUTABLE_"):
            return f"{name} is set by the backend"
        if not name or "=" in name or "\0" in name:
            return f"{name!r} can't be the name of a variable"
    return ""


def _check(file: Path, name: str, value: object) -> None:
    if name not in _CHECKS:
        known = ", ".join(fields_dict(Recipe))
        raise Invalid(f"{file}: {name}: not a known field; leave it out, or use one of {known}")
    if reason := _CHECKS[name](value):
        raise Invalid(f"{file}: {name}={value!r}: {reason}; write {_EXAMPLES[name]}")


def _label(value: object) -> str:
    if isinstance(value, str) and _LABEL.fullmatch(value) and value != "sha256":
        return ""
    return "not a text of letters, digits and . _ + - that starts with a letter or digit"


def _command(value: object) -> str:
    if not isinstance(value, list) or not value or not value[0]:
        return "not a list of a program and its arguments"
    return "" if all(_is_text(word) for word in value) else "not all of it are texts"


def _health(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"/[!-~]*", value):
        return ""
    return "not a path that starts with /"


def _stop_signal(value: object) -> str:
    known = isinstance(value, str) and value in signal.Signals.__members__
    return "" if known else "not the name of a signal"


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else "neither true nor false"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


_CHECKS: dict[str, Callable[[object], str]] = {
    "name": _label,
    "version": _label,
    "command": _command,
    "health": _health,
    "environment": wrong_variables,
    "stop_signal": _stop_signal,
    "rootfs": _flag,
}
