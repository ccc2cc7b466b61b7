"""Heads of HTTP/1.1 messages: read strictly, written anew. Bytes in, values out, no effects.

What two parsers could understand differently is refused, never guessed at: that is how a second
request gets smuggled past a proxy inside a first one (RFC 9112, sections 2.2, 5, 6 and 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import define

__all__ = [
    "CHUNKED",
    "LONGEST_HEAD",
    "REASONS",
    "UNTIL_CLOSE",
    "Refused",
    "Request",
    "Response",
    "find_head",
    "for_client",
    "for_member",
    "parse_request",
    "parse_response",
]

LONGEST_HEAD: Final = 16_384
"""Bytes that the head of a message may have."""

CHUNKED: Final = -1
"""The length of a body that comes in chunks."""

UNTIL_CLOSE: Final = -2
"""The length of a body that ends with its connection."""

REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}
"""What the proxy itself answers with."""

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/(\d)\.(\d)\r\n" % _TOKEN)
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)( [^\x00\r\n]*)?\r\n")
_FIELD: Final = re.compile(rb"(%b):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n" % _TOKEN)
_FIELDS: Final = re.compile(rb"(?:%b:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n" % _TOKEN)
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|$)")
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)(/[^#]*)?(\?[^#]*)?", re.IGNORECASE)
_IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"})
# Written anew for the next hop, or not passed on at all.
_HOP: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# A client can't have these taken out by naming them in Connection.
_KEPT: Final = frozenset({b"host", b"x-forwarded-for", b"close", b"keep-alive", b"upgrade"})

Field = tuple[bytes, bytes]


class Refused(Exception):
    """A message that isn't passed on.

    Args:
        status: What to answer with.
        reason: Why, for whoever sent it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


@define
class Request:
    """The head of a request.

    Attributes:
        method: Such as ``GET``.
        target: Such as ``/path?query`` or ``*``.
        minor: The minor version: 0 or 1.
        fields: Names as they were sent, and values without blanks around them; without those
            that are for one hop only, and without the length.
        length: The length of the body in bytes, or `CHUNKED`.
        keep_alive: Whether the client wants to use its connection again.
        upgrade: The protocol that it wants to change to.
    """

    method: bytes
    target: bytes
    minor: int
    fields: list[Field]
    length: int
    keep_alive: bool
    upgrade: bytes | None

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does what sending it once does (RFC 9110, 9.2.2)."""
        return self.method in _IDEMPOTENT and self.upgrade is None


@define
class Response:
    """The head of a response.

    Attributes:
        status: 100 to 599.
        reason: The text after it, with the blank between them.
        fields: As those of a `Request`.
        length: The length of the body in bytes, `CHUNKED` or `UNTIL_CLOSE`.
        told: The Content-Length, which a response without a body may have too.
        keep_alive: Whether the member's connection can be used again.
        upgrade: The protocol that the member changes to.
    """

    status: int
    reason: bytes
    fields: list[Field]
    length: int
    told: bytes | None
    keep_alive: bool
    upgrade: bytes | None


@define
class _Special:
    """The fields of a head that decide about its body and its connection."""

    length: bytes | None
    coding: list[bytes]
    connection: frozenset[bytes]
    upgrade: bytes | None
    hosts: list[bytes]


# -- reading --------------------------------------------------------------------------------------


def find_head(data: bytes) -> int:
    """Return where the head at the start of *data* ends, 0 when it isn't complete.

    Raises:
        Refused: It is too long, or can't become one: a line end that isn't CRLF.
    """
    end = data.find(b"\r\n\r\n", 0, LONGEST_HEAD) + 4
    if end >= 4:
        return end
    if len(data) >= LONGEST_HEAD:
        raise Refused(431, f"the head is longer than {LONGEST_HEAD} bytes")
    if _BARE.search(data):
        raise Refused(400, "a line end that isn't CR LF")
    return 0


def parse_request(head: bytes) -> Request:
    """Read the head of a request, up to and with its empty line.

    Raises:
        Refused: With 400, 501 or 505; the connection can't be used after it.
    """
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise Refused(400, "not a request line")
    method, target, major, minor = line.groups()
    if major != b"1" or minor not in {b"0", b"1"}:
        raise Refused(505, "HTTP/1.0 and HTTP/1.1 are understood")
    if method == b"CONNECT":
        raise Refused(501, "CONNECT is not offered")
    fields, special = _fields(head, line.end(), 400)
    length = _request_length(special, minor)
    target, fields = _origin(target, fields, special.hosts, minor)
    return Request(
        method=method,
        target=target,
        minor=int(minor),
        fields=fields,
        length=length,
        keep_alive=_keeps(special.connection, minor),
        upgrade=_wanted(special, minor) if length == 0 else None,
    )


def parse_response(head: bytes, method: bytes) -> Response:
    """Read the head of a response to a request of *method*.

    Raises:
        Refused: With 502: the member doesn't speak HTTP/1, or not clearly.
    """
    line = _STATUS_LINE.match(head)
    if line is None:
        raise Refused(502, "the server's answer has no status line")
    minor, digits, reason = line.groups()
    status = int(digits)
    fields, special = _fields(head, line.end(), 502)
    length = _response_length(special, status, method)
    return Response(
        status=status,
        reason=reason or b" ",
        fields=fields,
        length=length,
        told=special.length,
        keep_alive=_keeps(special.connection, minor) and length != UNTIL_CLOSE,
        upgrade=special.upgrade,
    )


def _fields(head: bytes, start: int, status: int) -> tuple[list[Field], _Special]:
    if not _FIELDS.fullmatch(head, start):
        raise Refused(status, "a header field that isn't NAME: VALUE, or is folded")
    fields: list[Field] = []
    hosts: list[bytes] = []
    hop: dict[bytes, list[bytes]] = {}
    for name, blank in _FIELD.findall(head, start):
        value = blank.strip(b" \t")
        lower = name.lower()
        if lower in _HOP:
            hop.setdefault(lower, []).append(value)
            continue
        if lower == b"host":
            hosts.append(value)
        fields.append((name, value))
    connection = frozenset(_items(hop.get(b"connection", ())))
    if named := connection - _KEPT:
        fields = [field for field in fields if field[0].lower() not in named]
    return fields, _Special(
        length=_length(hop.get(b"content-length", ()), status),
        coding=hop.get(b"transfer-encoding", []),
        connection=connection,
        upgrade=b", ".join(hop[b"upgrade"]) if b"upgrade" in hop else None,
        hosts=hosts,
    )


def _items(values: Iterable[bytes]) -> Iterable[bytes]:
    return (part.strip(b" \t").lower() for value in values for part in value.split(b","))


def _length(values: Iterable[bytes], status: int) -> bytes | None:
    different = set(_items(values))
    if not different:
        return None
    value = different.pop()
    if different:
        raise Refused(status, "different Content-Lengths")
    if not (value.isdigit() and len(value) <= 18):
        raise Refused(status, "a Content-Length that isn't a number")
    return value


def _request_length(special: _Special, minor: bytes) -> int:
    if not special.coding:
        return int(special.length or 0)
    if special.length is not None:
        raise Refused(400, "both Transfer-Encoding and Content-Length")
    if minor == b"0":
        raise Refused(400, "Transfer-Encoding in HTTP/1.0")
    if [value.lower() for value in special.coding] != [b"chunked"]:
        raise Refused(400, "a Transfer-Encoding other than chunked")
    return CHUNKED


def _response_length(special: _Special, status: int, method: bytes) -> int:
    if method == b"HEAD" or status < 200 or status in {204, 304}:
        return 0
    if special.coding:
        unclear = [value.lower() for value in special.coding] != [b"chunked"]
        if unclear or special.length is not None:
            raise Refused(502, "the server's answer has an unclear length")
        return CHUNKED
    return UNTIL_CLOSE if special.length is None else int(special.length)


def _wanted(special: _Special, minor: bytes) -> bytes | None:
    """Return the protocol to change to.

    HTTP/2 is left out: what goes through its tunnel would be requests that nobody has looked at.
    """
    if b"upgrade" not in special.connection or minor == b"0" or special.upgrade is None:
        return None
    return None if b"h2c" in _items([special.upgrade]) else special.upgrade


def _keeps(connection: frozenset[bytes], minor: bytes) -> bool:
    return b"close" not in connection and (minor == b"1" or b"keep-alive" in connection)


def _origin(
    target: bytes, fields: list[Field], hosts: list[bytes], minor: bytes
) -> tuple[bytes, list[Field]]:
    """Return the target without scheme and host, and the fields with the one host that counts."""
    if len(hosts) > 1 or (not hosts and minor == b"1"):
        raise Refused(400, "not one Host")
    if target.startswith(b"/") or target == b"*":
        return target, fields
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise Refused(400, "not a target")
    others = [field for field in fields if field[0].lower() != b"host"]
    path = (absolute[2] or b"/") + (absolute[3] or b"")
    return path, [(b"Host", absolute[1]), *others]


# -- writing --------------------------------------------------------------------------------------


def for_member(request: Request, client: bytes, member: bytes) -> bytes:
    """Return the head of *request* as a member gets it.

    Args:
        request: What the client sent.
        client: The client's address, for ``X-Forwarded-For``.
        member: The member's address, which is the host when an HTTP/1.0 client named none.
    """
    parts = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
    parts += [b"%b: %b\r\n" % field for field in request.fields]
    if request.minor == 0 and all(name.lower() != b"host" for name, _ in request.fields):
        parts.append(b"Host: %b\r\n" % member)
    parts.append(b"X-Forwarded-For: %b\r\n" % client)
    if request.upgrade is not None:
        parts.append(b"Connection: upgrade\r\nUpgrade: %b\r\n" % request.upgrade)
    if request.length == CHUNKED:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif request.length or request.method in {b"POST", b"PUT", b"PATCH"}:
        parts.append(b"Content-Length: %d\r\n" % request.length)
    parts.append(b"\r\n")
    return b"".join(parts)


def for_client(response: Response, request: Request, *, keep_alive: bool) -> bytes:
    """Return the head of *response* as the client gets it.

    Args:
        response: What the member sent, with the length that the client's body will have.
        request: What it answers.
        keep_alive: Whether the client's connection can be used again.
    """
    parts = [b"HTTP/1.1 %d%b\r\n" % (response.status, response.reason)]
    parts += [b"%b: %b\r\n" % field for field in response.fields]
    if response.status == 101:
        parts.append(b"Connection: upgrade\r\nUpgrade: %b\r\n" % (response.upgrade or b""))
    elif response.status >= 200:
        if response.length == CHUNKED:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        elif response.told is not None and response.status != 204:
            parts.append(b"Content-Length: %b\r\n" % response.told)
        if not keep_alive:
            parts.append(b"Connection: close\r\n")
        elif request.minor == 0:
            parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)
