"""What a file holds in other clothes is looked at, and never without bounds."""

from __future__ import annotations

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.scanning.decoding import Bounds, TooMuch, layers

TEXT = "export LEVEL=info # a setting that is long enough\n"


def b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def texts(data: bytes, **bounds):
    return [(each.text, each.line, each.how) for each in layers(data, Bounds(**bounds))]


def innermost(data: bytes, **bounds):
    return texts(data, **bounds)[-1]


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (b64(TEXT.encode()), ("base64",)),
        (base64.encodebytes(TEXT.encode() * 5), ("base64",)),
        (gzip.compress(TEXT.encode()), ("gzip",)),
        (b64(gzip.compress(TEXT.encode())), ("base64", "gzip")),
        (gzip.compress(b64(TEXT.encode())), ("gzip", "base64")),
        (b64(b64(gzip.compress(b64(TEXT.encode())))), ("base64", "base64", "gzip", "base64")),
    ],
    ids=range(6),  # What gzip makes has the time in it, and a test is called the same anywhere.
)
def test_what_is_encoded_is_decoded_however_often(data, how):
    text, _, ways = innermost(data)
    assert (text.startswith(TEXT), ways) == (True, how)


def test_what_is_encoded_within_a_text_is_told_by_the_line_on_which_it_begins():
    coded = b64(gzip.compress(TEXT.encode())).decode()
    script = f"#!/bin/sh\nset -e\necho {coded} | base64 -d | zcat > /etc/env\n".encode()
    assert texts(script) == [
        (script.decode(), 1, ()),
        (texts(script)[1][0], 3, ("base64",)),
        (TEXT, 3, ("base64", "gzip")),
    ] or innermost(script) == (TEXT, 3, ("base64", "gzip"))


def test_the_parts_of_user_data_are_looked_at_each_with_its_line():
    message = MIMEMultipart()
    message.attach(MIMEText("#cloud-config\npackages: [nginx]\n", "cloud-config"))
    message.attach(MIMEText(TEXT, "x-shellscript", "utf-8"))  # In base64, by its charset.
    data = message.as_bytes()
    found = texts(data)
    assert [how for _, _, how in found] == [(), ("MIME",), ("MIME",)]
    assert found[1][0].startswith("#cloud-config")
    line = data.decode().split("\n").index("#cloud-config") + 1
    assert found[1][1] == line
    assert found[2][0] == TEXT


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(bytes(50 << 20)),
        b64(gzip.compress(bytes(50 << 20))),
        gzip.compress(gzip.compress(bytes(50 << 20))),
        b"".join(gzip.compress(bytes(1 << 20)) for _ in range(30)),
    ],
    ids=range(4),
)
def test_a_bomb_is_refused_before_it_has_gone_off(bomb):
    with pytest.raises(TooMuch, match=r"its gzip expands to more than 8 MiB"):
        texts(bomb)


def test_many_blocks_count_together():
    block = b64(b"harmless words, and again " * 400)
    data = b"\n\n-\n\n".join([block] * 30)
    assert len(texts(data)) == 31
    with pytest.raises(TooMuch, match="base64 expands"):
        texts(data, expanded=100_000)


def test_what_is_encoded_too_often_is_refused():
    data = TEXT.encode()
    for _ in range(7):
        data = b64(data)
    with pytest.raises(TooMuch, match="more than 6 times over"):
        texts(data)
    assert innermost(data, depth=7)[0] == TEXT


def test_damaged_and_random_bytes_are_no_error():
    assert texts(b"\x1f\x8b") == [("", 0, ("gzip",))]
    assert texts(gzip.compress(TEXT.encode() * 50)[:-9])[0][0].startswith(TEXT)
    assert texts(b"Content-Type: multipart/mixed\n\nno boundary\n")[0][0]
    assert texts(b"") == [("", 1, ())]


def test_text_in_a_binary_file_is_looked_at_and_has_no_line():
    data = bytes(range(32)) * 4 + TEXT.strip().encode() + bytes(9)
    assert texts(data) == [(TEXT.strip(), 0, ())]


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings_are_understood(name):
    assert texts("Größe=1\n".encode(name)) == [("Größe=1\n", 1, ())]


@given(st.binary(max_size=4000))
def test_no_bytes_make_it_fail(data):
    for wrapped in (data, gzip.compress(data), b64(data), b"MIME-Version: 1.0\n" + data):
        list(layers(wrapped))


@given(st.lists(st.sampled_from([b64, gzip.compress, base64.encodebytes]), max_size=5))
def test_every_nesting_within_the_depth_is_undone(ways):
    data = TEXT.encode()
    for way in ways:
        data = way(data)
    assert innermost(data)[0] == TEXT
