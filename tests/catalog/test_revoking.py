"""Revocation: from when on it holds, who inherits it, and when it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immutable import InvalidValue
from immutable.catalog import Catalog, assign, restore, revoke
from immutable.errors import CatalogRefused
from tests.support.cataloguing import PRODUCTION, added, after, catalog_of, digest_of

NOW = 100.0


def revoked(catalog, reference="web:1", **how):
    given = {"reason": "CVE-2026-1", "actor": "ada", **how}
    return after(catalog, revoke(catalog, reference, NOW, **given))


def test_a_revocation_holds_for_what_was_built_on_the_image_and_for_nothing_else():
    catalog = revoked(catalog_of("1", "other", v2="1", v3="2"))
    for version in "123":
        found = catalog.revocation(digest_of(version), NOW)
        assert (found.digest, found.reason) == (digest_of("1"), "CVE-2026-1")
    assert catalog.revocation(digest_of("other"), NOW) is None
    assert [str(each) for each in catalog.descendants(digest_of("1"))] == ["web:2", "web:3"]


def test_an_image_that_others_were_built_on_can_be_revoked_though_nobody_added_it():
    catalog = revoked(catalog_of(v2="base"), digest_of("base"))
    assert catalog.revocation(digest_of("2"), NOW).digest == digest_of("base")
    with pytest.raises(InvalidValue, match="not in the catalog"):
        revoke(catalog, digest_of("unheard"), NOW, reason="bad", actor="ada")


def test_a_revocation_to_come_does_not_hold_yet():
    catalog = revoked(catalog_of("1", v2="1"), at=NOW + 50)
    assert catalog.revocation(digest_of("2"), NOW + 49) is None
    assert catalog.to_come(digest_of("2"), NOW + 49).at == NOW + 50
    assert catalog.revocation(digest_of("2"), NOW + 50).at == NOW + 50
    assert catalog.to_come(digest_of("2"), NOW + 50) is None


def test_a_revocation_to_come_can_be_brought_forward_or_put_off():
    catalog = revoked(catalog_of("1"), at=NOW + 50)
    for at in (NOW + 70, NOW + 20, NOW):
        catalog = revoked(catalog, at=at)
        assert catalog.revocations[digest_of("1")].at == at


def test_what_a_channel_points_at_is_revoked_by_force_only():
    catalog = catalog_of("1", v2="1")
    catalog = after(catalog, assign(catalog, PRODUCTION, "web:2", NOW, actor="ada"))
    for reference in ("web:1", "web:2"):
        with pytest.raises(CatalogRefused, match="is what web@production has"):
            revoked(catalog, reference)
        (record,) = revoke(catalog, reference, NOW, reason="bad", actor="ada", force=True)
        assert record.forced
    assert not revoke(catalog_of("1"), "web:1", NOW, reason="bad", actor="ada", force=True)[
        0
    ].forced


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"reason": " "}, "no reason"),
        ({"at": NOW - 1}, "in the past"),
        ({"reference": "web:9"}, "not in the catalog"),
        ({"reference": PRODUCTION}, "a channel, which is never revoked"),
    ],
)
def test_a_revocation_that_makes_no_sense_is_refused(how, message):
    with pytest.raises(InvalidValue, match=message):
        revoked(catalog_of("1"), **how)


def test_revoking_again_changes_nothing_and_to_put_it_off_it_is_restored_first():
    catalog = revoked(catalog_of("1"))
    assert revoke(catalog, "web:1", NOW + 5, reason="again", actor="bob") == ()
    with pytest.raises(CatalogRefused, match="restore it first"):
        revoked(catalog, at=NOW + 50)


def test_what_is_restored_is_what_was_revoked_and_nothing_that_was_built_on_it():
    catalog = revoked(catalog_of("1", v2="1"))
    with pytest.raises(CatalogRefused, match=f"restore {digest_of('1')}"):
        restore(catalog, "web:2", reason="it is fine", actor="ada")
    catalog = after(catalog, restore(catalog, "web:1", reason="false alarm", actor="ada"))
    assert catalog.revocation(digest_of("2"), NOW) is None
    with pytest.raises(CatalogRefused, match="nothing that it was built on"):
        restore(catalog, "web:1", reason="again", actor="ada")


@st.composite
def forests(draw):
    """Versions 0, 1, 2 …, each built on an earlier one or on nothing; the parents by number."""
    size = draw(st.integers(1, 12))
    return [draw(st.none() | st.integers(0, n - 1)) if n else None for n in range(size)]


def grown(parents):
    records = [
        added(f"v{n}", "" if parent is None else f"v{parent}") for n, parent in enumerate(parents)
    ]
    return after(Catalog(), records)


def reaches(parents, low, high):
    """Whether *low* is *high*, or was built on it: by walking, as the definition says."""
    while low is not None and low != high:
        low = parents[low]
    return low == high


@given(forests(), st.data())
def test_exactly_those_are_revoked_that_were_built_on_something_revoked(parents, data):
    catalog = grown(parents)
    chosen = data.draw(st.sets(st.integers(0, len(parents) - 1)))
    for each in chosen:
        catalog = revoked(catalog, f"web:v{each}")
    for n in range(len(parents)):
        found = catalog.revocation(digest_of(f"v{n}"), NOW)
        assert (found is not None) == any(reaches(parents, n, each) for each in chosen)


@given(forests())
def test_lineage_and_descendants_say_the_same(parents):
    catalog = grown(parents)
    for high in range(len(parents)):
        below = {each.version for each in catalog.descendants(digest_of(f"v{high}"))}
        reached = {n for n in range(len(parents)) if n != high and reaches(parents, n, high)}
        assert below == {f"v{n}" for n in reached}
        lineage = catalog.lineage(digest_of(f"v{high}"))
        assert set(lineage) == {
            digest_of(f"v{n}") for n in range(len(parents)) if reaches(parents, high, n)
        }


@given(forests(), st.data())
def test_no_channel_is_left_at_what_is_revoked_unless_somebody_forced_it(parents, data):
    catalog, numbers = grown(parents), st.integers(0, len(parents) - 1)
    for channel, number in data.draw(st.lists(st.tuples(st.sampled_from("ab"), numbers))):
        try:
            moved = assign(catalog, f"web@{channel}", f"web:v{number}", NOW, actor="ada")
            catalog = after(catalog, moved)
            catalog = revoked(catalog, f"web:v{data.draw(numbers)}")
        except CatalogRefused:
            continue
        for each in catalog.channels:
            assert catalog.revocation(catalog.find(each).digest, NOW) is None


def test_a_circle_of_parents_does_not_keep_anybody_busy():
    catalog = after(Catalog(), [added("1", "2"), added("2", "1")])
    assert catalog.lineage(digest_of("1")) == (digest_of("1"), digest_of("2"))
    assert revoked(catalog).revocation(digest_of("2"), NOW) is not None
