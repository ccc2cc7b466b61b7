"""What is configured: a project's file, a user's file, the environment, and which of them holds.

What is typed holds before the environment, that before the project's file, that before the user's,
and that before what a command does by itself.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from attrs import frozen

from immutable.errors import InvalidValue

__all__ = ["KEYS", "Setting", "defaults", "settled"]

PROJECT, PYPROJECT = ".immutable.toml", "pyproject.toml"
_NAMED = "IMMUTABLE_CONFIG"
_ENVIRONMENT = {
    "journal": "IMMUTABLE_JOURNAL",
    "actor": "IMMUTABLE_ACTOR",
    "fleet": "IMMUTABLE_FLEET",
    "output": "IMMUTABLE_OUTPUT",
}


@frozen
class Setting:
    """A value that is configured.

    Attributes:
        value: The value.
        source: Where it comes from: a file, or a variable of the environment.
    """

    value: str | int
    source: str


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value else "a text that is not empty"


def _one_of(*words: str) -> Callable[[object], str]:
    return lambda value: "" if value in words else f"one of {', '.join(words)}"


def _count(value: object) -> str:
    fits = isinstance(value, int | str) and not isinstance(value, bool)
    return "" if fits else 'a number or a share, such as 3 or "25%"'


def _span(value: object) -> str:
    fits = isinstance(value, int | str) and not isinstance(value, bool)
    return "" if fits else 'seconds, or a text such as "90s" or "5m"'


def _number(value: object) -> str:
    return "" if type(value) is int else "a whole number"


def _flag(value: object) -> str:
    return "" if isinstance(value, bool) else "true or false"


KEYS: Mapping[str, Callable[[object], str]] = {
    "journal": _text,
    "actor": _text,
    "fleet": _text,
    "output": _one_of("text", "json"),
    "strategy": _one_of("rolling", "blue-green", "canary"),
    "limits.max_surge": _count,
    "limits.max_unavailable": _count,
    "limits.min_ready": _span,
    "limits.boot_timeout": _span,
    "limits.drain_timeout": _span,
    "limits.progress_deadline": _span,
    "limits.max_duration": _span,
    "limits.max_failures": _number,
    "limits.hedge": _flag,
}
"""What can be configured, each with what says why a value doesn't fit; empty if it does."""


def settled(
    folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, Setting]:
    """Return what is configured, by key.

    Args:
        folder: Where the project's file is looked for, and above it; default where we are.
        environment: Variables; default those of this process.

    Raises:
        InvalidValue: A file can't be read, or has a key that there isn't, or a value that doesn't
            fit; names the file, the key, and the nearest key.
    """
    variables = os.environ if environment is None else environment
    found: dict[str, Setting] = {}
    for file in _files(folder or Path.cwd(), variables):
        found |= {key: Setting(value, str(file)) for key, value in _read(file)}
    for key, name in _ENVIRONMENT.items():
        if given := variables.get(name):
            if why := KEYS[key](given):
                raise InvalidValue(name, given, f"not {why}")
            found[key] = Setting(given, name)
    return found


# {"output": json, "limits.max_surge": 2} gives {"as_json": True, "max_surge": 2}.
def defaults(found: Mapping[str, Setting]) -> dict[str, Any]:
    """Return what is configured as defaults of options, by their names."""
    given = {key: each.value for key, each in found.items() if key not in ("fleet", "output")}
    options: dict[str, Any] = {key.rpartition(".")[2]: value for key, value in given.items()}
    if "output" in found:
        options["as_json"] = found["output"].value == "json"
    return options


def _files(folder: Path, variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that are read, what holds more last."""
    if named := variables.get(_NAMED):
        if not Path(named).is_file():
            way_out = f"name a file in {_NAMED}, or unset it"
            raise InvalidValue(_NAMED, named, "there is no such file", way_out)
        yield Path(named)
        return
    home = variables.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    user = Path(home) / "immutable" / "config.toml"
    if user.is_file():
        yield user
    for each in (folder, *folder.parents):
        if (each / PROJECT).is_file():
            yield each / PROJECT
            return
        if _has_table(each / PYPROJECT):
            yield each / PYPROJECT
            return


def _has_table(file: Path) -> bool:
    # A quick look first: most projects' files say nothing of us.
    return file.is_file() and b"immutable" in file.read_bytes() and bool(_table(file))


def _table(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            table = tomllib.load(opened)
    except (OSError, ValueError) as error:
        raise InvalidValue("configuration", str(file), f"can't be read: {error}") from error
    if file.name != PYPROJECT:
        return table
    tools = table.get("tool", {})
    found = tools.get("immutable", {}) if isinstance(tools, dict) else {}
    if not isinstance(found, dict):
        raise InvalidValue(
            f"{file}: tool.immutable", found, "not a table", "write [tool.immutable]"
        )
    return found


def _read(file: Path) -> Iterator[tuple[str, str | int]]:
    table = _table(file)
    limits = table.pop("limits", {})
    if not isinstance(limits, dict):
        raise InvalidValue(f"{file}: limits", limits, "not a table", "write [limits]")
    for key, value in {
        **table,
        **{f"limits.{name}": each for name, each in limits.items()},
    }.items():
        name = key.replace("-", "_")
        if name not in KEYS:
            near = get_close_matches(name, KEYS, n=1, cutoff=0.5)
            known = f"did you mean {near[0]}?" if near else f"there are: {', '.join(KEYS)}"
            raise InvalidValue(f"{file}: {key}", value, "there is no such key", known)
        if why := KEYS[name](value):
            raise InvalidValue(f"{file}: {key}", value, f"not {why}")
        yield name, value
