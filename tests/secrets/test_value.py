"""A secret shows its value to nobody who did not ask for it, whatever is done with it."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import json
import logging
import pickle
import pprint
import traceback

import pytest
from attrs import asdict, astuple, frozen
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.backend import Secret, to_json

CANARY = "canary-b7f1e0"
VALUES = st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: CANARY + text)


@frozen
class Holder:
    password: Secret


def logged(secret):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.Logger("held")  # noqa: LOG001  # One of its own: nobody else listens.
    logger.addHandler(handler)
    logger.warning("it is %s, %r, %20s", secret, secret, secret, extra={"secret": secret})
    record = logging.LogRecord("held", 20, "", 0, "it is %s", (secret,), None)
    return stream.getvalue() + str(vars(record)) + record.getMessage()


def failing(secret):
    secret.nothing_such()


def fails_in_the_block(secret):
    with secret.reveal() as value:
        value.nothing_such()


def traced(secret, *, way):
    """Return a traceback with all variables of all frames, as rich and error trackers print it."""
    try:
        way(secret)
    except AttributeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(shown.format())
    raise AssertionError


WAYS = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": lambda secret: f"{secret} {secret!r} {secret:>30} {secret!s:5}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in a list": lambda secret: str([secret, {"a": secret}]),
    "pprint": lambda secret: pprint.pformat({"a": [secret]}),
    "attrs": lambda secret: f"{Holder(secret)} {asdict(Holder(secret))} {astuple(Holder(secret))}",
    "to_json": lambda secret: str(to_json(secret)),
    "json with a default": lambda secret: json.dumps({"a": secret}, default=str),
    "an error": lambda secret: f"{ValueError(secret)!r} {InvalidValue('a', secret, 'wrong')}",
    "logging": logged,
    "members": lambda secret: repr(inspect.getmembers(secret)),
    "directory": lambda secret: repr([getattr(secret, name) for name in dir(secret)]),
    "a traceback": lambda secret: traced(secret, way=failing),
    "a traceback of the block": lambda secret: traced(secret, way=fails_in_the_block),
    "copies": lambda secret: f"{copy.copy(secret)} {copy.deepcopy([secret])}",
}


@pytest.mark.parametrize("way", sorted(WAYS))
@given(value=VALUES)
def test_no_way_of_showing_shows_the_value(way, value):
    shown = WAYS[way](Secret(value))
    assert CANARY not in shown
    assert way in ("members", "directory") or "hidden" in shown


@pytest.mark.parametrize("value", [CANARY, CANARY.encode(), bytearray(CANARY, "ascii")])
def test_it_is_revealed_for_the_length_of_a_block_and_overwritten_then(value):
    secret = Secret(value)
    with secret.reveal() as first:
        assert bytes(first) == CANARY.encode()
        with secret.reveal() as second:
            assert bytes(second) == CANARY.encode()
        assert bytes(first) == CANARY.encode()
    assert first == second == b""
    with secret.reveal() as again:
        assert bytes(again) == CANARY.encode()


def test_what_looks_on_after_the_block_sees_zeros():
    with Secret("abc").reveal() as value:
        view = memoryview(value)
    assert bytes(view) == b"\0\0\0"


def test_the_value_is_gone_after_a_block_that_failed():
    kept = []
    with contextlib.suppress(KeyError), Secret(CANARY).reveal() as value:
        kept.append(value)
        raise KeyError
    assert kept == [b""]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol):
    with pytest.raises(TypeError, match="pickled") as caught:
        pickle.dumps({"a": Secret(CANARY)}, protocol)
    assert CANARY not in str(caught.value)


def test_it_has_no_json_no_variables_and_no_state():
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError, match="no state"):
        secret.__getstate__()


def test_copies_are_itself_and_equals_are_not_equal():
    secret = Secret(CANARY)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret
    assert secret != Secret(CANARY)


@pytest.mark.parametrize("wrong", [None, 7, [CANARY], f"{CANARY}\ud800"])
def test_what_is_no_value_is_refused_and_not_repeated(wrong):
    with pytest.raises(InvalidValue, match="pass str or bytes") as caught:
        Secret(wrong)
    (frame,) = traceback.TracebackException.from_exception(
        caught.value.with_traceback(caught.tb.tb_next), capture_locals=True
    ).stack
    assert CANARY not in str(caught.value) + str(frame.locals)
