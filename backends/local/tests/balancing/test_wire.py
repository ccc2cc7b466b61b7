"""Heads of messages: what is read, what is refused, what is written."""

import pytest

from immutable_local.balancing.wire import (
    CHUNKED,
    LONGEST_HEAD,
    UNTIL_CLOSE,
    Refused,
    Request,
    Response,
    find_head,
    for_client,
    for_member,
    parse_request,
    parse_response,
)


def request(*fields: str, line: str = "GET / HTTP/1.1", host: str = "Host: a") -> Request:
    head = "\r\n".join([line, *([host] if host else []), *fields, "", ""])
    return parse_request(head.encode("latin-1"))


def response(*fields: str, line: str = "HTTP/1.1 200 OK", method: bytes = b"GET") -> Response:
    return parse_response("\r\n".join([line, *fields, "", ""]).encode("latin-1"), method)


# -- smuggling ------------------------------------------------------------------------------------

SMUGGLING = {
    "both lengths": "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "both lengths, the other way round": "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6",
    "two lengths in one": "Content-Length: 5, 6",
    "the same length in other words": "Content-Length: 5\r\nContent-Length: 05",
    "a length and nothing": "Content-Length: 5,",
    "an empty length": "Content-Length:",
    "a signed length": "Content-Length: +5",
    "a negative length": "Content-Length: -5",
    "a hexadecimal length": "Content-Length: 0x5",
    "a length with a fraction": "Content-Length: 5.0",
    "a length with underscores": "Content-Length: 1_0",
    "a length in other digits": "Content-Length: \xb2",
    "a length with a blank inside": "Content-Length: 1 0",
    "an endless length": "Content-Length: " + "9" * 30,
    "identity": "Transfer-Encoding: identity",
    "gzip": "Transfer-Encoding: gzip",
    "gzip, chunked": "Transfer-Encoding: gzip, chunked",
    "chunked, identity": "Transfer-Encoding: chunked, identity",
    "chunked twice": "Transfer-Encoding: chunked, chunked",
    "chunked in two fields": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "chunked and a parameter": "Transfer-Encoding: chunked;q=1",
    "quoted chunked": 'Transfer-Encoding: "chunked"',
    "xchunked": "Transfer-Encoding: xchunked",
    "an empty coding": "Transfer-Encoding:",
    "a vertical tab before chunked": "Transfer-Encoding: \x0bchunked",
    "a blank before the colon": "Content-Length : 5",
    "a tab before the colon": "Transfer-Encoding\t: chunked",
    "a folded value": "X-Long: a\r\n b",
    "a folded coding": "Transfer-Encoding:\r\n chunked",
    "a folded first field": " X: a",
    "a bare LF between fields": "X: a\nContent-Length: 5",
    "a bare CR in a value": "X: a\rContent-Length: 5",
    "a CR before CR LF": "X: a\r\r\nY: b",
    "a NUL in a value": "X: a\0b",
    "a NUL in a name": "X\0: a",
    "a control character in a value": "X: a\x01b",
    "a field without a colon": "Content-Length 5",
    "an empty name": ": 5",
    "a name with a slash": "Content/Length: 5",
    "a name in other letters": "Cont\xebnt-Length: 5",
    "a second host": "Host: b",
    "an early end in a name": "X\r\n\r\n: a",
}


@pytest.mark.parametrize("fields", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_could_be_understood_in_two_ways_is_refused(fields: str) -> None:
    with pytest.raises(Refused) as refused:
        request(fields, line="POST / HTTP/1.1")
    assert refused.value.status == 400


LINES = {
    "no version": "GET /",
    "an old version": "GET / HTTP/0.9",
    "a future version": "GET / HTTP/2.0",
    "a longer version": "GET / HTTP/1.10",
    "a version in small letters": "GET / http/1.1",
    "two blanks": "GET  / HTTP/1.1",
    "a blank in the target": "GET /a b HTTP/1.1",
    "a tab for a blank": "GET\t/ HTTP/1.1",
    "a blank at the end": "GET / HTTP/1.1 ",
    "a blank at the start": " GET / HTTP/1.1",
    "no method": " / HTTP/1.1",
    "a method with a colon": "GE:T / HTTP/1.1",
    "a target in other letters": "GET /\xe9 HTTP/1.1",
    "a control character in the target": "GET /\x7f HTTP/1.1",
    "a target that is no path": "GET path HTTP/1.1",
    "an authority": "GET example.com:80 HTTP/1.1",
    "a user in the target": "GET http://user@example.com/ HTTP/1.1",
    "another scheme": "GET ftp://example.com/ HTTP/1.1",
    "a tunnel": "CONNECT example.com:443 HTTP/1.1",
    "HTTP/2": "PRI * HTTP/2.0",
    "an answer": "HTTP/1.1 200 OK",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_what_is_no_request_line_is_refused(line: str) -> None:
    with pytest.raises(Refused) as refused:
        request(line=line)
    assert refused.value.status in {400, 501, 505}


def test_a_request_has_one_host() -> None:
    with pytest.raises(Refused):
        request(host="")
    assert request(line="GET / HTTP/1.0", host="").minor == 0


def test_chunks_are_not_for_old_clients() -> None:
    with pytest.raises(Refused):
        request("Transfer-Encoding: chunked", line="POST / HTTP/1.0")


# -- where a head ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", b"G", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r"],
)
def test_a_head_that_is_not_there_yet_is_waited_for(data: bytes) -> None:
    assert find_head(data) == 0


def test_a_head_ends_with_its_empty_line() -> None:
    assert find_head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST") == 27


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\n", b"GET / HTTP/1.1\nHost: a\n\n", b"\n", b"GET / HTTP/1.1\rHost: a"],
)
def test_lines_that_end_otherwise_are_refused_at_once(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        find_head(data)
    assert refused.value.status == 400


def test_a_head_has_its_length() -> None:
    with pytest.raises(Refused) as refused:
        find_head(b"GET / HTTP/1.1\r\nX: " + b"x" * LONGEST_HEAD)
    assert refused.value.status == 431


# -- what is read ---------------------------------------------------------------------------------


def test_a_request_is_read() -> None:
    seen = request("X-A:  b c \t", "Content-Length: 12", line="POST /p?q HTTP/1.1")
    assert (seen.method, seen.target, seen.minor, seen.length) == (b"POST", b"/p?q", 1, 12)
    assert seen.fields == [(b"Host", b"a"), (b"X-A", b"b c")]
    assert seen.keep_alive


def test_a_length_that_is_said_twice_is_one_length() -> None:
    assert request("Content-Length: 5", "content-length: 5").length == 5
    assert request("Content-Length: 5, 5").length == 5


@pytest.mark.parametrize("value", ["chunked", "Chunked", " chunked\t"])
def test_chunked_is_chunked(value: str) -> None:
    assert request(f"Transfer-Encoding:{value}").length == CHUNKED


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        ("GET / HTTP/1.1", [], True),
        ("GET / HTTP/1.1", ["Connection: close"], False),
        ("GET / HTTP/1.1", ["Connection: foo, Close"], False),
        ("GET / HTTP/1.0", [], False),
        ("GET / HTTP/1.0", ["Connection: keep-alive"], True),
        ("GET / HTTP/1.0", ["Connection: keep-alive, close"], False),
    ],
)
def test_who_keeps_a_connection(line: str, fields: list[str], kept: bool) -> None:
    assert request(*fields, line=line).keep_alive is kept


def test_an_absolute_target_names_the_host() -> None:
    seen = request(line="GET HTTP://other.test:81/p?q HTTP/1.1")
    assert seen.target == b"/p?q"
    assert seen.fields == [(b"Host", b"other.test:81")]
    assert request(line="GET http://other.test?q HTTP/1.1").target == b"/?q"
    assert request(line="OPTIONS * HTTP/1.1").target == b"*"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (["Connection: Upgrade", "Upgrade: websocket"], b"websocket"),
        (["Connection: keep-alive, upgrade", "Upgrade: websocket"], b"websocket"),
        (["Upgrade: websocket"], None),
        (["Connection: upgrade"], None),
        (["Connection: upgrade", "Upgrade: websocket", "Content-Length: 3"], None),
        (["Connection: upgrade, HTTP2-Settings", "Upgrade: h2c"], None),
        (["Connection: upgrade", "Upgrade: websocket, h2c"], None),
    ],
)
def test_who_wants_another_protocol(fields: list[str], wanted: bytes | None) -> None:
    assert request(*fields).upgrade == wanted


@pytest.mark.parametrize(
    ("method", "line", "fields", "length"),
    [
        (b"GET", "HTTP/1.1 200 OK", ["Content-Length: 3"], 3),
        (b"GET", "HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], CHUNKED),
        (b"GET", "HTTP/1.1 200 OK", [], UNTIL_CLOSE),
        (b"HEAD", "HTTP/1.1 200 OK", ["Content-Length: 3"], 0),
        (b"HEAD", "HTTP/1.1 200 OK", ["Transfer-Encoding: chunked"], 0),
        (b"GET", "HTTP/1.1 204 No Content", [], 0),
        (b"GET", "HTTP/1.1 304 Not Modified", ["Content-Length: 3"], 0),
        (b"GET", "HTTP/1.1 100 Continue", [], 0),
        (b"GET", "HTTP/1.0 200", ["Content-Length: 3"], 3),
    ],
)
def test_how_long_an_answer_is(method: bytes, line: str, fields: list[str], length: int) -> None:
    assert response(*fields, line=line, method=method).length == length


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("220 mail ESMTP", []),
        ("HTTP/2 200", []),
        ("HTTP/1.1 20 OK", []),
        ("HTTP/1.1 600 OK", []),
        ("HTTP/1.1  200 OK", []),
        ("HTTP/1.1 200 OK", ["Content-Length: 3", "Transfer-Encoding: chunked"]),
        ("HTTP/1.1 200 OK", ["Content-Length: 3", "Content-Length: 4"]),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: gzip"]),
        ("HTTP/1.1 200 OK", ["X : a"]),
        ("HTTP/1.1 200 OK", ["X: a\r\n b"]),
    ],
)
def test_an_answer_that_is_unclear_is_a_bad_gateway(line: str, fields: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        response(*fields, line=line)
    assert refused.value.status == 502


# -- what is written ------------------------------------------------------------------------------


def test_what_is_for_one_hop_is_not_passed_on() -> None:
    seen = request(
        "Connection: close, X-Private, Host, X-Forwarded-For",
        "Keep-Alive: timeout=5",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: X",
        "Upgrade: websocket",
        "X-Private: secret",
        "X-Forwarded-For: 10.0.0.1",
        "Accept: */*",
    )
    assert for_member(seen, b"192.0.2.7", b"127.0.0.1:80") == (
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nAccept: */*\r\n"
        b"X-Forwarded-For: 192.0.2.7\r\n\r\n"
    )


def test_a_body_is_announced_anew() -> None:
    written = for_member(request("content-length: 7", line="POST / HTTP/1.1"), b"c", b"m")
    assert written.endswith(b"\r\nContent-Length: 7\r\n\r\n")
    written = for_member(request("Transfer-Encoding: Chunked"), b"c", b"m")
    assert written.endswith(b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    written = for_member(request(line="POST / HTTP/1.1"), b"c", b"m")
    assert written.endswith(b"\r\nContent-Length: 0\r\n\r\n")


def test_an_old_client_without_a_host_gets_the_members() -> None:
    seen = request(line="GET / HTTP/1.0", host="")
    assert b"\r\nHost: 127.0.0.1:80\r\n" in for_member(seen, b"c", b"127.0.0.1:80")


def test_an_upgrade_is_passed_on() -> None:
    seen = request("Connection: Upgrade", "Upgrade: websocket")
    assert b"Connection: upgrade\r\nUpgrade: websocket\r\n" in for_member(seen, b"c", b"m")


def test_an_answer_is_written() -> None:
    seen = response("Content-Length: 3", "Connection: close", "Server: s", "Set-Cookie: a=b")
    assert for_client(seen, request(), keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\nServer: s\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\n\r\n"
    )
    assert b"Connection: close\r\n" in for_client(seen, request(), keep_alive=False)
    old = request("Connection: keep-alive", line="GET / HTTP/1.0")
    assert b"Connection: keep-alive\r\n" in for_client(seen, old, keep_alive=True)


def test_the_length_of_what_is_not_sent_is_told_all_the_same() -> None:
    seen = response("Content-Length: 1234", method=b"HEAD")
    assert b"Content-Length: 1234\r\n" in for_client(seen, request(), keep_alive=True)
    seen = response("Content-Length: 5", line="HTTP/1.1 204 No Content")
    assert b"Content-Length" not in for_client(seen, request(), keep_alive=True)
