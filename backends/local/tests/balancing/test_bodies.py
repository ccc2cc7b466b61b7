"""Bodies end where they end, however they arrive."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable_local.balancing.bodies import Body, Chunks, body, chunks
from immutable_local.balancing.wire import CHUNKED, UNTIL_CLOSE, Refused


def fed(reader: Body, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """Feed *data* cut into pieces; return the content and what is beyond the end."""
    content, beyond = b"", b""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        if reader.done:
            beyond += data[start:end]
            continue
        piece, rest = reader.feed(data[start:end])
        content += piece
        beyond += rest
    return content, beyond


CUTS = st.lists(st.integers(0, 10_000), max_size=30)


@given(st.lists(st.binary(min_size=1, max_size=300)), st.binary(max_size=20), CUTS)
def test_chunks_are_put_together(parts: list[bytes], after: bytes, cuts: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    data += b"0\r\nTrailer: yes\r\n\r\n"
    reader = body(CHUNKED)
    assert fed(reader, data + after, cuts) == (b"".join(parts), after)
    assert reader.done


@given(st.binary(max_size=300), st.binary(max_size=20), CUTS)
def test_a_counted_body_ends_with_its_count(content: bytes, after: bytes, cuts: list[int]) -> None:
    reader = body(len(content))
    assert fed(reader, content + after, cuts) == (content, after)
    assert reader.done


def test_an_endless_body_takes_everything() -> None:
    reader = body(UNTIL_CLOSE)
    assert reader.feed(b"HTTP/1.1 200 OK\r\n") == (b"HTTP/1.1 200 OK\r\n", b"")
    assert not reader.done


@given(st.lists(st.binary(min_size=1, max_size=300)), CUTS)
def test_what_is_written_in_chunks_reads_the_same(parts: list[bytes], cuts: list[int]) -> None:
    source = body(sum(map(len, parts)))
    written = b"" if parts else chunks(b"", source)
    for part in parts:
        content, _ = source.feed(part)
        written += chunks(content, source)
    assert fed(body(CHUNKED), written, cuts) == (b"".join(parts), b"")


BAD = {
    "no size": b"\r\nhello",
    "not hexadecimal": b"g\r\n",
    "a prefix": b"0x5\r\nhello\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "a negative size": b"-1\r\n",
    "an underscore": b"1_0\r\n",
    "a blank before the size": b" 5\r\nhello\r\n",
    "a blank after the size": b"5 \r\nhello\r\n",
    "a size too large": b"fffffffffffffffff\r\n",
    "an overflow that ends as 5": b"10000000000000005\r\nhello\r\n",
    "a bare LF after the size": b"5\nhello\r\n",
    "a bare CR after the size": b"5\rhello\r\n",
    "a bare LF in an extension": b"5;a=b\nGET / HTTP/1.1\r\nhello\r\n",
    "a NUL in an extension": b"5;a=\0\r\nhello\r\n",
    "content longer than its size": b"3\r\nhello\r\n",
    "content shorter than its size": b"7\r\nhello\r\n0\r\n\r\n",
    "a bare LF after the content": b"5\r\nhello\n0\r\n\r\n",
    "another end after the content": b"5\r\nhelloXX0\r\n\r\n",
    "a bare LF after the last size": b"0\n\n",
    "a trailer without a colon": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "a trailer that is folded": b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer with a blank before its colon": b"0\r\nX : a\r\n\r\n",
    "a bare LF in a trailer": b"0\r\nX: a\nY: b\r\n\r\n",
    "an endless size": b"0" * 300,
    "an endless extension": b"5;" + b"a" * 300,
    "an endless trailer": b"0\r\nX: " + b"a" * 9000,
    "endless trailers": b"0\r\n" + b"X: a\r\n" * 2000,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_chunks_that_are_unclear_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        Chunks().feed(data)


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_they_are_refused_byte_by_byte_too(data: bytes) -> None:
    def one_by_one() -> None:
        reader = Chunks()
        for number in range(len(data)):
            reader.feed(data[number : number + 1])

    with pytest.raises(Refused):
        one_by_one()


@pytest.mark.parametrize("size", [b"5", b"05", b"0000005", b"5;", b"5;a=b", b'5;a="b c"'])
def test_sizes_that_are_clear_are_read(size: bytes) -> None:
    assert Chunks().feed(size + b"\r\nhello\r\n0\r\n\r\nrest") == (b"hello", b"rest")
