"""Bodies of HTTP/1.1 messages: where they end, and what is in them. No effects.

Each kind has ``done``, and ``feed``, which takes what arrived and returns what of it is content
and what comes after the body. Bodies in chunks are taken apart and put together again, never
passed on as they came: chunk extensions and trailers, which some parsers read differently from
others, end here.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from immutable_local.balancing.wire import CHUNKED, UNTIL_CLOSE, Refused

__all__ = ["LAST_CHUNK", "Body", "Chunks", "Counted", "Endless", "body", "chunks"]

LAST_CHUNK: Final = b"0\r\n\r\n"
"""What ends a body in chunks."""

_LONGEST_SIZE: Final = 256
_LONGEST_TRAILER: Final = 8192
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*")


class Body(Protocol):
    """A body that arrives in pieces.

    Attributes:
        done: Whether it has arrived completely.
    """

    done: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived; return the content in it, and what is beyond the end.

        Raises:
            Refused: It isn't a body of this kind.
        """
        ...


def body(length: int) -> Body:
    """Return what reads a body of *length*, as heads give it."""
    if length == CHUNKED:
        return Chunks()
    return Endless() if length == UNTIL_CLOSE else Counted(length)


def chunks(content: bytes, source: Body) -> bytes:
    r"""Return what *source* has just given as chunks, with the last one when that was all of it.

    ``b"2\r\nab\r\n"`` for ``b"ab"``, and nothing for nothing.
    """
    data = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
    return data + LAST_CHUNK if source.done else data


class Counted:
    """A body of a known length.

    Args:
        length: How many bytes it has.
    """

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived; return what belongs to the body and what doesn't."""
        if len(data) < self._left:
            self._left -= len(data)
            return data, b""
        left, self._left, self.done = self._left, 0, True
        return data[:left], data[left:]


class Endless:
    """A body that ends with its connection; whoever reads that sets ``done``."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived; all of it belongs to the body."""
        return data, b""


class Chunks:
    """A body in chunks (RFC 9112, section 7.1)."""

    __slots__ = ("_held", "_left", "_trailers", "done")

    def __init__(self) -> None:
        self._held = b""
        # Bytes to come of the chunk with the CR LF after it; 0 where a size is expected.
        self._left = 0
        self._trailers: int | None = None
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what arrived; return the content of chunks and what is beyond the last one."""
        data, self._held = self._held + data, b""
        content: list[bytes] = []
        at = 0
        while not self.done:
            step = self._content(data, at, content) if self._left else self._line(data, at)
            if step is None:
                self._held = data[at:]
                return b"".join(content), b""
            at = step
        return b"".join(content), data[at:]

    def _content(self, data: bytes, at: int, content: list[bytes]) -> int | None:
        """Take content up to the end of the chunk or of the data; None when no more can be."""
        if self._left > 2:
            piece = data[at : at + self._left - 2]
            if not piece:
                return None
            content.append(piece)
            self._left -= len(piece)
            return at + len(piece)
        end = data[at : at + 2]
        if not b"\r\n".startswith(end):
            raise Refused(400, "a chunk longer than its size")
        if len(end) < 2:
            return None
        self._left = 0
        return at + 2

    def _line(self, data: bytes, at: int) -> int | None:
        """Take a size or a trailer; None when its line isn't complete."""
        limit = _LONGEST_SIZE if self._trailers is None else _LONGEST_TRAILER - self._trailers
        end = data.find(b"\r\n", at, at + limit)
        if end < 0:
            if len(data) - at >= limit or b"\n" in data[at:]:
                raise Refused(400, "a chunk size or trailer that doesn't end")
            return None
        line = data[at:end]
        if self._trailers is None:
            self._size(line)
        elif line:
            self._trailers += len(line) + 2
            if not _TRAILER.fullmatch(line):
                raise Refused(400, "a trailer that isn't NAME: VALUE")
        else:
            self.done = True
        return end + 2

    def _size(self, line: bytes) -> None:
        size = _SIZE.fullmatch(line)
        if size is None:
            raise Refused(400, "not a chunk size")
        length = int(size[1], 16)
        if length:
            self._left = length + 2
        else:
            self._trailers = 0
