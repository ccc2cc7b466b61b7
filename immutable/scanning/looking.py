"""Looking at one document: decoded, held against every rule, without what it found."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import pbkdf2_hmac

from immutable.scanning.assignments import assigned
from immutable.scanning.decoding import Bounds, Layer, TooMuch, layers
from immutable.scanning.finding import Document, Finding, Seen
from immutable.scanning.forms import Hit, hits
from immutable.scanning.plugins import found_by_plugins

__all__ = ["fingerprint", "look"]

_MOST = 50
"""Findings of one document; whoever has that many knows enough."""
_ROUNDS = 50_000


def look(document: Document, bounds: Bounds | None = None) -> Seen:
    """Return where secrets stand in a document, in the order of its lines."""
    found: dict[tuple[int, tuple[str, ...], str], Finding] = {}
    skipped = ""
    try:
        for layer in layers(document.data, bounds):
            for hit in _hits(document.name, layer):
                line = _line(layer, hit)
                key = (line, layer.how, hit.value)
                # The first rule that knows a value names it: the most exact one comes first.
                if len(found) < _MOST and not _known(found, key):
                    mark = fingerprint(document.name, hit.value)
                    found[key] = Finding(document.name, line, hit.rule, layer.how, mark)
    except TooMuch as much:
        skipped = str(much)
    ordered = sorted(found.values(), key=lambda each: (each.line, each.rule))
    return Seen(tuple(ordered), skipped)


def fingerprint(name: str, value: str) -> str:
    """Return by what an exception names a secret.

    Slow on purpose (PBKDF2, RFC 8018): a file of exceptions is read by many, and must not be a way
    to try passwords. Bound to the document's name, so that an exception holds for that place.

    Args:
        name: The document's name.
        value: The secret.
    """
    salt = f"immutable scan\n{name}".encode(errors="surrogateescape")
    return pbkdf2_hmac("sha256", value.encode(errors="replace"), salt, _ROUNDS)[:10].hex()


def _hits(name: str, layer: Layer) -> Iterator[Hit]:
    yield from hits(layer.text)
    yield from found_by_plugins(layer.text)
    yield from assigned("" if layer.how else name, layer.text)


def _line(layer: Layer, hit: Hit) -> int:
    return layer.line if layer.how or not layer.line else hit.line


def _known(
    found: dict[tuple[int, tuple[str, ...], str], Finding], key: tuple[int, tuple[str, ...], str]
) -> bool:
    """Whether the value, or one that holds it, or a part of it, is known at that place."""
    line, how, value = key
    return any(
        (line, how) == other[:2] and (value in other[2] or other[2] in value) for other in found
    )
