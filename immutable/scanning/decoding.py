"""What a file holds in other clothes: base64, gzip, MIME parts, and any of them in each other.

Pure. Everything is bounded: what expands without end is refused, and that is said, since what
nobody has looked at is not clean.
"""

from __future__ import annotations

import binascii
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import MessageError
from email.message import Message

from attrs import define, evolve, frozen

__all__ = ["Bounds", "Layer", "TooMuch", "layers"]

_GZIP = b"\x1f\x8b"
_BLOCK = re.compile(
    rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/]{24,}={0,2}(?:\s{1,40}[A-Za-z0-9+/]{4,}={0,2})*"
    rb"(?![A-Za-z0-9+/_=-])"
)
"""What may be base64: a long word, and words like it that follow in the next lines."""
_WHOLE = re.compile(rb"\s*[A-Za-z0-9+/\s]{16,}={0,2}\s*")
_MIME = re.compile(
    rb"\A(?:[A-Za-z-]+:[^\n]*\r?\n(?:[ \t][^\n]*\r?\n)*)*content-type:\s*multipart/", re.IGNORECASE
)
_RUN = re.compile(rb"[\x20-\x7e]{8,}")
"""Text in a binary file, as ``strings`` finds it."""


class TooMuch(Exception):
    """More is in it than the bounds allow; its text says of what."""


@frozen
class Bounds:
    """How much is looked at.

    Attributes:
        depth: How many encodings are taken off, one inside the other.
        expanded: Bytes that all layers of one file may have together, beside the file itself.
    """

    depth: int = 6
    expanded: int = 8 << 20


@frozen
class Layer:
    """Text that a file holds.

    Attributes:
        text: The text.
        line: The line of the file on which it begins; 0 where the file has no lines.
        how: What it was decoded from, the outermost first; empty for the file itself.
    """

    text: str
    line: int = 1
    how: tuple[str, ...] = ()


@define
class _Budget:
    bounds: Bounds
    left: int

    def spend(self, data: bytes, what: str) -> bytes:
        """Count what was expanded.

        Raises:
            TooMuch: It is more than is left.
        """
        self.left -= len(data)
        if self.left < 0:
            most = self.bounds.expanded >> 20
            raise TooMuch(f"its {what} expands to more than {most} MiB; it was not looked at")
        return data


def layers(data: bytes, bounds: Bounds | None = None) -> Iterator[Layer]:
    """Yield all texts of a file: itself, and what is encoded in it.

    Args:
        data: The file.
        bounds: How much is looked at.

    Raises:
        TooMuch: It expands to more than that, or is encoded more often.
    """
    bounds = bounds or Bounds()
    yield from _layers(data, Layer("", 1), _Budget(bounds, bounds.expanded))


def _layers(data: bytes, at: Layer, budget: _Budget) -> Iterator[Layer]:
    if len(at.how) > budget.bounds.depth:
        most = budget.bounds.depth
        raise TooMuch(f"it is encoded more than {most} times over; it was not looked at")
    if data.startswith(_GZIP):
        inner = budget.spend(_gunzipped(data, budget.left), "gzip")
        yield from _layers(inner, evolve(at, line=_of(at, 0), how=(*at.how, "gzip")), budget)
        return
    if _MIME.match(data):
        yield from _parts(data, at, budget)
        return
    text, lined = _text(data)
    yield evolve(at, text=text, line=_of(at, 1 if lined else 0))
    yield from _blocks(data, at, budget)


def _of(at: Layer, line: int) -> int:
    """Return the line of the file itself: only that has lines that a reader can go to."""
    return at.line if at.how else line


def _gunzipped(data: bytes, most: int) -> bytes:
    """Return what is compressed, or so much of it that it is too much; damaged ends are left out.

    A file may be several streams one after the other (RFC 1952, 2.2).
    """
    found, rest = b"", data
    while rest.startswith(_GZIP) and len(found) <= most:
        stream = zlib.decompressobj(wbits=31)
        try:
            found += stream.decompress(rest, most + 1 - len(found))
        except zlib.error:
            break
        rest = stream.unused_data
    return found


def _text(data: bytes) -> tuple[str, bool]:
    """Return what can be read of a file, and whether it has lines: binary files have none."""
    for mark, name in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace"), True
    if b"\0" in data:
        return "\n".join(run.decode() for run in _RUN.findall(data)), False
    return data.decode("utf-8", "replace"), True


# -- base64 ---------------------------------------------------------------------------------------


def _blocks(data: bytes, at: Layer, budget: _Budget) -> Iterator[Layer]:
    if _WHOLE.fullmatch(data) and (inner := _unpacked(data)) is not None:
        yield from _found(inner, 1, at, budget)
        return
    for match in _BLOCK.finditer(data):
        line = data.count(b"\n", 0, match.start()) + 1
        whole = _unpacked(match[0])
        for word in [match[0]] if whole is not None else match[0].split():
            inner = whole if whole is not None else _unpacked(word)
            if inner is not None:
                yield from _found(inner, line, at, budget)
            line += 1


def _found(inner: bytes, line: int, at: Layer, budget: _Budget) -> Iterator[Layer]:
    budget.spend(inner, "base64")
    yield from _layers(inner, evolve(at, line=_of(at, line), how=(*at.how, "base64")), budget)


def _unpacked(word: bytes) -> bytes | None:
    """Return what is in base64, if it is, and makes sense: text, or something compressed."""
    packed = b"".join(word.split())
    if len(packed) < 16:
        return None
    padded = packed.rstrip(b"=")
    if len(padded) % 4 == 1:
        return None
    try:
        inner = b64decode(padded + b"=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return inner if inner.startswith(_GZIP) or _readable(inner) else None


def _readable(data: bytes) -> bool:
    """Whether bytes are text: by chance, fewer than one in 10^6 of 12 bytes or more are."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return all(each.isprintable() or each in "\n\r\t" for each in text)


# -- MIME -----------------------------------------------------------------------------------------


def _parts(data: bytes, at: Layer, budget: _Budget) -> Iterator[Layer]:
    """Yield the parts of a message, and its own text where it can't be taken apart."""
    try:
        message = message_from_bytes(data)
        parts = [each for each in message.walk() if not each.is_multipart()]
    except (MessageError, ValueError, LookupError):
        parts = []
    if not parts or parts == [message]:
        yield evolve(at, text=_text(data)[0])
        yield from _blocks(data, at, budget)
        return
    yield evolve(at, text=_headers(message))
    for part in parts:
        inner = budget.spend(_payload(part), "MIME part")
        line = _line_of(part, data)
        how = (*at.how, "MIME")
        yield from _layers(inner, evolve(at, line=_of(at, line), how=how), budget)


def _headers(message: Message) -> str:
    return "\n".join(f"{name}: {value}" for name, value in message.items())


def _payload(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def _line_of(part: Message, data: bytes) -> int:
    """Return the line on which a part's own lines begin; 1 where it can't be told."""
    raw = part.get_payload()
    first = raw.encode(errors="surrogateescape")[:200] if isinstance(raw, str) else b""
    where = data.find(first) if first else -1
    return data.count(b"\n", 0, where) + 1 if where > 0 else 1
