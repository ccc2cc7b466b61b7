"""Variables with secret values: handed on by name, and taken out of whatever is said."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

from immutable.errors import InvalidValue

__all__ = ["named", "redactor"]

_SHORTEST = 4
"""Values of fewer characters are let through: ``1`` and ``on`` stand in every other line."""


def named(names: Iterable[str]) -> dict[str, str]:
    """Return variables of this process, by their names.

    Raises:
        InvalidValue: One is not set.
    """
    found = {}
    for name in names:
        if name not in os.environ:
            way_out = "set it, or leave it out"
            raise InvalidValue("environment", name, "not set in this process", way_out)
        found[name] = os.environ[name]
    return found


def redactor(secrets: Mapping[str, str]) -> Callable[[str], str]:
    """Return what puts the names of variables in place of their values.

    A value is found as it is, in each of its lines, quoted for URLs, and in base64. One that is
    shorter than four characters is left alone, as is one that a program has changed otherwise.

    >>> redactor({"TOKEN": "s3cret"})("login with s3cret")
    'login with [TOKEN]'

    Args:
        secrets: The values, by the names of their variables.
    """
    found: dict[str, str] = {}
    for name, value in secrets.items():
        for spelled in (value, *value.splitlines(), quote(value, safe=""), _encoded(value)):
            if len(spelled.strip()) >= _SHORTEST:
                found[spelled.strip()] = f"[{name}]"
    # The longest first: a part of one may be another.
    ordered = sorted(found, key=len, reverse=True)

    def redacted(text: str) -> str:
        for value in ordered:
            text = text.replace(value, found[value])
        return text

    return redacted


def _encoded(value: str) -> str:
    return b64encode(value.encode(errors="surrogateescape")).decode().rstrip("=")
