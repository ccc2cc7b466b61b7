"""Channels and versions: what may be assigned, and how the way back goes."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.catalog import add, assign, restore, revoke, roll_back
from immutable.errors import CatalogRefused
from tests.support.cataloguing import PRODUCTION, added, after, catalog_of, digest_of, known


def assigned(catalog, reference, channel=PRODUCTION):
    return after(catalog, assign(catalog, channel, reference, 0.0, actor="ada"))


def back(catalog):
    return after(catalog, roll_back(catalog, PRODUCTION, 0.0, actor="ada"))


def current(catalog):
    return str(catalog.find(PRODUCTION))


def test_a_reference_is_a_version_a_channel_or_a_digest():
    catalog = assigned(catalog_of("1", "2"), "web:1")
    for reference in ("web:1", PRODUCTION, digest_of("1")):
        assert catalog.find(reference) == known("1")


@pytest.mark.parametrize(
    "reference", ["web:9", "web@staging", "web", "", digest_of("9"), "@", "a@"]
)
def test_what_is_not_there_is_an_error_that_says_what_to_do(reference):
    catalog = assigned(catalog_of("1"), "web:1")
    with pytest.raises(InvalidValue) as caught:
        catalog.find(reference)
    assert caught.value.way_out


def test_a_name_and_version_stand_for_one_image():
    with pytest.raises(CatalogRefused, match=r"web:1 is sha256:.* already, and this is"):
        add(catalog_of("1"), evolve(added("1"), digest=digest_of("other")))
    assert add(catalog_of("1"), added("1")) == (added("1"),)


def test_a_channel_takes_versions_of_its_own_image_only():
    with pytest.raises(CatalogRefused, match="web:1, another image"):
        assign(catalog_of("1"), "db@production", "web:1", 0.0, actor="ada")
    with pytest.raises(InvalidValue, match="not a channel"):
        assign(catalog_of("1"), "production", "web:1", 0.0, actor="ada")


def test_assigning_what_a_channel_has_changes_nothing():
    catalog = assigned(catalog_of("1"), "web:1")
    assert assign(catalog, PRODUCTION, "web:1", 0.0, actor="bob") == ()


def test_a_channel_can_be_assigned_what_another_one_has():
    catalog = assigned(catalog_of("1", "2"), "web:2", "web@staging")
    assert current(assigned(catalog, "web@staging")) == "web:2"


def test_a_revoked_version_is_assigned_to_no_channel_until_it_is_restored():
    catalog = catalog_of("1")
    catalog = after(catalog, revoke(catalog, "web:1", 5.0, reason="CVE-2026-1", actor="ada"))
    with pytest.raises(CatalogRefused, match="web:1 is revoked: CVE-2026-1"):
        assign(catalog, PRODUCTION, "web:1", 5.0, actor="ada")
    catalog = after(catalog, restore(catalog, "web:1", reason="false alarm", actor="ada"))
    assert assign(catalog, PRODUCTION, "web:1", 5.0, actor="ada")


def test_going_back_twice_comes_to_the_version_before_the_last():
    catalog = catalog_of("1", "2", "3", "4")
    for number in "123":
        catalog = assigned(catalog, f"web:{number}")
    catalog = back(catalog)
    assert current(catalog) == "web:2"
    catalog = back(catalog)
    assert current(catalog) == "web:1"
    with pytest.raises(CatalogRefused, match="nothing before web:1"):
        back(catalog)
    assert current(back(assigned(catalog, "web:4"))) == "web:1"


def test_going_back_passes_over_what_was_revoked_meanwhile():
    catalog = catalog_of("1", "2", "3")
    for number in "123":
        catalog = assigned(catalog, f"web:{number}")
    catalog = after(catalog, revoke(catalog, "web:2", 0.0, reason="bad", actor="ada"))
    assert current(back(catalog)) == "web:1"


NAMES = st.sampled_from("12345")


@given(st.lists(NAMES, min_size=1, max_size=12))
def test_going_back_undoes_what_was_assigned_one_by_one(names):
    catalog, seen = catalog_of(*"12345"), []
    for name in names:
        catalog = assigned(catalog, f"web:{name}")
        if not seen or seen[-1] != f"web:{name}":
            seen.append(f"web:{name}")
    for version in reversed(seen[:-1]):
        catalog = back(catalog)
        assert current(catalog) == version
    with pytest.raises(CatalogRefused):
        back(catalog)


@given(st.lists(NAMES | st.just("back"), max_size=25))
def test_a_channel_goes_like_a_pile_and_its_history_is_only_ever_added_to(moves):
    catalog, pile = catalog_of(*"12345"), []
    for move in moves:
        before = catalog.channels.get(PRODUCTION, ())
        if move == "back" and len(pile) > 1:
            catalog = back(catalog)
            pile.pop()
        elif move != "back":
            catalog = assigned(catalog, f"web:{move}")
            pile += [f"web:{move}"] if not pile or pile[-1] != f"web:{move}" else []
        history = catalog.channels.get(PRODUCTION, ())
        assert history[: len(before)] == before
        assert [each.number for each in history] == list(range(1, len(history) + 1))
        if pile:
            assert current(catalog) == pile[-1]
