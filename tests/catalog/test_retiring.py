"""Retiring: what nobody needs, and nothing that anybody does."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.catalog import Retention, assign, restore, retire, roll_back, unneeded
from immutable.errors import CatalogRefused
from tests.support.cataloguing import PRODUCTION, after, catalog_of, digest_of

ALL = Retention(newest=0, older=0.0, back=0)
DAY = 86_400.0


def found(catalog, used=(), how=ALL, now=0.0):
    return [each.version for each in unneeded(catalog, now, {digest_of(n) for n in used}, how)]


def retired(catalog, how=ALL):
    return after(catalog, retire(catalog, 0.0, (), how, actor="ada", reason="old"))


def test_what_a_fleet_uses_is_never_retired_and_the_newest_stay():
    catalog = catalog_of("1", "2", "3", "4")
    assert found(catalog) == ["1", "2", "3", "4"]
    assert found(catalog, used="2") == ["1", "3", "4"]
    assert found(catalog, used="2", how=evolve(ALL, newest=2)) == ["1"]
    assert found(catalog, how=evolve(ALL, newest=9)) == []


def test_what_a_channel_points_at_or_came_from_stays():
    catalog = catalog_of("1", "2", "3", "4")
    for number in "123":
        catalog = after(catalog, assign(catalog, PRODUCTION, f"web:{number}", 0.0, actor="ada"))
    assert found(catalog) == ["1", "2", "4"]
    assert found(catalog, how=evolve(ALL, back=1)) == ["1", "4"]
    assert found(catalog, how=evolve(ALL, back=2)) == ["4"]


def test_what_is_young_stays():
    catalog = catalog_of("1", "2")
    old = {d: evolve(v, added_at=0.0 if v.version == "1" else DAY) for d, v in
           catalog.versions.items()}  # fmt: skip
    catalog = evolve(catalog, versions=old)
    assert found(catalog, how=evolve(ALL, older=DAY), now=DAY) == ["1"]
    assert found(catalog, how=evolve(ALL, older=DAY), now=2 * DAY) == ["1", "2"]


def test_one_name_may_be_meant_and_counts_by_itself():
    catalog = catalog_of("1", "2")
    assert found(catalog, how=evolve(ALL, name="web")) == ["1", "2"]
    assert found(catalog, how=evolve(ALL, name="db")) == []


def test_what_is_retired_is_not_launched_nor_assigned_until_it_is_restored():
    catalog = retired(catalog_of("1", "2"), evolve(ALL, newest=1))
    assert list(catalog.retired) == [digest_of("1")]
    (problem,) = catalog.against("memory", "web-1", 0.0)
    assert "web:1 is retired" in str(problem)
    assert catalog.against("memory", "web-2", 0.0) == ()
    with pytest.raises(CatalogRefused, match="web:1 is retired; restore it first"):
        assign(catalog, PRODUCTION, "web:1", 0.0, actor="ada")
    assert retire(catalog, 0.0, (), evolve(ALL, newest=1), actor="ada") == ()
    catalog = after(catalog, restore(catalog, "web:1", reason="needed", actor="ada"))
    assert catalog.against("memory", "web-1", 0.0) == ()


def test_what_was_built_on_a_retired_image_may_be_launched():
    catalog = retired(catalog_of("1", v2="1"), evolve(ALL, newest=1))
    assert list(catalog.retired) == [digest_of("1")]
    assert catalog.against("memory", "web-2", 0.0) == ()


def test_rolling_a_channel_back_passes_over_what_was_retired():
    catalog = catalog_of("1", "2", "3")
    for number in "123":
        catalog = after(catalog, assign(catalog, PRODUCTION, f"web:{number}", 0.0, actor="ada"))
    gone = after(catalog, retire(catalog, 0.0, {digest_of("1")}, ALL, actor="ada"))
    assert list(gone.retired) == [digest_of("2")]
    back = after(gone, roll_back(gone, PRODUCTION, 0.0, actor="ada"))
    assert str(back.find(PRODUCTION)) == "web:1"


@given(
    st.sets(st.sampled_from("123456")),
    st.lists(st.sampled_from("123456"), max_size=5),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_nothing_that_is_needed_is_ever_retired(used, assigned, newest, back):
    catalog = catalog_of(*"123456")
    for number in assigned:
        catalog = after(catalog, assign(catalog, PRODUCTION, f"web:{number}", 0.0, actor="ada"))
    how = Retention(newest=newest, older=0.0, back=back)
    gone = set(found(catalog, used=used, how=how))
    assert not gone & used
    assert not gone & {*"123456"[6 - newest :]} if newest else True
    if assigned:
        assert catalog.versions[catalog.current(PRODUCTION).digest].version not in gone
    assert len(gone) >= 6 - len(used) - newest - (1 + back if assigned else 0)


@pytest.mark.parametrize("name", ["newest", "older", "back"])
def test_less_than_nothing_can_not_be_kept(name):
    with pytest.raises(InvalidValue):
        Retention(**{name: -1})
