"""What is written and read: tags, marks, settings, addresses, files, errors."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable.backend import (
    Conflict,
    FleetURL,
    Gone,
    Hold,
    Invalid,
    Origin,
    RuntimeConfig,
    Throttled,
)
from immutable.errors import InvalidValue
from immutable.toolkit.address import Shares, check_endpoint, check_options, shares_of
from immutable.toolkit.environment import environment_file, secrets_file
from immutable.toolkit.faults import causes, kind_by_code, shown
from immutable.toolkit.marks import (
    hold_of,
    hold_text,
    last_of,
    last_text,
    origin_of,
    origin_text,
)
from immutable.toolkit.packing import LONGEST, pack, packed_keys, unpack
from immutable.toolkit.settings import check_settings, is_number, named, words

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

# -- long values in short tags ---------------------------------------------------------------------


@given(JSON)
def test_what_is_packed_comes_out_again(value):
    tags = pack("saved", value)
    allowed = set(string.ascii_letters + string.digits + "+/=.")
    assert all(len(part) <= LONGEST and set(part) <= allowed for part in tags.values())
    assert unpack("saved", tags) == value
    assert sorted(packed_keys("saved", tags)) == sorted(tags)


def test_what_is_damaged_or_missing_is_nothing():
    tags = pack("saved", list(range(2000)))
    assert len(tags) > 1
    assert unpack("saved", {}) is None
    assert unpack("saved", {"saved.0": "x"}) is None
    assert unpack("saved", {**tags, "saved.1": "AAAA"}) is None


def test_what_was_longer_before_leaves_nothing_in_the_way():
    long, short = pack("saved", list(range(2000))), pack("saved", [1])
    assert unpack("saved", {**long, **short}) == [1]


# -- marks -----------------------------------------------------------------------------------------

HOLDS = st.builds(
    Hold,
    rollout=WORDS,
    fence=st.integers(0, 99),
    until=st.floats(0, 1e10),
    plan=WORDS.filter(lambda text: "/" not in text),
    size=st.none() | st.integers(0, 5000),
    minimum=st.none() | st.integers(0, 5000),
)


@given(HOLDS)
def test_a_hold_is_read_as_it_was_written(hold):
    assert hold_of(hold_text(hold), hold.minimum) == hold


@pytest.mark.parametrize("text", ["", "a/b", "r/x/1.0/3/p", "r/1/soon/3/p", "r/1/1.0/some/p"])
def test_what_is_no_hold_is_none(text):
    assert hold_of(text) is None


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("deletable", [False, True])
def test_an_origin_is_read_as_it_was_written(origin, deletable):
    told = origin_of(origin_text(origin, deletable))
    assert told == (origin, deletable or origin is Origin.OURS)


def test_what_nobody_wrote_is_not_ours_and_stays():
    assert origin_of("mine!") == (Origin.ADOPTED, False)


@given(st.integers(1, 10**6), WORDS)
def test_a_number_that_was_given_out_is_read_as_it_was_written(number, rollout):
    assert last_of(last_text(number, rollout)) == (number, rollout)
    assert last_of(f"x{number}") == (0, "")


# -- settings of a new fleet, and of a revision ----------------------------------------------------

KNOWN = {"zones": "a, b", "most": "a number"}
CHECKS = {"zones": bool, "most": is_number}


def check(**settings):
    check_settings(settings, KNOWN, CHECKS, "tag_", str.isalpha)


def test_settings_that_make_sense_are_no_error():
    check(zones="a", most="3", tag_team="shop")
    check(zones="a")


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(Invalid) as caught:
        check(colour="red", most="many", tag_7="x", tag_="y")
    for word in ("setting colour", "zones=''", "most='many'", "tag_7", "tag_;", "tag_NAME"):
        assert word in str(caught.value)


def test_lists_numbers_and_named_settings():
    assert words(" a, b,,c ") == ("a", "b", "c")
    assert [is_number(text) for text in ("", "0", "99999", "100000", "x")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert not is_number("0", least=1)
    assert named({"tag.team": "shop", "zones": "1"}, "tag.") == {"team": "shop"}


def test_an_environment_is_written_as_systemd_reads_it():
    config = RuntimeConfig({"LEVEL": 'a"b$c`\\', "PLAIN": "x y"}, {"DB": "vault://kv/db"})
    assert environment_file(config) == 'LEVEL="a\\"b\\$c\\`\\\\"\nPLAIN="x y"\n'
    assert secrets_file(config) == '{"DB": "vault://kv/db"}'
    assert environment_file(RuntimeConfig()) == ""


# -- addresses -------------------------------------------------------------------------------------


def test_an_option_that_nobody_knows_is_named_with_those_there_are():
    url = FleetURL.parse("acme://here/web?colour=red&size=3")
    check_options(url, ("size", "colour"))
    with pytest.raises(InvalidValue, match="acme:// knows size"):
        check_options(url, ("size",))


def test_how_traffic_is_shared_is_said_in_an_option():
    assert shares_of(FleetURL.parse("acme://here/web")) is Shares.AUTO
    assert shares_of(FleetURL.parse("acme://here/web?traffic=weights")) is Shares.WEIGHTS
    with pytest.raises(InvalidValue, match="auto, weights, instances"):
        shares_of(FleetURL.parse("acme://here/web?traffic=some"))


def test_an_endpoint_is_an_address_and_no_password_in_it_is_repeated():
    check_endpoint(None, "https")
    check_endpoint("https://host:8443/path", "http", "https")
    for wrong in ("ftp://x", "https://", "http://host", "https://me:secret@host"):
        with pytest.raises(InvalidValue) as caught:
            check_endpoint(wrong, "https")
        assert "no https:// address" in str(caught.value)
        assert "secret" not in str(caught.value)


# -- errors ----------------------------------------------------------------------------------------


def test_the_first_meaning_of_any_code_counts():
    kinds = (({"slow", "slower"}, Throttled), ({"taken"}, Conflict))
    assert kind_by_code(kinds, "new", "slower") is Throttled
    assert kind_by_code(kinds, "taken", "slow") is Throttled
    assert kind_by_code(kinds, "new") is None


def test_causes_are_told_from_the_outside_in():
    inner, outer = ValueError("why"), Gone("what")
    outer.__cause__ = inner
    assert list(causes(outer)) == [outer, inner]
    assert list(causes(None)) == []


def test_a_providers_words_are_short_and_without_secrets():
    told = shown("key  KEY123\nis no good " + "x" * 900, re.compile(r"KEY\d+"))
    assert told.startswith("key … is no good xx")
    assert len(told) == 400
