"""What the fields of manifests and specifications have to look like, so that each has one spelling.

Validators of attrs, which raise `InvalidValue` under the field's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute

from immutable.errors import InvalidValue

__all__ = [
    "aware",
    "digest",
    "digests",
    "label",
    "maybe_digest",
    "no_secret",
    "present",
    "text",
    "texts",
    "uri",
]

Validator = Callable[[Any, "Attribute[Any]", Any], None]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def _matching(pattern: str, reason: str, way_out: str) -> Validator:
    compiled = re.compile(pattern)

    def check(_: Any, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise InvalidValue(attribute.name, value, reason, way_out)

    return check


label = _matching(
    r"(?!sha256$)[A-Za-z0-9][A-Za-z0-9._+-]*",
    "not of letters, digits and . _ + - with a letter or digit first",
    "such as web, or 1.4.2",
)
"""A name or a version: what stands in ``web:1.4.2`` and ``web@production``."""

uri = _matching(
    r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+",
    "not a URI",
    "write a scheme, a colon and what identifies it, such as https://ci.example.com/images",
)
"""What SLSA and in-toto want as an identity (TypeURI, RFC 3986)."""

digest = _matching(_DIGEST.pattern, "not a sha256 digest", "write sha256: and 64 digits of 0-9a-f")
"""``sha256:`` and 64 hexadecimal digits, in small letters."""

present = _matching(
    r"[^\x00-\x1f\x7f\ud800-\udfff]+", "empty, or has control characters", "write what it is"
)
"""A text of at least one character."""


def aware(_: Any, attribute: Attribute[Any], moment: datetime | None) -> None:
    """Let through a time of a known time zone, or nothing."""
    if moment is not None and moment.utcoffset() is None:
        way_out = "write it with its zone, such as 2027-01-01T00:00:00Z"
        raise InvalidValue(attribute.name, str(moment), "a time of no time zone", way_out)


def text(_: Any, attribute: Attribute[Any], value: object) -> None:
    """Let through a text that can be written as UTF-8, also an empty one."""
    if not isinstance(value, str):
        raise InvalidValue(attribute.name, value, "not a text", "write it as a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # A file's name that is no UTF-8 looks like this.
        way_out = "name it in UTF-8"
        raise InvalidValue(attribute.name, value, "has half a character", way_out) from error


def texts(instance: Any, attribute: Attribute[Any], values: Iterable[object]) -> None:
    """Let through texts: a tuple of them, or a map from texts to texts."""
    for value in values:
        text(instance, attribute, value)
    for value in values.values() if isinstance(values, Mapping) else ():
        text(instance, attribute, value)


def maybe_digest(instance: Any, attribute: Attribute[Any], value: str) -> None:
    """Let through a digest, or nothing."""
    if value:
        digest(instance, attribute, value)


def digests(instance: Any, attribute: Attribute[Any], values: Mapping[str, str]) -> None:
    """Let through digests by any name."""
    texts(instance, attribute, values)
    for value in values.values():
        digest(instance, attribute, value)


def no_secret(_: Any, attribute: Attribute[Any], value: str) -> None:
    """Refuse an address that has a password or a token in it: a manifest is for everybody to read.

    The name of a user is no secret: ``ssh://git@example.com/web`` passes.
    """
    try:
        parts = urlsplit(value)
        user, password = parts.username, parts.password
    except ValueError:
        raise InvalidValue(attribute.name, value, "not an address") from None
    if password is not None or (user and parts.scheme in ("http", "https")):
        way_out = "leave out what stands before the @"
        shown = f"{parts.scheme}://…@{parts.hostname}"
        raise InvalidValue(attribute.name, shown, "holds a password or a token", way_out)
